"""Voice notes: kept first, heard once, and their words go the way of written ones. Through the real engine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.base import Attachment, Inbound, Sender
from gateway import config
from gateway.app import assemble
from gateway.context import Gateway
from gateway.flow import Flow
from gateway.hearing import PATIENCE, Hearing
from gateway.intake import accept
from gateway.store.base import Entry, Recording
from normalizer.record import ComplaintRecord
from tests.gateway.conftest import Clock
from transcription import model_folder

SPEECH = Path(__file__).parents[1] / "transcription" / "speech"
if not os.environ.get("REQUIRE_TEST_SERVERS"):
    pytest.importorskip("vosk", reason="the speech extra is not installed")
    pytest.importorskip("av", reason="the speech extra is not installed")


class Scene:
    """A gateway whose flow and hearing are stepped by hand."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self.gateway, self.clock = gateway, clock
        self.flow, self.hearing = Flow(gateway), Hearing(gateway)
        self._count = 0

    async def send(self, *files: str | bytes, text: str = "", thread: str = "t") -> str:
        """A message with recordings (names of ``speech/``, or bytes); its conversation."""
        self._count += 1
        data = [file if isinstance(file, bytes) else (SPEECH / f"{file}.flac").read_bytes() for file in files]
        message = Inbound(
            channel="api",
            account="main",
            external_id=f"v{self._count}",
            thread=thread,
            sender=Sender(id=thread),
            at=self.clock(),
            text=text,
            attachments=tuple(Attachment(name="note.flac", data=one) for one in data),
        )
        (accepted,) = await accept(self.gateway, [message], received_at=self.clock())
        return accepted.conversation

    async def work(self) -> None:
        """Everything that can be done now."""
        for _ in range(4):
            while await self.flow.step():
                pass
            await self.hearing.step()
            await self.hearing.idle()

    async def record(self, conversation: str) -> ComplaintRecord:
        return await self.gateway.store.record((await self.gateway.store.conversation(conversation)).number)

    async def replies(self, conversation: str) -> list[str]:
        return [send.key for send in await self.gateway.store.pending(conversation) if send.kind]

    async def recordings(self, conversation: str) -> tuple[Recording, ...]:
        return await self.gateway.store.recordings(conversation)

    async def notices(self, conversation: str) -> list[Entry]:
        return [e for e in await self.gateway.store.timeline(conversation) if e.kind == "notice"]

    async def states(self) -> list[str]:
        return [row.state for row in (await self.gateway.store.inbox(limit=500)).items]


@pytest.fixture
async def scene(gateway: Gateway, clock: Clock) -> AsyncIterator[Scene]:
    model_folder.use(gateway.shelf, model_folder.TINY)
    made = Scene(gateway, clock)
    yield made
    await made.hearing._stop()


async def test_a_voice_note_becomes_a_record_with_its_seconds(scene: Scene) -> None:
    conversation = await scene.send("en_number")
    await scene.work()
    record = await scene.record(conversation)
    (found,) = record.what.order_numbers
    assert found.value == "17704"
    (evidence,) = found.evidence
    (recording,) = await scene.recordings(conversation)
    assert evidence.message == recording.digest
    assert evidence.from_second is not None
    assert evidence.to_second is not None
    assert 1.0 < evidence.from_second < evidence.to_second < 5.0
    assert [file.heard for file in record.arrival.attachments] == ["heard"]
    assert (await scene.states()) == ["done"]


async def test_the_bot_answers_what_was_said(scene: Scene) -> None:
    spoken = await scene.send("en_broken", thread="spoken")
    await scene.work()
    written = await scene.send(text="the package is broken i want a refund", thread="written")
    await scene.work()
    one, other = await scene.record(spoken), await scene.record(written)
    assert one.what.kind is not None
    assert other.what.kind is not None
    assert one.what.kind.value == other.what.kind.value == "complaint"
    assert {d.value for d in one.what.demands} == {d.value for d in other.what.demands} == {"refund"}
    assert len(await scene.replies(spoken)) == len(await scene.replies(written)) > 0


async def test_mandarin_is_heard_too(scene: Scene) -> None:
    conversation = await scene.send("zh_refund")
    await scene.work()
    record = await scene.record(conversation)
    assert [d.value for d in record.what.demands] == ["refund"]
    (recording,) = await scene.recordings(conversation)
    assert recording.transcript is not None
    assert recording.transcript.language == "zh"


async def test_what_follows_a_voice_note_waits_for_it_and_others_do_not(scene: Scene) -> None:
    conversation = await scene.send("en_late")
    await scene.send(text="order 20261120001", thread="t")
    other = await scene.send(text="hello", thread="other")
    while await scene.flow.step():
        pass
    assert sorted(await scene.states()) == ["done", "open", "wait"]
    assert (await scene.gateway.store.conversation(other)).number
    await scene.work()
    assert set(await scene.states()) == {"done"}
    assert len((await scene.record(conversation)).arrival.messages) == 2


async def test_the_same_file_is_heard_once(scene: Scene) -> None:
    first = await scene.send("en_late", thread="a")
    await scene.work()
    await scene.hearing._stop()
    second = await scene.send("en_late", thread="b")
    shutil.rmtree(scene.gateway.blobs.folder)  # whoever opened the file again would fail
    await scene.work()
    (a,), (b,) = await scene.recordings(first), await scene.recordings(second)
    assert a.transcript == b.transcript
    assert b.state == "heard"


