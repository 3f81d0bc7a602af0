"""One person on several channels: codes that prove it, returning customers, and other ways when one is closed."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Inbound, Secret, Sender
from gateway import codes, config, roads
from gateway.app import assemble
from gateway.context import Gateway
from gateway.desk import actions, contacts, people
from gateway.flow import Flow
from gateway.intake import accept
from gateway.keys import Keys
from gateway.outbox import Outbox
from gateway.store.base import BOT, Send
from tests.gateway.conftest import Clock

OURS, THEIRS = "+4930123456", "+8613800138000"
CONFIG = """
secret = "0123456789012345678901234567890123456789"
public_url = "https://intake.example"
[egress]
allow = ["127.0.0.0/8"]
[channels.webchat.shop]
site_key = "lantern"
session_secret = "session-secret-0123456789012345678901234"
[channels.sms.main]
account_sid = "AC1"
auth_token = "0123456789abcdef0123456789abcdef"
number = "{ours}"
api_url = "{url}"
[channels.sms.wa]
account_sid = "AC2"
auth_token = "0123456789abcdef0123456789abcdef"
number = "whatsapp:{ours}"
api_url = "{url}"
"""
COMPLAINT = "My lamp came broken and I want my money back."


class Twilio:
    """What Twilio was asked to send; ``closed`` accounts answer with an error code."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.closed: dict[str, int] = {}

    async def send(self, request: web.Request) -> web.Response:
        form, account = await request.post(), request.match_info["account"]
        if code := self.closed.get(account):
            return web.json_response({"code": code, "message": "no"}, status=400)
        self.sent.append((account, str(form["To"]), str(form["Body"])))
        return web.json_response({"sid": f"SM{len(self.sent)}"}, status=201)

    @property
    def digits(self) -> str:
        """The last code."""
        (found,) = re.findall(r"(?<!\d)\d{6}(?!\d)", self.sent[-1][2])
        return str(found)


class World:
    """A gateway with a chat window and two numbers, stepped by hand."""

    def __init__(self, gateway: Gateway, clock: Any, twilio: Twilio) -> None:
        self.gateway, self.clock, self.twilio = gateway, clock, twilio
        self.flow, self.outbox = Flow(gateway), Outbox(gateway)
        self._count = 0

    async def write(
        self, text: str, who: str = "visitor:1", channel: str = "webchat", account: str = "shop", **more: Any
    ) -> str:
        """A message, taken all the way; its conversation. A sender that is a number is verified by its platform."""
        self._count += 1
        is_number = who.startswith("+")
        thread = who
        if is_number:
            prefix = "whatsapp:" if account == "wa" else ""
            thread = f"{prefix}{OURS}/{prefix}{who}"
        message = Inbound(
            channel=channel,
            account=account,
            external_id=f"m{self._count}",
            thread=thread,
            sender=Sender(id=who, phone=who if is_number else "", verified=is_number),
            at=self.clock(),
            text=text,
        )
        message = msgspec.structs.replace(message, **more)
        (accepted,) = await accept(self.gateway, [message], received_at=self.clock())
        await self.work()
        return accepted.conversation

    async def hear_of(self, told: str, machine: Any) -> None:
        """The platform tells that their number wants nothing more, or something again."""
        thread = f"{OURS}/{THEIRS}"
        status = Inbound(
            channel="sms", account="main", external_id=told, thread=thread, sender=Sender(id=THEIRS), at=self.clock(),
            kind="status", machine=machine, text=told,
        )  # fmt: skip
        await accept(self.gateway, [status], received_at=self.clock())
        await self.work()

    async def work(self) -> None:
        while await self.flow.step():
            pass
        await self.outbox.drain()

    async def said(self, conversation: str) -> str:
        """The last line that the customer read."""
        entries = await self.gateway.store.timeline(conversation, visible_only=True)
        return [entry.text for entry in entries if entry.kind == "outbound"][-1]

    async def notices(self, conversation: str, kind: str) -> list[str]:
        return [e.choice or e.text for e in await self.gateway.store.timeline(conversation) if e.notice == kind]

    async def number(self, conversation: str) -> str:
        return (await self.gateway.store.conversation(conversation)).number

    async def rows(self) -> list[Send]:
        return list((await self.gateway.store.outbox(limit=200)).items)

    async def texted(self, text: str = COMPLAINT, account: str = "main") -> str:
        return await self.write(text, THEIRS, "sms", account)


