"""The HTTP load: requests made beforehand, over connections that stay open, at some 25 µs of CPU time each.

Reads its order as one line of JSON: ``port``, ``connections``, ``count``, ``run`` (names the messages) and ``token``;
tells ``{}`` when all requests are made, starts at the next line, and tells the figures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.bench import messages
from tests.bench.process import LOAD_CORE, pin


class Answers:
    """Cuts a stream of answers with a Content-Length apart."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(status, body) of every whole answer."""
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            place = data.find(b"Content-Length: ", 0, end) + 16
            size = int(data[place : data.find(b"\r", place)])
            if len(data) < end + 4 + size:
                break
            yield int(data[9:12]), data[end + 4 : end + 4 + size]
            data = data[end + 4 + size :]
        self._rest = data


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last is answered."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[int], times: list[float]) -> None:
        self._requests, self._statuses, self._times = requests, statuses, times
        self._answers = Answers()
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        for status, _ in self._answers.feed(data):
            self._times.append(time.perf_counter() - self._sent)
            self._statuses[status] += 1
            self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def request(port: int, path: str, token: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """Carry the order out."""
    made = messages.bodies(order["run"], order["count"])
    requests = [request(order["port"], "/v1/messages", order["token"], body) for body in made]
    waiting, statuses, times = iter(requests), Counter[int](), list[float]()
    loop, connections = asyncio.get_running_loop(), []
    for _ in range(order["connections"]):
        _, one = await loop.create_connection(lambda: Connection(waiting, statuses, times), "127.0.0.1", order["port"])
        connections.append(one)
    print("{}", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began, used = time.perf_counter(), time.process_time()
    for one in connections:
        one.next()
    await asyncio.gather(*(one.done for one in connections))
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu": time.process_time() - used, "statuses": statuses, **spread(times)}


def spread(times: list[float]) -> dict[str, float]:
    """Median and 99th percentile in seconds."""
    times = sorted(times) or [0.0]
    return {"p50": times[len(times) // 2], "p99": times[min(len(times) - 1, len(times) * 99 // 100)]}


if __name__ == "__main__":
    pin(LOAD_CORE)
    print(json.dumps(asyncio.run(run(json.loads(sys.stdin.readline())))), flush=True)
