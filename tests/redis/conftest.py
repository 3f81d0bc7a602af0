from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.metrics import Metrics
from gateway.redis.link import Away, Link
from gateway.redis.url import address
from gateway.redis.wake import RedisWake
from tests.servers.redis import Redis

PREFIX = "allears:{test}"
PATIENCE = 30.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    it = Redis(tmp_path)
    it.start()
    yield it
    it.kill()


class Node:
    """What a node has of Redis; the worker runs."""

    def __init__(self, url: str) -> None:
        self.link = Link(address(url), PREFIX)
        self.metrics = Metrics()
        self.wake = RedisWake(self.link, self.metrics)

    async def is_up(self) -> None:
        await eventually(lambda: self.link.up)

    async def is_away(self) -> None:
        await eventually(lambda: not self.link.up)

    async def reads(self) -> None:
        """Until this node waits for work."""
        async for _ in ticks():
            if any(c["cmd"] == "xreadgroup" and "b" in c["flags"] for c in await self._connections()):
                return

    async def _connections(self) -> list[dict[str, str]]:
        with contextlib.suppress(Away):
            everybody: list[dict[str, str]] = await self.link.ask(lambda client: client.client_list())
            return [c for c in everybody if c["name"] == f"allears-{self.link.node}"]
        return []


@contextlib.asynccontextmanager
async def node(url: str) -> AsyncIterator[Node]:
    it = Node(url)
    worker = asyncio.create_task(it.wake.run())
    try:
        await it.is_up()
        yield it
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def eventually(holds: Callable[[], bool]) -> None:
    async for _ in ticks():
        if holds():
            return


async def beyond(before: int, count: Callable[[], int]) -> None:
    """Until the count is higher than it was."""
    await eventually(lambda: count() > before)


async def ticks() -> AsyncIterator[None]:
    """Until the caller has seen what it waits for; fails where that never comes."""
    async with asyncio.timeout(PATIENCE):
        while True:
            yield
            await asyncio.sleep(0.01)