@pytest.fixture
async def world(tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    twilio, app = Twilio(), web.Application()
    app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", twilio.send)
    async with TestServer(app) as server:
        file = tmp_path / "allears.toml"
        file.write_text(CONFIG.format(ours=OURS, url=str(server.make_url("/")).rstrip("/")))
        gateway = assemble(config.load(file, env={}), clock=clock)
        await gateway.store.open()
        yield World(gateway, clock, twilio)
        await gateway.egress.close()
        await gateway.store.close()


# --- codes ----------------------------------------------------------------------------------------------


async def test_a_code_opens_the_state_of_ones_own_case(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    number = await world.number(await world.texted())
    chat = await world.write(f"Where is my case {number}?")
    assert number not in await world.said(chat)
    digits = world.twilio.digits
    assert world.twilio.sent[-1][:2] == ("AC1", THEIRS)
    await world.write(f"{digits[:3]} {digits[3:]}")
    told = await world.said(chat)
    assert number in told, told
    contact = await world.gateway.store.contact(chat)
    assert [address for address, _ in contact.addresses] == [f"phone:{THEIRS}"]
    assert [p.how for p in contact.aliases[0].because] == ["code", "verified"]
    assert await world.notices(chat, "proven") == [f"phone:{THEIRS}"]
    sent = len(world.twilio.sent)
    await world.write(f"Where is my case {number} now?")
    assert number in await world.said(chat)
    assert len(world.twilio.sent) == sent, "who has proven it once is not asked again"
    assert digits not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "我的投诉{}处理得怎么样了？",
        "请帮我查一下{}的进度",
        "{}",
        "What is the status of {}?",
        "Please tell me about {}",
    ],
)
async def test_ways_to_ask(world: World, text: str) -> None:
    number = await world.number(await world.texted())
    await world.write(text.format(number.lower()))
    assert re.search(r"(?<!\d)\d{6}(?!\d)", world.twilio.sent[-1][2]), world.twilio.sent[-1]


async def test_a_complaint_that_names_a_case_is_a_complaint(world: World) -> None:
    number = await world.number(await world.texted())
    sent = len(world.twilio.sent)
    chat = await world.write(f"I am furious: after case {number} the new lamp came broken again, I want my money back!")
    assert len(world.twilio.sent) == sent
    assert await world.number(chat) in await world.said(chat)


async def test_the_code_stands_nowhere(world: World, tmp_path: Path) -> None:
    number = await world.number(await world.texted())
    chat = await world.write(f"Where is my case {number}?")
    digits = world.twilio.digits
    for conversation in {chat, *(a.conversation.id for a in (await world.gateway.store.contact(chat)).aliases)}:
        assert all(digits not in entry.text for entry in await world.gateway.store.timeline(conversation))
    await world.gateway.store.close()
    for file in ("allears.db", "allears.db-wal"):
        path = tmp_path / "data" / file
        assert path.exists() or file.endswith("wal")
        assert digits.encode() not in (await asyncio.to_thread(path.read_bytes) if path.exists() else b"")
    await world.gateway.store.open()


async def test_five_wrong_tries_end_it(world: World) -> None:
    number = await world.number(await world.texted())
    chat = await world.write(f"Where is my case {number}?")
    digits = world.twilio.digits
    wrong = f"{(int(digits) + 1) % 1_000_000:06d}"
    for _ in range(codes.TRIES):
        await world.write(wrong)
    assert "no longer good" in await world.said(chat)
    await world.write(digits)
    assert number not in await world.said(chat)
    assert (await world.gateway.store.contact(chat)).addresses == ()


async def test_after_ten_minutes_it_is_too_late(world: World) -> None:
    number = await world.number(await world.texted())
    chat = await world.write(f"Where is my case {number}?")
    world.clock.go(minutes=11)
    await world.write(world.twilio.digits)
    assert "no longer good" in await world.said(chat)
    assert (await world.gateway.store.contact(chat)).addresses == ()


