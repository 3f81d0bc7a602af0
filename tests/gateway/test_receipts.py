"""After a call the customer gets in writing what was understood; what is answered to it corrects the call's record."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Attachment, Inbound, Request, Sender
from channels.phone import Phone
from gateway import config
from gateway.app import assemble
from gateway.context import Gateway
from gateway.flow import Flow
from gateway.hearing import Hearing
from gateway.intake import accept
from gateway.outbox import Outbox
from gateway.store.base import Send
from tests.gateway.conftest import Clock
from transcription import model_folder
from transcription.base import Segment, Transcript, Word

if not os.environ.get("REQUIRE_TEST_SERVERS"):
    pytest.importorskip("vosk", reason="the speech extra is not installed")
SPEECH = Path(__file__).parents[1] / "transcription" / "speech"


class Shop:
    """A gateway with a phone account whose receipts go to the shop's own system, which carries them on."""

    def __init__(self, gateway: Gateway, clock: Clock, told: list[dict[str, object]]) -> None:
        self.gateway, self.clock, self.told = gateway, clock, told
        self.flow, self.hearing, self.outbox = Flow(gateway), Hearing(gateway), Outbox(gateway)

    async def call(self, id: str = "1", recording: str = "call", *, caller: str = "+8613800138000", **said: str) -> str:
        """A recorded call, taken in and not yet heard; its conversation."""
        data = (SPEECH / f"{recording}.flac").read_bytes()
        kept = await self.gateway.blobs.put(data, name="c.flac", type="", limit=len(data))
        phone = self.gateway.channels["phone", "main"]
        assert isinstance(phone, Phone)
        request = Request(at=self.clock())
        message = phone.uploaded(kept, {"call_id": id, "caller": caller, **said}, id, request)
        (accepted,) = await accept(self.gateway, [message], received_at=self.clock())
        return accepted.conversation

    async def heard_as(self, conversation: str, *words: tuple[str, float]) -> None:
        """Settle the call's recording with words of a given confidence, as a worse line would give them."""
        await self.step()
        (recording,) = await self.gateway.store.recordings(conversation)
        said = tuple(Word(text=t, start=n / 2, end=n / 2 + 0.5, confidence=c) for n, (t, c) in enumerate(words))
        segment = Segment(speaker="customer", start=0.0, end=len(said) / 2, text="", words=said)
        transcript = Transcript(recording=recording.digest, language="en", model="m", duration=9.0, segments=(segment,))
        await self.gateway.store.settle_recording(recording.inbox_id, recording.place, "heard", transcript=transcript)

    async def answer(self, text: str, *, thread: str = "+8613800138000", n: int = 1) -> str:
        message = Inbound(
            channel="api", account="main", external_id=f"answer-{n}", thread=thread,
            sender=Sender(id=thread), at=self.clock(), text=text,
        )  # fmt: skip
        (accepted,) = await accept(self.gateway, [message], received_at=self.clock())
        await self.work()
        return accepted.conversation

    async def step(self) -> None:
        while await self.flow.step():
            pass

    async def work(self) -> None:
        for _ in range(3):
            await self.step()
            await self.hearing.step()
            await self.hearing.idle()
        await self.step()
        await self.outbox.drain()

    async def receipts(self, conversation: str) -> list[Send]:
        return [s for s in (await self.gateway.store.outbox(limit=100)).items if s.kind == "receipt"]


