"""How fast an account may send: platforms count, and who is faster than they allow is shut out.

A rate is kept as a token bucket: full at the start, a token for each message, refilled evenly. What is kept of it is how
long it takes until it is full again. An account that a platform has told to wait rests as a whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from channels.base import Channel, Rate
from gateway.store.base import Store, StoreError

#: Seconds for which the number of nodes is not asked again.
COUNTED = 5.0
#: More lanes than this are not remembered: by then the oldest have long been free again.
MAX_LANES = 10_000


class Room(NamedTuple):
    """``at_most``: how many messages each account that has a pace or rests may send now. ``soonest``: seconds until one of
    those that may send nothing may again, 0 when there is none."""

    at_most: dict[str, int]
    soonest: float


class Pace(Protocol):
    """The pace of all accounts. Nothing here raises."""

    async def room(self) -> Room:
        """What may be sent now."""
        ...

    async def take(self, sends: Sequence[tuple[str, str]]) -> list[float]:
        """Messages go out, as (destination, lane); how many seconds each still has to wait, mostly for its own chat."""
        ...

    async def rest(self, destination: str, seconds: float) -> None:
        """The platform wants nothing from this account for so long."""
        ...


class Bucket(NamedTuple):
    """A rate as a bucket: so many tokens, one more every ``interval`` seconds."""

    size: int
    interval: float

    def free(self, left: float) -> int:
        """The tokens in it when it is full in ``left`` seconds."""
        return max(0, int((self.size * self.interval - left) / self.interval + 1e-3))  # a thousandth too early is none

    def wait(self, left: float) -> float:
        """Seconds until there is a token."""
        return max(0.0, left - (self.size - 1) * self.interval)


def bucket(rate: Rate, share: int = 1) -> Bucket:
    """The bucket of a rate, or of one ``share``-th of it."""
    return Bucket(max(1, rate.messages // share), rate.seconds / rate.messages * share)


class Nodes:
    """How many nodes work on a store, as far as is known: those that went are noticed after a few seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._count, self._until = 1, float("-inf")

    async def __call__(self) -> int:
        if self._clock() >= self._until:
            with contextlib.suppress(StoreError):  # nothing can be claimed meanwhile either
                self._count = max(1, await self._store.nodes())
            self._until = self._clock() + COUNTED
        return self._count


async def one() -> int:
    """The number of nodes where there is one process."""
    return 1


class Limits:
    """The rates of the configured accounts, by destination."""

    def __init__(self, channels: Mapping[tuple[str, str], Channel]) -> None:
        limits = {f"channel:{name}/{account}": c.limits for (name, account), c in channels.items()}
        self.accounts = {d: limit.per_account for d, limit in limits.items() if limit.per_account}
        self.chats = {d: limit.per_chat for d, limit in limits.items() if limit.per_chat}


def room(buckets: Mapping[str, Bucket], left: Mapping[str, float], resting: Mapping[str, float]) -> Room:
    """From the seconds until each bucket is full, and those that destinations still rest."""
    at_most = {d: b.free(left.get(d, 0.0)) for d, b in buckets.items()} | dict.fromkeys(resting, 0)
    waits = (
        max(resting.get(d, 0.0), buckets[d].wait(left.get(d, 0.0)) if d in buckets else 0.0)
        for d, free in at_most.items()
        if not free
    )
    return Room(at_most, min(waits, default=0.0))


class LocalPace:
    """The pace of a process that sends alone, or its share where ``nodes()`` work side by side.

    ``clock`` gives seconds that only ever rise. ``empty``: begin without tokens, because somebody may just have used them.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        *,
        nodes: Callable[[], Awaitable[int]] = one,
        empty: bool = False,
    ) -> None:
        self._limits, self._clock, self._nodes = limits, clock, nodes
        self._empty = empty
        self._full_at: dict[str, float] = {}
        self._lanes: dict[str, float] = {}
        self._resting: dict[str, float] = {}

    async def room(self) -> Room:
        share = await self._share()
        now, buckets = self._clock(), {d: bucket(rate, share) for d, rate in self._limits.accounts.items()}
        return room(buckets, {d: max(0.0, at - now) for d, at in self._full_at.items()}, dict(self.resting()))

    async def take(self, sends: Sequence[tuple[str, str]]) -> list[float]:
        share = await self._share()
        return [self._take(destination, lane, share) for destination, lane in sends]

    async def rest(self, destination: str, seconds: float) -> None:
        self._resting[destination] = max(self._resting.get(destination, 0.0), self._clock() + seconds)

    def resting(self) -> Iterator[tuple[str, float]]:
        """Which destinations rest, and for how many seconds still."""
        now = self._clock()
        self._resting = {d: until for d, until in self._resting.items() if until > now}
        return ((d, until - now) for d, until in self._resting.items())

    async def _share(self) -> int:
        """How many we share the rates with, ourselves included."""
        share = await self._nodes()
        if self._empty:
            self._empty, now = False, self._clock()
            buckets = {d: bucket(rate, share) for d, rate in self._limits.accounts.items()}
            self._full_at = {d: now + b.size * b.interval for d, b in buckets.items()}
        return share

    def _take(self, destination: str, lane: str, share: int) -> float:
        at = now = self._clock()
        if rate := self._limits.accounts.get(destination):
            at += _spend(self._full_at, destination, bucket(rate, share), at)
        if rate := self._limits.chats.get(destination):
            at += _spend(self._lanes, lane, bucket(rate, share), at)
            while len(self._lanes) > MAX_LANES:
                del self._lanes[next(iter(self._lanes))]
        return at - now


def _spend(full_at: dict[str, float], key: str, from_: Bucket, at: float) -> float:
    """Take a token at a time, or as soon after it as there is one; how long after."""
    full = max(full_at.pop(key, at), at)
    full_at[key] = full + from_.interval  # the newest is last
    return from_.wait(full - at)
