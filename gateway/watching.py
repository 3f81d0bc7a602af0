"""The watchers of mailboxes, pollers and sockets, spread over the nodes: each account is watched by one node, under a lease.

Every node that watches has a seat, so that each knows how many there are. It takes accounts that nobody watches up to its
share, and gives one back when another node has two fewer. Where the others do not take it (their configuration may be
another), whoever sees it lie free for a while does, and keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple

from channels.base import PullChannel
from gateway.context import Gateway
from gateway.passing_on import hear
from gateway.pull import Pull
from gateway.singular import LOOK
from gateway.store.base import Held, Stale, StoreError, StoreUnavailable

log = logging.getLogger(__name__)

SEATS, WATCHES = "seat:channels/", "watch:"
#: More nodes than this do not watch.
MOST_SEATS = 1000
#: Looks that an account may lie free before a node takes it whose turn it is not.
PATIENCE = 3
#: Seconds that a watcher may take to end.
ENDING = 5.0


class _Watch(NamedTuple):
    token: int
    task: asyncio.Task[None]


class Watching:
    """The watchers of this node. ``every`` is how often it looks at who watches what, in seconds."""

    def __init__(self, gateway: Gateway, channels: Sequence[PullChannel], *, every: float = LOOK) -> None:
        self._gateway, self._store, self._every = gateway, gateway.store, every
        self._channels = {f"{WATCHES}{c.name}/{c.account}": c for c in channels}
        self._watches: dict[str, _Watch] = {}
        self._free: Counter[str] = Counter()
        self._kept: set[str] = set()
        self._seat = ""

    async def run(self) -> None:
        """Watch this node's share for ever; cancel to stop, which gives it to the others."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._look_for_ever())
                both.create_task(self._guard())
        finally:
            await self._stop_all()

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except StoreError as err:
                log.warning("watching: the store is not available: %s", err)
            await asyncio.sleep(self._every)

    async def _guard(self) -> None:
        """A node that may have been given up stops at once, though it cannot ask the store."""
        while True:
            await asyncio.sleep(1.0)
            if self._watches and not self._store.alive():
                await self._end(tuple(self._watches))

    async def look(self) -> None:
        """Begin and end watchers, so that every account is watched and every node has its share. Raises StoreError."""
        await self._sit_down()
        seats, held = await self._store.held_leases(SEATS), await self._store.held_leases(WATCHES)
        await self._end([name for name in self._watches if not self._is_ours(name, held)])
        if not any(seat.mine for seat in seats):
            return
        await self._take({h.name for h in held if not h.mine}, -(-len(self._channels) // len(seats)))
        await self._share(
            Counter({seat.node: sum(h.node == seat.node for h in held) for seat in seats if not seat.mine})
        )

    async def _sit_down(self) -> None:
        """Take the first free seat: who has one counts. Raises StoreError."""
        for seat in filter(None, (self._seat, *(f"{SEATS}{n}" for n in range(MOST_SEATS)))):
            if not self._store.alive():
                raise StoreUnavailable("this node has lost touch with the store")
            if await self._store.take_lease(seat) is not None:
                self._seat = seat
                return

    def _is_ours(self, name: str, held: Sequence[Held]) -> bool:
        watch = self._watches[name]
        return not watch.task.done() and any(h.mine and h.name == name for h in held)

    async def _take(self, elsewhere: set[str], fair: int) -> None:
        """Begin to watch what nobody watches: up to this node's share, or when it has lain free for long."""
        for name in self._channels:
            if name in elsewhere or name in self._watches:
                del self._free[name]
                continue
            self._free[name] += 1
            late = self._free[name] > PATIENCE
            if not late and len(self._watches) >= fair:
                continue
            token = await self._store.take_lease(name)
            if token is None:
                continue
            if late:
                self._kept.add(name)
            self._begin(name, token)

    async def _share(self, others: Counter[int]) -> None:
        """Give back what others have too little of."""
        mine = [name for name in self._watches if name not in self._kept]
        giving: list[str] = []
        while others and mine and len(self._watches) - len(giving) - min(others.values()) >= 2:
            giving.append(mine.pop())
            others[min(others, key=others.__getitem__)] += 1
        await self._end(giving)

    def _begin(self, name: str, token: int) -> None:
        log.info("%s: this node watches", name)
        pull = Pull(self._gateway, self._channels[name], lease=(name, token))
        calls = partial(hear, self._gateway, self._channels[name])
        self._watches[name] = _Watch(token, asyncio.create_task(_watched(name, pull, calls)))

    async def _end(self, names: Sequence[str]) -> None:
        """End watchers and give their leases back: the watcher first, so that no two look at an account."""
        ending = [self._watches.pop(name) for name in names]
        for watch in ending:
            watch.task.cancel()
        if ending:
            await asyncio.wait([watch.task for watch in ending], timeout=ENDING)
        for name in names:
            log.info("%s: this node watches no more", name)
            channel = self._channels[name]
            self._gateway.metrics.unwatched(f"{channel.name}/{channel.account}")
            await self._free_lease(name)

    async def _free_lease(self, name: str) -> None:
        """Without a living session it is free already, or another's."""
        if self._store.alive():
            with contextlib.suppress(StoreError):
                await self._store.free_lease(name)

    async def _stop_all(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * ENDING):
                await self._end(tuple(self._watches))
                if self._seat:
                    await self._free_lease(self._seat)


async def _watched(name: str, pull: Pull, calls: Callable[[], Coroutine[Any, Any, None]]) -> None:
    hearing = asyncio.create_task(calls())
    try:
        await pull.run()
    except Stale as err:
        log.warning("%s: %s", name, err)
    finally:
        hearing.cancel()
