"""The load: as many connections as wanted, each asks its next question when the last is answered.

Reads its order as one line of JSON (``port``, ``connections``, ``count``, ``run``, ``form``; for our chat windows also
``site`` and ``tokens``), tells ``{}`` when it is ready, starts at the next line, and tells the figures.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tests.bench.chats import Window
from tests.bench.load import request, spread
from tests.bench.peers.faq import question
from tests.bench.process import LOAD_CORE, pin

_SIZE = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
#: Seconds to wait for an answer.
PATIENCE = 20.0


def body(form: str, run: str, n: int, *, odd: bool = False) -> tuple[str, bytes]:
    """Path and body of the n-th question in a peer's own form; ``odd``: with large letters for small ones."""
    text, sender = question(n)[0], f"{run}-{n // 3}"
    text = text.swapcase() if odd else text
    if form == "activity":
        return "/ask", json.dumps(_activity(text, sender, f"{run}-{n}")).encode()
    if form == "rasa":
        return "/webhooks/rest/webhook", json.dumps({"sender": sender, "message": text}).encode()
    if form == "window":
        return "/widget/v1/messages", json.dumps({"client_msg_id": f"{run}-{n:08d}", "text": text}).encode()
    return "/ask", json.dumps({"sender": sender, "text": text}).encode()


def _activity(text: str, sender: str, id: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": id,
        "channelId": "emulator",
        "deliveryMode": "expectReplies",
        "serviceUrl": "http://127.0.0.1",
        "from": {"id": sender},
        "recipient": {"id": "bot"},
        "conversation": {"id": sender},
        "text": text,
    }


class Line:
    """One connection after the other: Errbot's server closes each after its answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, token: str, data: bytes) -> bytes:
        """The body of the answer. Raises RuntimeError for another status than 2xx."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request(self._port, path, token, data))
        head = await reader.readuntil(b"\r\n\r\n")
        size = _SIZE.search(head)
        answer = await (reader.readexactly(int(size[1])) if size else reader.read())
        if size is None or b"connection: close" in head.lower():
            self.close()
        if head[9:10] != b"2":
            raise RuntimeError(f"{head[:40]!r} {answer[:200]!r}")
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Peer:
    """Questions whose answers are the responses."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    async def open(self) -> None:
        return None

    async def ask(self, line: Line, n: int, *, odd: bool = False) -> None:
        path, data = body(self._order["form"], self._order["run"], n, odd=odd)
        answer = await line.post(path, "", data)
        if question(n)[1].encode() not in answer:
            raise RuntimeError(f"no answer to {data!r}: {answer[:200]!r}")


class Windows:
    """Questions of chat windows, three in each; the answer comes over the window's WebSocket."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._answers: dict[str, asyncio.Queue[str]] = {token: asyncio.Queue() for token in order["tokens"]}

    async def open(self) -> None:
        for token in self._answers:
            _, window = await asyncio.get_running_loop().create_connection(
                functools.partial(Window, self._order, token, self._heard), "127.0.0.1", self._order["port"]
            )
            await window.ready

    def _heard(self, window: Window, line: dict[str, Any]) -> None:
        if line.get("author") == "bot":
            self._answers[window.token].put_nowait(line["text"])

    async def ask(self, line: Line, n: int, *, odd: bool = False) -> None:
        token = self._order["tokens"][n % len(self._order["tokens"])]
        path, data = body("window", self._order["run"], n, odd=odd)
        await line.post(f"{path}?site={self._order['site']}", token, data)
        while question(n)[1] not in await self._answers[token].get():
            pass


async def run(order: dict[str, Any], begin: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    """Carry the order out. Raises TimeoutError where an answer does not come."""
    asker = Windows(order) if order["form"] == "window" else Peer(order)
    await asker.open()
    await begin()
    numbers, times = iter(range(order["count"])), list[float]()

    async def talk(numbers: Iterator[int]) -> None:
        line = Line(order["port"])
        for n in numbers:
            began = time.perf_counter()
            async with asyncio.timeout(PATIENCE):
                await asker.ask(line, n, odd=order.get("odd", False))
            times.append(time.perf_counter() - began)
        line.close()

    began = time.perf_counter()
    await asyncio.gather(*(talk(numbers) for _ in range(order["connections"])))
    return {"seconds": time.perf_counter() - began, **spread(times)}


async def _main() -> None:
    hear = asyncio.get_running_loop().run_in_executor
    order = json.loads(sys.stdin.readline())

    async def begin() -> None:
        print("{}", flush=True)
        await hear(None, sys.stdin.readline)

    print(json.dumps(await run(order, begin)), flush=True)


if __name__ == "__main__":
    pin(LOAD_CORE)
    asyncio.run(_main())
