"""Live calls from Asterisk: a client that speaks as it does, and everything that can go wrong on its line."""

from __future__ import annotations

import asyncio
import os
import struct
import uuid
import wave
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from gateway import config
from gateway.app import assemble
from gateway.audiosocket import AudioSocket
from gateway.calls import Calls
from gateway.context import Gateway
from gateway.flow import Flow
from gateway.hearing import Hearing
from transcription import model_folder

SPEECH = Path(__file__).parents[1] / "transcription" / "speech"
if not os.environ.get("REQUIRE_TEST_SERVERS"):
    pytest.importorskip("vosk", reason="the speech extra is not installed")
    pytest.importorskip("av", reason="the speech extra is not installed")

CALL = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


def frame(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def sound(name: str) -> bytes:
    from transcription.audio import Recording

    with Recording(SPEECH / f"{name}.flac", rate=8000) as recording:
        return b"".join(piece[0].tobytes() for piece in recording)


class Line:
    """The server, its gateway, and calls to it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.folder = gateway.blobs.folder.parent / "live" / "main"
        self.calls = Calls(gateway)
        (phone,) = gateway.channels.values()
        self.server = AudioSocket(self.calls, phone)  # type: ignore[arg-type]
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self.tasks = [asyncio.create_task(self.server.run()), asyncio.create_task(self.calls.run())]
        async with asyncio.timeout(60):
            while not self.server.port:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def dial(self, *frames: bytes) -> None:
        """Send frames and hang up the connection."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        for one in frames:
            writer.write(one)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ended(self, count: int) -> list[str]:
        """The external ids of so many calls that are over."""
        async with asyncio.timeout(60):
            while True:
                rows = [row.external_id for row in (await self.gateway.store.inbox()).items]
                ends = [id for id in rows if id.endswith("/end")]
                if len(ends) >= count:
                    return ends
                await asyncio.sleep(0.02)

    async def cleared(self) -> None:
        """Wait until nothing lies in the folder: a call's files go after its message is stored."""
        async with asyncio.timeout(60):
            while os.listdir(self.folder):  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.02)

    async def kept(self) -> bytes:
        """The recording of the one call."""
        (row,) = [one for one in (await self.gateway.store.inbox()).items if one.external_id.endswith("/end")]
        message = await self.gateway.store.inbox_message(row.id)
        return await self.gateway.blobs.read(message.attachments[0].digest)


def spoken(name: str) -> list[bytes]:
    data = sound(name)
    return [frame(0x10, data[at : at + 320]) for at in range(0, len(data), 320)]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    file = tmp_path / "allears.toml"
    file.write_text(
        'secret = "0123456789012345678901234567890123456789"\n[channels.phone.main]\naudiosocket = "127.0.0.1:0"\n'
    )
    gateway = assemble(config.load(file, env={}))
    model_folder.use(gateway.shelf, model_folder.TINY)
    await gateway.store.open()
    made = Line(gateway)
    await made.start()
    yield made
    await made.stop()
    await gateway.egress.close()
    await gateway.store.close()


async def test_a_call_becomes_a_record_at_hang_up(line: Line) -> None:
    await line.dial(frame(0x01, CALL.bytes), *spoken("en_number"), frame(0x03, b"5"), frame(0x00))
    await line.ended(1)
    flow, hearing = Flow(line.gateway), Hearing(line.gateway)
    for _ in range(3):
        while await flow.step():
            pass
        await hearing.step()
        await hearing.idle()
    await hearing._stop()
    (conversation,) = {row.conversation for row in (await line.gateway.store.inbox()).items}
    found = await line.gateway.store.conversation(conversation)
    record = await line.gateway.store.record(found.number)
    assert found.thread == str(CALL)
    (order,) = record.what.order_numbers
    assert order.value == "17704"
    assert order.evidence[0].from_second is not None
    assert record.standing.handoff_reason == "call"
    await line.cleared()


async def test_a_call_that_breaks_off_keeps_what_was_heard(line: Line) -> None:
    frames = spoken("en_broken")
    await line.dial(frame(0x01, CALL.bytes), *frames[: len(frames) // 2], frame(0x10, bytes(320))[:100])
    await line.ended(1)
    with wave.open(BytesIO(await line.kept())) as kept:
        assert kept.getnframes() == len(frames) // 2 * 160


async def test_a_call_during_which_the_process_ends_is_found_again(line: Line) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", line.server.port)
    frames = spoken("en_late")
    writer.write(frame(0x01, CALL.bytes) + b"".join(frames))
    await writer.drain()
    async with asyncio.timeout(60):
        while not (parts := list(line.folder.glob("*.part"))) or parts[0].stat().st_size <= 16000:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await line.stop()
    writer.close()
    assert list(line.folder.glob("*.part")) == parts
    again = Line(line.gateway)
    await again.start()
    await again.ended(1)
    await line.cleared()
    with wave.open(BytesIO(await again.kept())) as kept:
        assert kept.getnframes() > 8000
    await again.stop()


async def test_strangers_and_silent_calls_leave_nothing(line: Line) -> None:
    await line.dial(b"GET / HTTP/1.1\r\n\r\n")
    await line.dial(frame(0x10, bytes(320)))
    await line.dial(frame(0x01, b"short"))
    await line.dial(frame(0x01, CALL.bytes), frame(0x00))
    await line.dial()
    await line.dial(frame(0x01, CALL.bytes), *spoken("en_late"), frame(0xFF, b"\x01"))
    assert len(await line.ended(1)) == 1
    await line.cleared()


async def test_frames_of_other_kinds_are_passed_over(line: Line) -> None:
    frames = spoken("en_late")
    await line.dial(frame(0x01, CALL.bytes), *frames, frame(0x12, bytes(640)), frame(0x77, b"?"), frame(0x00))
    await line.ended(1)
    assert len(await line.kept()) == 44 + len(sound("en_late"))


async def test_many_calls_at_once(line: Line) -> None:
    frames = spoken("en_late")
    await asyncio.gather(*(line.dial(frame(0x01, uuid.uuid4().bytes), *frames, frame(0x00)) for _ in range(20)))
    assert len(set(await line.ended(20))) == 20
