"""What a signal through Redis costs and how long it takes, beside a bare ``publish`` of redis-py's.

``python -m tests.bench.wake [SIGNALS]`` starts a Redis and a second process. Signals go one at a time, each when the last was heard:
latency is from ``signal`` to the listener that runs again in the other process, CPU time is that of each process for one signal.
Then as many signals at once as there are, of many conversations and of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis as Client

from gateway.metrics import Metrics
from gateway.redis.link import Link
from gateway.redis.url import address
from gateway.redis.wake import RedisWake
from gateway.wake import INBOX, conversation
from tests.servers.redis import Redis

SIGNALS = 2000
#: Seconds between two signals: far enough apart that each goes by itself.
PACE = 0.006
PREFIX = "allears:{bench}"
BARE = "bare"
KINDS = (conversation("c"), INBOX, BARE)

Signal = Callable[[float], Awaitable[None]]


@contextlib.asynccontextmanager
async def node(url: str) -> AsyncIterator[RedisWake]:
    link = Link(address(url), PREFIX)
    it = RedisWake(link, Metrics())
    worker = asyncio.create_task(it.run())
    while not link.up:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    yield it
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def hear(url: str, kind: str, count: int) -> None:
    """The other process: prints when each signal came, and at the end the CPU time of all."""
    async with node(url) as here, Client.from_url(url, protocol=2) as client:
        pubsub = client.pubsub()
        await pubsub.subscribe(BARE)
        with here.listen(*(kind,) if kind != BARE else ()) as listener:
            await asyncio.sleep(0.5)
            await listener.next(0.01)
            await pubsub.get_message(timeout=0.01)
            print("ready", flush=True)
            before = time.process_time()
            while count:
                if kind != BARE:
                    await listener.next()
                elif (await pubsub.get_message(timeout=5) or {}).get("type") != "message":
                    continue
                print(time.perf_counter(), flush=True)
                count -= 1
            print(time.process_time() - before, flush=True)


async def one_kind(url: str, kind: str, count: int) -> tuple[str, ...]:
    """A line of the table."""
    far = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.wake", "hear", url, kind, str(count)), stdout=asyncio.subprocess.PIPE
    )
    assert far.stdout is not None
    async with node(url) as here, Client.from_url(url, protocol=2) as client:
        await far.stdout.readline()
        took = []
        before = time.process_time()
        for _ in range(count):
            sent = time.perf_counter()
            if kind == BARE:
                await client.publish(BARE, b"x")
            else:
                here.signal(kind)
            took.append((float(await far.stdout.readline()) - sent) * 1e6)
            await asyncio.sleep(PACE)
        own = time.process_time() - before
        theirs = float(await far.stdout.readline())
    took.sort()
    return (
        kind.partition(":")[0],
        f"{statistics.median(took):.0f}",
        f"{took[int(len(took) * 0.99)]:.0f}",
        f"{own / count * 1e6:.0f}",
        f"{theirs / count * 1e6:.0f}",
    )


async def at_once(url: str, count: int) -> None:
    """How much of a burst the wake makes one."""
    async with node(url) as here, Client.from_url(url, protocol=2) as client:
        for name, topics in (
            ("conversations", [conversation(str(n)) for n in range(count)]),
            ("of one", [INBOX] * count),
        ):
            before, calls = time.process_time(), await _calls(client)
            for topic in topics:
                here.signal(topic)
            signalled = time.process_time() - before
            await asyncio.sleep(0.5)
            spent = time.process_time() - before
            print(
                f"{count} signals {name} at once: {signalled / count * 1e6:.1f} µs each for who signals, "
                f"{spent / count * 1e6:.1f} µs in all, {await _calls(client) - calls} calls of Redis"
            )
        before = time.process_time()
        for _ in range(count):
            await client.publish(BARE, b"x")
        print(f"{count} bare publishes one after another: {(time.process_time() - before) / count * 1e6:.1f} µs each")
        pubsub = client.pubsub()
        before = time.process_time()
        for n in range(count):
            await pubsub.subscribe(str(n))
            await pubsub.get_message(timeout=1)
        print(f"to subscribe to a conversation: {(time.process_time() - before) / count * 1e6:.1f} µs")


async def _calls(client: Any) -> int:
    """Scripts that Redis ran."""
    stats = await client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(Path(folder))
        server.start()
        try:
            print("| topic | p50 µs | p99 µs | CPU µs of the sender | CPU µs of the listener |\n|---|---|---|---|---|")
            for kind in KINDS:
                print(f"| {' | '.join(await one_kind(server.url, kind, count))} |", flush=True)
            await at_once(server.url, count)
        finally:
            server.kill()


if __name__ == "__main__":
    if sys.argv[1:2] == ["hear"]:
        asyncio.run(hear(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else SIGNALS))
