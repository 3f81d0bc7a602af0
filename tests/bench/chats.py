"""Chat windows as load: WebSockets that stay open, and messages whose answers are waited for.

Reads its order as one line of JSON: ``port``, ``site``, ``tokens`` (one window each), ``rate`` (messages a second) and
``count``. Opens all windows and tells ``{"open": n}``; at the next line sends the messages at their times, whatever
the answers do, and tells the figures; ends when its input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench import messages
from tests.bench.load import Answers, request, spread
from tests.bench.process import LOAD_CORE, pin

#: Windows that connect at once.
OPENING = 100
#: Connections that carry the messages.
CARRIERS = 32
#: Seconds to wait for the last answers.
PATIENCE = 20.0
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def frame(code: int, data: bytes) -> bytes:
    """A client's frame; the mask is zero, so the data stays as it is."""
    size = len(data)
    head = bytes((0x80 | code, 0x80 | size)) if size < 126 else struct.pack("!BBH", 0x80 | code, 0x80 | 126, size)
    return head + bytes(4) + data


class Window(asyncio.Protocol):
    """One chat window; tells ``heard`` each line that comes."""

    def __init__(self, order: dict[str, Any], token: str, heard: Callable[[Window, dict[str, Any]], None]) -> None:
        self.token, self._order, self._heard = token, order, heard
        self._data = b""
        self._open = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turn = 0
        self.asked: deque[float] = deque()
        """When the questions were due that wait for their answers: on a busy machine more than one may."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            f"GET /widget/v1/socket?site={self._order['site']} HTTP/1.1\r\nHost: 127.0.0.1:{self._order['port']}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            self._upgrade()
        for code, payload in self._frames():
            if code == PING:
                self._transport.write(frame(PONG, payload))
            elif code == TEXT:
                self._line(json.loads(payload))

    def _upgrade(self) -> None:
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(f"no WebSocket: {head[:60]!r}")
        self._open, self._data = True, rest
        self._transport.write(frame(TEXT, json.dumps({"type": "resume", "token": self.token}).encode()))

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while self._open and len(self._data) >= 2:
            size, start = self._data[1] & 0x7F, 2
            if size == 126:
                size, start = int.from_bytes(self._data[2:4], "big"), 4
            if len(self._data) < start + size:
                return
            yield self._data[0] & 0x0F, self._data[start : start + size]
            self._data = self._data[start + size :]

    def _line(self, line: dict[str, Any]) -> None:
        if line["type"] == "ready" and not self.ready.done():
            self.ready.set_result(None)
        self._heard(self, line)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the server closed a window"))


class Carrier(asyncio.Protocol):
    """A connection that carries one message after the other."""

    def __init__(self, free: asyncio.Queue[Carrier], statuses: dict[int, int]) -> None:
        self._free, self._statuses, self._answers = free, statuses, Answers()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.write = transport.write

    def data_received(self, data: bytes) -> None:
        for status, _ in self._answers.feed(data):
            self._statuses[status] = self._statuses.get(status, 0) + 1
            self._free.put_nowait(self)


class Chats:
    """All windows of one order."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._times: list[float] = []
        self._statuses: dict[int, int] = {}
        self._free: asyncio.Queue[Carrier] = asyncio.Queue()
        self._idle: deque[Window] = deque()
        self._answered = asyncio.Event()

    async def open(self) -> int:
        """Open all windows; their number."""
        tokens = self._order["tokens"]
        for n in range(0, len(tokens), OPENING):
            self._idle.extend(await asyncio.gather(*(self._window(token) for token in tokens[n : n + OPENING])))
        return len(self._idle)

    async def _window(self, token: str) -> Window:
        _, window = await asyncio.get_running_loop().create_connection(
            lambda: Window(self._order, token, self._heard), "127.0.0.1", self._order["port"]
        )
        await window.ready
        return window

    def _heard(self, window: Window, line: dict[str, Any]) -> None:
        if line.get("author") == "bot" and window.asked:
            self._times.append(time.perf_counter() - window.asked.popleft())
            if len(self._times) == self._order["count"]:
                self._answered.set()

    async def talk(self) -> dict[str, Any]:
        """Send the messages, each at its time, and wait for the answers."""
        loop, order = asyncio.get_running_loop(), self._order
        for _ in range(CARRIERS):
            _, carrier = await loop.create_connection(
                lambda: Carrier(self._free, self._statuses), "127.0.0.1", order["port"]
            )
            self._free.put_nowait(carrier)
        began = time.perf_counter()
        for n in range(order["count"]):
            due = began + n / order["rate"]
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            await self._ask(n, due)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), PATIENCE)
        return {"answered": len(self._times), "statuses": self._statuses, **spread(self._times)}

    async def _ask(self, n: int, due: float) -> None:
        window = self._idle[0]
        self._idle.rotate(-1)
        body = {
            "client_msg_id": f"{self._order['run']}-{n:08d}",
            "text": messages.QUESTIONS[(n + window.turn) % len(messages.QUESTIONS)],
        }
        window.turn += 1
        window.asked.append(due)
        carrier = await self._free.get()
        path = f"/widget/v1/messages?site={self._order['site']}"
        carrier.write(request(self._order["port"], path, window.token, json.dumps(body).encode()))


async def _main() -> None:
    hear = asyncio.get_running_loop().run_in_executor
    chats = Chats(json.loads(sys.stdin.readline()))
    print(json.dumps({"open": await chats.open()}), flush=True)
    if await hear(None, sys.stdin.readline):
        print(json.dumps(await chats.talk()), flush=True)
        await hear(None, sys.stdin.read)


if __name__ == "__main__":
    pin(LOAD_CORE)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_main())
