"""A long correspondence with the product as it runs: what the customer's mail program shows, and what the desk shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.base import Attachment
from gateway import config
from gateway.app import application, assemble
from gateway.context import Gateway
from gateway.desk import actions, people
from gateway.store.base import Agent, Conversation, Entry
from tests.channels.email.customer import Customer, File, is_threaded, page, plain
from tests.channels.email.office import SECRET, settings, until
from tests.channels.email.servers import Dovecot, Post

PHOTO: File = (
    "photo.jpg",
    "image/jpeg",
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9",
)


class Words(NamedTuple):
    """What is said in one language, and the lines that must frame what we say."""

    name: str
    subject: str
    complaint: str
    question: str
    human: str
    above: str
    footer: str
    greeting: str
    thanks: str
    survey: str


CHINESE = Words(
    "李梅",
    "水壶漏水",
    "我上周买的电热水壶（订单号 20261115004521）一直漏水，要求退款 399 元。",
    "退款几天到账？",
    "请转人工。",
    "请在此线以上回复",
    "海边客服",
    "李女士您好，退款今天办理。",
    "收到了，谢谢！\n\n发自我的iPhone",
    "满意吗",
)
ENGLISH = Words(
    "Amy Green",
    "Broken blender",
    "The blender of order A12345678 arrived broken. I want a replacement.",
    "How long does it take?",
    "I would like to talk to a human, please.",
    "reply above this line",
    "Seaside",
    "Dear Amy, a new one leaves today.",
    "It came, thank you!\n\nSent from my iPhone",
    "How satisfied",
)


class Shop:
    """The running gateway with an agent at its desk."""

    def __init__(self, gateway: Gateway, agent: Agent) -> None:
        self.gateway, self.agent = gateway, agent

    async def conversations(self, count: int) -> list[Conversation]:
        """So many, oldest first, when all that came in is decided."""
        store = self.gateway.store

        async def there() -> bool:
            waiting = (await store.inbox(state="open")).items
            return not waiting and len((await store.conversations("all")).items) == count

        await until(there)
        found = [line.conversation for line in (await store.conversations("all")).items]
        return sorted(found, key=lambda one: one.opened_at)

    async def heard(self, customer: Customer, id: str, count: int) -> list[Entry]:
        """The customer's lines, when there are so many."""

        async def there() -> bool:
            return len(await self._lines(id)) >= count

        await until(there)
        return await self._lines(id)

    async def _lines(self, id: str) -> list[Entry]:
        return [entry for entry in await self.gateway.store.timeline(id) if entry.kind == "inbound"]

    async def say(self, id: str, text: str, files: tuple[Attachment, ...] = ()) -> None:
        conversation = await self.gateway.store.conversation(id)
        await actions.reply(
            self.gateway, self.agent, id, fence=conversation.fence, key=text, text=text, attachments=files
        )


@asynccontextmanager
async def shop(folder: Path, imap: Dovecot, post: Post) -> AsyncIterator[Shop]:
    post.handler.forward = imap
    account = settings(imap, post, folder, footer={"zh": "海边客服", "en": "Seaside support"})
    tree = {"secret": SECRET, "company": {"name": "Seaside"}, "channels": {"email": {"main": account}}}
    gateway = assemble(config.Loaded(config=config.convert(tree, config.Config), file="", text="", folder=folder))
    async with TestClient(TestServer(application(gateway))):
        await until(lambda: any(p["last_sweep_seconds"] is not None for p in gateway.metrics.pulls().values()))
        agent = await people.add_agent(gateway, login="mei", name="Mei", role="agent")
        yield Shop(gateway, agent)


@pytest.mark.parametrize("words", [CHINESE, ENGLISH], ids=["zh", "en"])
async def test_a_complaint_from_the_first_mail_to_the_survey(
    tmp_path: Path, imap: Dovecot, post: Post, words: Words
) -> None:
    async with shop(tmp_path, imap, post) as gateway:
        customer = Customer(imap, words.name, "customer@example.com")
        sent = [customer.write(words.complaint, words.subject, files=[PHOTO])]
        letter = await customer.next()
        (conversation,) = await gateway.conversations(1)
        # The bot is read; the answers go on in the same thread, whatever the program does with the history.
        sent.append(customer.answer(letter, words.question, "qq"))
        letter = await customer.next()
        customer.away(letter, "I am away.")
        await gateway.heard(customer, conversation.id, 3)
        sent.append(customer.answer(letter, words.human, "gmail"))
        await gateway.heard(customer, conversation.id, 4)
        # A person takes over, with a file.
        await gateway.conversations(1)
        await actions.claim(gateway.gateway, gateway.agent, conversation.id)
        kept = await gateway.gateway.blobs.put(b"%PDF-1.4 x", name="退货单.pdf", type="application/pdf", limit=100)
        await gateway.say(conversation.id, words.greeting, (kept,))
        letter = await customer.next_with(words.greeting)
        assert [file.get_filename() for file in letter.iter_attachments()] == ["退货单.pdf"]
        assert letter["Auto-Submitted"] is None
        for part in (plain(letter), page(letter)):
            assert words.greeting in part
            assert words.above in part
            assert words.footer in part
        # A picture without a word, our own words quoted below it: nothing of them is the customer's.
        sent.append(customer.answer(letter, "", "gmail", files=[PHOTO]))
        line = (await gateway.heard(customer, conversation.id, 5))[-1]
        assert (line.text, line.placeholder, len(line.attachments)) == ("", "files without a word", 1)
        assert words.greeting in line.whole
        # Our answer comes back.
        await gateway.say(conversation.id, "ok 2")
        letter = await customer.next_with("ok 2")
        customer.bounce(letter, "4.2.2", "552 mailbox full")
        line = (await gateway.heard(customer, conversation.id, 6))[-1]
        assert (line.machine, "4.2.2" in line.text) == ("bounce", True)
        # What another wrote, sent on: a conversation of its own that points here.
        forwarded = customer.forward(words.question, "The parcel was taken over by the courier.", letter)
        first, second = await gateway.conversations(2)
        notices = await gateway.gateway.store.timeline(second.id)
        assert [entry.choice for entry in notices if entry.notice == "linked"] == [first.id]
        # The end, and what the customer thinks of it.
        sent.append(customer.answer(letter, words.thanks, "bottom"))
        line = (await gateway.heard(customer, conversation.id, 7))[-1]
        assert line.text == words.thanks.partition("\n")[0]
        await gateway.conversations(2)
        fence = (await gateway.gateway.store.conversation(conversation.id)).fence
        await actions.close(
            gateway.gateway, gateway.agent, conversation.id, fence=fence, key="end", disposition="solved"
        )
        letter = await customer.next_with(words.survey)
        assert "1. 5" not in plain(letter)
        sent.append(customer.answer(letter, "5", "qq"))
        await gateway.heard(customer, conversation.id, 8)
        await gateway.conversations(2)
        number = (await gateway.gateway.store.conversation(conversation.id)).number
        record = await gateway.gateway.store.record(number)
        assert record.standing.satisfaction == 5
        assert is_threaded(customer.got, [*sent, forwarded])
        letter = customer.got[-1]
        assert str(letter["References"]).split()[-1] == letter["In-Reply-To"]
        assert letter["In-Reply-To"] in sent
        assert all(words.footer in plain(one) for one in customer.got)
        texts = [entry.text for entry in await gateway.heard(customer, conversation.id, 8) if not entry.machine]
        assert not any(words.footer in text or words.above in text for text in texts)
