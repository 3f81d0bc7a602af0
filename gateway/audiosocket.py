"""Live calls through Asterisk's AudioSocket.

A frame is its type (one byte), the length of its payload (two, big-endian) and the payload; the first one names the call
(https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/).
"""

from __future__ import annotations

import asyncio
import logging
import struct
import uuid
from asyncio import StreamReader, StreamWriter

from channels.phone import Phone
from gateway.call import RunningCall
from gateway.calls import Calls, TooMany

log = logging.getLogger(__name__)

HANG_UP, CALL_ID, SOUND, ERROR = 0x00, 0x01, 0x10, 0xFF
#: 16-bit samples a second of the one kind of sound that every version sends alike.
RATE = 8000
#: Seconds without a frame after which a call counts as over; Asterisk sends one every 20 ms.
SILENCE = 30.0


class AudioSocket:
    """The server of one phone account."""

    def __init__(self, calls: Calls, phone: Phone) -> None:
        self._calls, self._phone = calls, phone
        self.port = 0

    async def run(self) -> None:
        """Take calls for ever; cancel to stop. Raises OSError when the address cannot be used."""
        host, _, port = self._phone.audiosocket.rpartition(":")
        server = await asyncio.start_server(self._call, host.strip("[]"), int(port))
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            await asyncio.Event().wait()

    async def _call(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            kind, payload = await _frame(reader)
            if kind != CALL_ID or len(payload) != 16:
                log.warning("audiosocket: a caller that is no Asterisk was sent away")
                return
            known = self._phone.known({"call_id": str(uuid.UUID(bytes=payload))})
            call = await self._calls.begin(self._phone, known, rate=RATE)
            try:
                await _follow(reader, call)
            finally:
                await self._calls.end(call)
        except TooMany as err:
            log.warning("audiosocket: %s, one more is refused", err)
        except OSError as err:
            log.error("audiosocket: a call could not be kept: %s", err.strerror)
        finally:
            writer.close()


async def _follow(reader: StreamReader, call: RunningCall) -> None:
    """Give the call its sound until it is over, however it ends."""
    while not call.full:
        kind, payload = await _frame(reader)
        if kind in (HANG_UP, ERROR):
            return
        if kind == SOUND:
            call.add(payload)


async def _frame(reader: StreamReader) -> tuple[int, bytes]:
    """The next frame; a connection that ends or falls silent is a hang-up."""
    try:
        async with asyncio.timeout(SILENCE):
            kind, length = struct.unpack(">BH", await reader.readexactly(3))
            return kind, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return HANG_UP, b""