async def test_without_a_model_it_waits_and_everybody_knows(gateway: Gateway, clock: Clock) -> None:
    scene = Scene(gateway, clock)
    conversation = await scene.send("en_broken")
    await scene.work()
    assert await scene.states() == ["done"]
    record = await scene.record(conversation)
    assert [file.heard for file in record.arrival.attachments] == ["waiting"]
    assert record.standing.status == "waiting_agent"
    assert any("speech" in part.name and "model" in part.trouble for part in gateway.metrics.parts())
    answered = await scene.replies(conversation)

    model_folder.use(gateway.shelf, model_folder.TINY)
    scene.hearing = Hearing(gateway)
    await scene.work()
    await scene.hearing._stop()
    record = await scene.record(conversation)
    assert [file.heard for file in record.arrival.attachments] == ["heard"]
    assert [d.value for d in record.what.demands] == ["refund"]
    assert set(answered) <= set(await scene.replies(conversation))
    assert not any(part.name == "speech" and part.trouble for part in gateway.metrics.parts())


async def test_a_file_that_is_no_recording_goes_to_a_person(scene: Scene) -> None:
    garbage = b"OggS" + os.urandom(5000)
    conversation = await scene.send(garbage)
    await scene.work()
    (recording,) = await scene.recordings(conversation)
    assert recording.state == "failed"
    assert recording.error
    record = await scene.record(conversation)
    assert [(f.heard, bool(f.trouble)) for f in record.arrival.attachments] == [("failed", True)]
    assert record.standing.status == "waiting_agent"
    assert (await scene.gateway.blobs.read(recording.digest)) == garbage


async def test_a_broken_model_is_not_the_recordings_fault(scene: Scene) -> None:
    broken = scene.gateway.shelf / "broken"
    shutil.copytree(model_folder.tiny.MODEL, broken)  # type: ignore[attr-defined]
    (broken / "am" / "final.mdl").write_bytes(b"\0Bgarbage")
    model_folder.use(scene.gateway.shelf, "broken")
    conversation = await scene.send("en_late")
    await scene.work()
    (recording,) = await scene.recordings(conversation)
    assert recording.state == "waiting"
    assert any(part.name == "speech" for part in scene.gateway.metrics.parts())
    model_folder.use(scene.gateway.shelf, model_folder.TINY)
    scene.hearing._paused_until = 0.0
    await scene.work()
    assert (await scene.recordings(conversation))[0].state == "heard"


async def test_a_queue_that_is_too_long_does_not_hold_a_conversation_for_ever(scene: Scene) -> None:
    conversation = await scene.send("en_late", text="my order is late")
    while await scene.flow.step():
        pass
    assert await scene.states() == ["wait"]
    scene.clock.now += PATIENCE
    assert await scene.gateway.store.defer_recordings(scene.clock() - PATIENCE) == 1
    while await scene.flow.step():
        pass
    assert await scene.states() == ["done"]
    assert [f.heard for f in (await scene.record(conversation)).arrival.attachments] == ["waiting"]


async def test_several_recordings_in_one_message(scene: Scene) -> None:
    conversation = await scene.send("en_number", "en_broken", text="see both")
    await scene.work()
    record = await scene.record(conversation)
    assert [f.heard for f in record.arrival.attachments] == ["heard", "heard"]
    assert [o.value for o in record.what.order_numbers] == ["17704"]
    assert "refund" in {d.value for d in record.what.demands}


async def test_what_was_said_is_erased_with_the_person(scene: Scene) -> None:
    conversation = await scene.send("en_number")
    await scene.work()
    await scene.gateway.store.erase(conversation, at=scene.clock(), by="test")
    assert await scene.recordings(conversation) == ()


async def test_a_crash_while_hearing_loses_and_doubles_nothing(config_file: Path, clock: Clock) -> None:
    """The process ends in the middle: the next one finds the row waiting, and hears it once."""
    first = assemble(config.load(config_file, env={}), clock=clock)
    model_folder.use(first.shelf, model_folder.TINY)
    await first.store.open()
    scene = Scene(first, clock)
    conversation = await scene.send("en_broken")
    while await scene.flow.step():
        pass
    await scene.hearing.step()
    await asyncio.sleep(0.05)
    await scene.hearing._stop()  # what a kill leaves: no result, no worker
    await first.store.close()

    second = assemble(config.load(config_file, env={}), clock=clock)
    await second.store.open()
    again = Scene(second, clock)
    await again.work()
    await again.work()
    await again.hearing._stop()
    record = await again.record(conversation)
    assert len(record.arrival.messages) == 1
    assert [r.state for r in await again.recordings(conversation)] == ["heard"]
    keys = await again.replies(conversation)
    assert len(keys) == len(set(keys))
    await second.egress.close()
    await second.store.close()


async def test_many_at_once(scene: Scene) -> None:
    conversations = [await scene.send("en_late", text=str(n), thread=f"t{n}") for n in range(40)]
    for n, name in enumerate(("en_twice", "zh_refund", "en_broken")):
        conversations.append(await scene.send(name, thread=f"x{n}"))
    for _ in range(40):
        await scene.work()
        if set(await scene.states()) == {"done"}:
            break
    assert set(await scene.states()) == {"done"}
    for conversation in conversations:
        assert [f.heard for f in (await scene.record(conversation)).arrival.attachments] == ["heard"]