@pytest.fixture
async def shop(tmp_path: Path, clock: Clock) -> AsyncIterator[Shop]:
    told: list[dict[str, object]] = []

    async def hook(request: web.Request) -> web.Response:
        told.append(msgspec.json.decode(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hook)
    async with TestServer(app) as server:
        file = tmp_path / "allears.toml"
        file.write_text(
            f"""
secret = "0123456789012345678901234567890123456789"
public_url = "https://intake.example"
[egress]
allow = ["127.0.0.0/8"]
[channels.phone.main]
tokens = ["{hashlib.sha256(b"t").hexdigest()}"]
receipt_by = ["api/main"]
[channels.api.main]
reply_url = "{server.make_url("/")}"
reply_secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
webhook_secrets = ["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
"""
        )
        gateway = assemble(config.load(file, env={}), clock=clock)
        model_folder.use(gateway.shelf, model_folder.TINY)
        await gateway.store.open()
        made = Shop(gateway, clock, told)
        yield made
        await made.hearing._stop()
        await gateway.egress.close()
        await gateway.store.close()


async def test_the_caller_gets_what_was_understood_and_an_answer_corrects_it(shop: Shop) -> None:
    call = await shop.call()
    await shop.work()
    (told,) = shop.told
    number = (await shop.gateway.store.conversation(call)).number
    text = str(told)
    assert number in text
    assert "7042" in text
    assert "+8613800138000" in text
    before = await shop.gateway.store.record(number)
    other = await shop.answer("No, my order number is 7043.")
    after = await shop.gateway.store.record(number)
    assert after.revision == before.revision + 1
    assert "7043" in [one.value for one in after.what.order_numbers]
    assert after.standing.status == before.standing.status == "waiting_agent"
    assert after.standing.owner == before.standing.owner == ""
    assert after.arrival.conversation == call
    assert (await shop.gateway.store.conversation(other)).number == number
    links = [e.choice for e in await shop.gateway.store.timeline(call) if e.notice == "linked"]
    assert links == [other]
    assert set(await shop.gateway.store.find_person("+8613800138000")) == {call, other}, "both are erased with them"


async def test_it_is_sent_once_whatever_is_repeated(shop: Shop) -> None:
    call = await shop.call()
    await shop.work()
    (first, *_) = await shop.receipts(call)
    for _ in range(2):
        await shop.outbox._carrier("receipt:")(
            next(s for s in await shop.receipts(call) if s.destination == "receipt:phone/main")
        )
        await shop.work()
    assert len(shop.told) == 1
    assert len([e for e in await shop.gateway.store.timeline(call) if e.notice == "linked"]) == 1
    assert first.state == "sent"


async def test_a_number_that_was_not_heard_well_is_asked_for(shop: Shop) -> None:
    call = await shop.call()
    words = [(w, 1.0) for w in "i want a refund my order number is four seven one".split()]
    await shop.heard_as(call, *words, ("one", 0.4))
    await shop.work()
    number = (await shop.gateway.store.conversation(call)).number
    record = await shop.gateway.store.record(number)
    assert record.what.order_numbers == ()
    assert [doubt.value for doubt in record.what.doubts] == ["4711"]
    assert "Did you say 4 7 1 1?" in str(shop.told[0])
    await shop.answer("Yes.")
    record = await shop.gateway.store.record(number)
    assert [order.value for order in record.what.order_numbers] == ["4711"]
    assert record.what.doubts == ()
    assert "I have noted 4711" in str(shop.told[-1])


async def test_a_voice_note_with_a_doubtful_number_is_asked_about(shop: Shop) -> None:
    data = (SPEECH / "en_number.flac").read_bytes()
    message = Inbound(
        channel="api",
        account="main",
        external_id="note",
        thread="ann",
        sender=Sender(id="ann"),
        at=shop.clock(),
        attachments=(Attachment(name="note.flac", data=data),),
    )
    (accepted,) = await accept(shop.gateway, [message], received_at=shop.clock())
    words = [(w, 1.0) for w in "my package was damaged i want a refund my order number is four seven one".split()]
    await shop.heard_as(accepted.conversation, *words, ("one", 0.4))
    await shop.work()
    record = await shop.gateway.store.record((await shop.gateway.store.conversation(accepted.conversation)).number)
    assert [doubt.value for doubt in record.what.doubts] == ["4711"]
    assert "order number" in str(shop.told[-1]), "the bot asks for it by itself"
    await shop.answer("4711", thread="ann", n=2)
    record = await shop.gateway.store.record(record.number)
    assert "4711" in [order.value for order in record.what.order_numbers]
    assert "I have noted 4711" in str(shop.told[-1])


async def test_a_caller_without_a_number_gets_none_and_nothing_is_lost(shop: Shop) -> None:
    call = await shop.call(caller="anonymous")
    await shop.work()
    assert shop.told == []
    (row,) = await shop.receipts(call)
    assert row.state == "superseded", "nobody is disturbed by it"
    assert "no channel" in row.error
    assert (await shop.gateway.store.conversation(call)).status == "waiting_agent"


async def test_a_number_that_was_only_said_is_no_address(shop: Shop) -> None:
    call = await shop.call(caller="")
    said = "i want a refund call me at one three eight zero zero one three eight zero zero one".split()
    await shop.heard_as(call, *((w, 1.0) for w in said))
    await shop.work()
    record = await shop.gateway.store.record((await shop.gateway.store.conversation(call)).number)
    assert record.what.kind is not None
    assert shop.told == []


async def test_an_open_case_of_the_same_person_stays_their_own(shop: Shop) -> None:
    other = await shop.answer("My parcel 20261120001234 is broken, I want a refund!", n=7)
    own = (await shop.gateway.store.conversation(other)).number
    call = await shop.call()
    await shop.work()
    assert (await shop.gateway.store.conversation(other)).number == own
    number = (await shop.gateway.store.conversation(call)).number
    assert any(number in str(told) for told in shop.told)


async def test_after_erasure_nothing_goes_out(shop: Shop) -> None:
    call = await shop.call()
    await shop.step()
    await shop.hearing.step()
    await shop.hearing.idle()
    await shop.step()
    await shop.gateway.store.erase(call, at=shop.clock(), by="test")
    await shop.outbox.drain()
    assert shop.told == []


async def test_a_mail_begins_a_thread_of_its_own_by_the_address_that_the_exchange_knows(shop: Shop) -> None:
    phone = shop.gateway.channels["phone", "main"]
    assert isinstance(phone, Phone)
    file = Attachment(name="a.wav", digest="0" * 64, state="kept")
    message = phone.uploaded(file, {"call_id": "9", "email": "ann@example.org"}, "9", Request(at=shop.clock()))
    assert message.sender.email == "ann@example.org"
    for wrong in ("ann", "a@b", "a@b.c, d@e.f", "<a@b.c>"):
        assert phone.uploaded(file, {"call_id": "9", "email": wrong}, "9", Request(at=shop.clock())).sender.email == ""