async def test_somebody_elses_code_proves_nothing(world: World) -> None:
    number = await world.number(await world.texted())
    await world.write(f"Where is my case {number}?", "visitor:1")
    digits = world.twilio.digits
    other = await world.write(f"Where is my case {number}?", "visitor:2")
    assert world.twilio.digits != digits
    await world.write(digits, "visitor:2")
    assert "not the right code" in await world.said(other)


async def test_a_code_that_cannot_be_sent_is_no_secret_to_operators(world: World) -> None:
    number = await world.number(await world.texted())
    world.twilio.closed["AC1"] = 21211
    await world.write(f"Where is my case {number}?")
    (row,) = [row for row in await world.rows() if row.destination.startswith(codes.DESTINATION)]
    assert row.state == "dead", "Twilio refused it for good"
    (told,) = await world.notices(row.conversation, "code_failed")
    assert "21211" in told
    assert all("code" not in text for _, _, text in world.twilio.sent)


# --- the desk -------------------------------------------------------------------------------------------


async def test_an_agent_sends_a_code_to_an_address_of_the_case(world: World) -> None:
    agent = await people.add_agent(world.gateway, login="mei", name="Mei", role="agent")
    texts = await world.texted()
    chat = await world.write(f"{COMPLAINT} You can call me: {THEIRS}")
    assert (await contacts.shown(world.gateway, chat)).addresses == (f"phone:{THEIRS}",)
    for _ in range(2):
        await contacts.send_code(world.gateway, agent, chat, key="12345678", address=f"phone:{THEIRS}")
    await world.work()
    assert "six-digit code" in await world.said(chat)
    assert len([text for _, _, text in world.twilio.sent if "is your code" in text]) == 1
    await world.write(world.twilio.digits)
    shown = await contacts.shown(world.gateway, chat)
    assert [alias.conversation.id for alias in shown.aliases] == [texts]
    proof = shown.aliases[0].because[0]
    assert (proof.how, proof.by) == ("code", agent.id)
    await contacts.undo(world.gateway, agent, chat, proof.n)
    assert (await contacts.shown(world.gateway, chat)).aliases == ()
    journal = [line.what for line in await world.gateway.store.journal(await world.number(chat))]
    assert journal[-1] == "unproven"
    assert "proven" in journal


async def test_a_code_goes_to_no_address_but_the_cases(world: World) -> None:
    agent = await people.add_agent(world.gateway, login="mei", name="Mei", role="agent")
    chat = await world.write(COMPLAINT)
    with pytest.raises(actions.DeskError, match="case"):
        await contacts.send_code(world.gateway, agent, chat, key="12345678", address=f"phone:{THEIRS}")
    await world.write("My mail is anna@example.org and I want an answer there.")
    with pytest.raises(actions.DeskError, match="reaches"):
        await contacts.send_code(world.gateway, agent, chat, key="12345678", address="email:anna@example.org")


async def test_a_proof_of_others_is_not_undone_from_here(world: World) -> None:
    agent = await people.add_agent(world.gateway, login="mei", name="Mei", role="agent")
    texts, chat = await world.texted(), await world.write(COMPLAINT)
    ((_, because),) = (await world.gateway.store.contact(texts)).addresses
    with pytest.raises(actions.DeskError, match="no such"):
        await contacts.undo(world.gateway, agent, chat, because[0].n)


async def test_a_returning_customer_is_known_by_proof(world: World) -> None:
    await world.texted()
    again, stranger = await world.texted(account="wa"), await world.write(f"{COMPLAINT} I am {THEIRS}")
    classes = {
        id: (await world.gateway.store.record(await world.number(id))).who.customer_class for id in (again, stranger)
    }
    assert classes == {again: "returning", stranger: "new"}


# --- other ways -----------------------------------------------------------------------------------------


async def reply(world: World, conversation: str, text: str = "Your money is on its way.") -> Any:
    agent = await people.add_agent(world.gateway, login=f"mei{len(world.twilio.sent)}", name="Mei", role="agent")
    lead = msgspec.structs.replace(agent, role="lead")
    taken = await actions.claim(world.gateway, lead, conversation, force=True)
    await actions.reply(world.gateway, lead, conversation, fence=taken.fence, key=f"key-{agent.login}", text=text)
    await world.work()
    return agent


