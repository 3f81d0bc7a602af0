"""Live calls through Asterisk's AudioSocket: the sound is on the disk while it is spoken, and a message at hang-up.

A frame is its type (one byte), the length of its payload (two, big-endian) and the payload; the first one names the call
(https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/). A call that breaks off keeps what was heard, and
so does one during which this process ends: its file is found at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import struct
import uuid
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from channels.base import LocalFile
from channels.phone import Phone
from gateway.context import Gateway
from gateway.intake import accept
from gateway.store.base import StoreError

log = logging.getLogger(__name__)

HANG_UP, CALL_ID, SOUND, ERROR = 0x00, 0x01, 0x10, 0xFF
#: 16-bit samples a second of the one kind of sound that every version sends alike.
RATE = 8000
#: Seconds without a frame after which a call counts as over; Asterisk sends one every 20 ms.
SILENCE = 30.0
#: Calls at once.
MAX_CALLS = 256
#: Bytes after which the file is given to the system: what a kill can cost, half a second.
FLUSH = RATE
#: How often finished calls are looked for, in seconds.
LOOK_EVERY = 5.0
_NAME = re.compile(r"(?P<at>\d+)-(?P<id>[0-9a-f-]{36})\.wav(\.part)?")


class AudioSocket:
    """The server of one phone account, and the folder its calls wait in until they are messages."""

    def __init__(self, gateway: Gateway, phone: Phone) -> None:
        self._gateway, self._phone = gateway, phone
        self.folder = gateway.blobs.folder.parent / "live" / phone.account
        self._over = asyncio.Event()
        self._places = asyncio.Semaphore(MAX_CALLS)
        self.port = 0

    async def run(self) -> None:
        """Take calls for ever; cancel to stop. Raises OSError when the address cannot be used."""
        host, _, port = self._phone.audiosocket.rpartition(":")
        await asyncio.to_thread(self._recover)
        server = await asyncio.start_server(self._call, host.strip("[]"), int(port))
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            while True:
                await self._take_over()
                self._over.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._over.wait()

    def _recover(self) -> None:
        """Calls that ran when the process ended are over."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self.folder.glob("*.wav.part"):
            _finish(path)

    # one call

    async def _call(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            if self._places.locked():
                log.warning("audiosocket: %d calls at once, one more is refused", MAX_CALLS)
                return
            async with self._places:
                await self._record(reader)
        except OSError as err:
            log.error("audiosocket: a call could not be kept: %s", err.strerror)
        finally:
            writer.close()
            self._over.set()

    async def _record(self, reader: StreamReader) -> None:
        """Write the sound down until the call is over, however it ends."""
        kind, payload = await _frame(reader)
        if kind != CALL_ID or len(payload) != 16:
            log.warning("audiosocket: a caller that is no Asterisk was sent away")
            return
        stamp = int(self._gateway.clock().timestamp())
        path = self.folder / f"{stamp}-{uuid.UUID(bytes=payload)}.wav.part"
        most = int(self._gateway.config.speech.max_hours * 3600) * RATE * 2
        size = 0
        with await asyncio.to_thread(_begun, path) as file:
            while size < most:
                kind, payload = await _frame(reader)
                if kind in (HANG_UP, ERROR):
                    break
                if kind == SOUND:
                    file.write(payload)
                    size += len(payload)
                    if size % FLUSH < len(payload):
                        file.flush()
        await asyncio.to_thread(_finish, path)

    # finished calls

    async def _take_over(self) -> None:
        """Each finished call becomes a message; its file goes when that is durable."""
        for path, call_id, at in await asyncio.to_thread(lambda: list(self._finished())):
            file = LocalFile(name="call.wav", path=str(path))
            message = self._phone.streamed(file, call_id, f"live-{path.stem}", at)
            try:
                await accept(self._gateway, [message], received_at=self._gateway.clock())
            except (StoreError, OSError) as err:
                log.warning("audiosocket: a call waits, it cannot be kept now: %s", err)
                return
            await asyncio.to_thread(path.unlink)

    def _finished(self) -> Iterator[tuple[Path, str, datetime]]:
        for path in sorted(self.folder.glob("*.wav")):
            if found := _NAME.fullmatch(path.name):
                yield path, found["id"], datetime.fromtimestamp(int(found["at"]), UTC)


async def _frame(reader: StreamReader) -> tuple[int, bytes]:
    """The next frame; a connection that ends or falls silent is a hang-up."""
    try:
        async with asyncio.timeout(SILENCE):
            kind, length = struct.unpack(">BH", await reader.readexactly(3))
            return kind, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return HANG_UP, b""


def _header(size: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    return struct.pack("<4sI4s4sI16s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, form, b"data", size)


def _begun(path: Path) -> BinaryIO:
    file = path.open("xb")
    file.write(_header(0))
    return file


def _finish(path: Path) -> None:
    """Write the length down and give the file its name; a call without any sound leaves nothing."""
    size = path.stat().st_size - len(_header(0))
    if size <= 0:
        path.unlink()
        return
    with path.open("r+b") as file:
        file.write(_header(size))
        file.flush()
        os.fsync(file.fileno())
    os.replace(path, path.with_suffix(""))