@pytest.mark.parametrize(("code", "why"), [(63016, "expired"), (21610, "blocked")])
async def test_a_closed_way_is_gone_round(world: World, code: int, why: str) -> None:
    texts, whats = await world.texted(), await world.texted(account="wa")
    world.twilio.closed["AC2"] = code
    agent = await reply(world, whats)
    assert [to for account, to, text in world.twilio.sent if text == "Your money is on its way."] == [THEIRS]
    assert await world.notices(whats, "rerouted") == [texts]
    assert (await world.gateway.store.conversation(texts)).owner == agent.id, "the answer comes to who asked"
    assert [send.state for send in await world.gateway.store.pending(whats)] == []
    told = [e for e in await world.gateway.store.timeline(whats) if e.notice == "rerouted"]
    assert told[0].text == why


async def test_a_number_is_written_to_that_never_wrote_here(world: World) -> None:
    whats = await world.texted(account="wa")
    world.twilio.closed["AC2"] = 63016
    await reply(world, whats)
    assert world.twilio.sent[-1] == ("AC1", THEIRS, "Your money is on its way.")
    texts = await world.texted("Thank you!")
    assert await world.notices(whats, "rerouted") == [texts]
    assert await world.number(texts) == await world.number(whats), "the answer belongs to the case"


async def test_who_has_said_stop_is_not_written_to_there(world: World) -> None:
    """Their platform told of it; some take a message for such a customer all the same and lose it."""
    texts, whats = await world.texted(), await world.texted(account="wa")
    for told, machine in (("blocked", "blocked"), ("unblocked", "")):
        await world.hear_of(told, machine)
        before = len(world.twilio.sent)
        await reply(world, texts, f"Said while {told}.")
        assert [account for account, _, _ in world.twilio.sent[before:]] == ["AC2" if machine else "AC1"]
    assert await world.notices(texts, "rerouted") == [whats]


async def test_without_another_way_a_person_is_told(world: World) -> None:
    chat = await world.texted(account="wa")
    world.twilio.closed |= {"AC2": 63016, "AC1": 63016}
    sent = len(world.twilio.sent)
    await world.write("Are you open on Sundays?", THEIRS, "sms", "wa")
    assert len(world.twilio.sent) == sent
    conversation = await world.gateway.store.conversation(chat)
    assert conversation.owner != BOT
    dead = [row for row in await world.rows() if row.state == "dead"]
    assert dead
    assert all(row.error.startswith("Expired") for row in dead)
    assert not [row for row in await world.rows() if row.state in ("waiting", "sending")]


async def test_who_writes_into_a_conversation_of_others_does_not_get_it(world: World) -> None:
    chat = await world.write(COMPLAINT, "visitor:1", thread="t", machine="auto_reply")
    other = await world.write("I am only copied.", "+8613800138001", thread="t")
    assert other == chat
    number = await world.number(chat)
    case = await world.gateway.store.asked_case(number, ["phone:+8613800138001", "webchat/shop/+8613800138001"])
    assert case is not None
    assert not case.known


async def test_an_unproven_address_is_no_way(world: World) -> None:
    chat = await world.write(f"{COMPLAINT} My number is {THEIRS}")
    contact = await world.gateway.store.contact(chat)
    assert contact.addresses == ()
    assert contact.aliases == ()


async def test_a_crash_between_is_no_second_message(world: World) -> None:
    """The road's row is carried again, as after a kill between its two commits."""
    await world.texted()
    whats = await world.texted(account="wa")
    world.twilio.closed["AC2"] = 63016
    await reply(world, whats)
    (row,) = [row for row in await world.rows() if row.destination.startswith(roads.DESTINATION)]
    before = list(world.twilio.sent)
    assert (await roads.Roads(world.gateway).attempt(row)).state == "sent"
    await world.work()
    assert world.twilio.sent == before


def test_what_is_a_code() -> None:
    assert codes.typed("123456") == codes.typed(" 123 456. ") == codes.typed("My code: １２３-４５６") == "123456"
    for text in ("1234567", "12345", "order 20261102003317", "123456 or 654321", "x" * 70 + "123456"):
        assert codes.typed(text) == ""


def test_codes_of_other_installations_are_others() -> None:
    made = {codes.made(Keys(Secret(letter * 40)), "k") for letter in "abcdef"}
    assert len(made) > 1
    assert all(re.fullmatch(r"\d{6}", each) for each in made)
