"""How fast an account may send: platforms count, and who is faster than they allow is shut out.

A rate is kept as a token bucket: full at the start, a token for each message, refilled evenly. An account that a
platform has told to wait rests as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from channels.base import Channel, Rate

#: More lanes than this are not remembered: by then the oldest have long been free again.
MAX_LANES = 10_000


class _Bucket:
    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._tokens, self._at = rate, float(rate.messages), now

    def take(self, now: float) -> None:
        self._refill(now)
        self._tokens -= 1.0

    def free(self, now: float) -> int:
        self._refill(now)
        return max(0, int(self._tokens + 1e-6))

    def wait(self, now: float) -> float:
        """Seconds until there is a token."""
        self._refill(now)
        return max(0.0, (1.0 - self._tokens) * self._rate.seconds / self._rate.messages)

    def _refill(self, now: float) -> None:
        more = (now - self._at) * self._rate.messages / self._rate.seconds
        self._tokens, self._at = min(float(self._rate.messages), self._tokens + more), now


class Pace:
    """The pace of all accounts. ``clock`` gives seconds that only ever rise."""

    def __init__(self, channels: Mapping[tuple[str, str], Channel], clock: Callable[[], float]) -> None:
        self._clock = clock
        limits = {f"channel:{name}/{account}": c.limits for (name, account), c in channels.items()}
        self._accounts = {d: _Bucket(limit.per_account, clock()) for d, limit in limits.items() if limit.per_account}
        self._chats = {d: limit.per_chat for d, limit in limits.items() if limit.per_chat}
        self._lanes: dict[str, _Bucket] = {}
        self._resting: dict[str, float] = {}

    def at_most(self) -> dict[str, int]:
        """How many messages each account with a pace may send now."""
        now = self._clock()
        self._resting = {d: until for d, until in self._resting.items() if until > now}
        return {d: bucket.free(now) for d, bucket in self._accounts.items()} | dict.fromkeys(self._resting, 0)

    def soonest(self) -> float:
        """Seconds until one of the accounts that may send nothing now may send again."""
        return min(self._waits(), default=0.0)

    def _waits(self) -> Iterator[float]:
        now = self._clock()
        for destination in [d for d, free in self.at_most().items() if not free]:
            bucket = self._accounts.get(destination)
            rest = self._resting.get(destination, now) - now
            yield max(rest, bucket.wait(now) if bucket else 0.0)

    def take(self, destination: str, lane: str) -> float:
        """A message goes out; how many seconds its own chat still has to wait for it."""
        now = self._clock()
        if bucket := self._accounts.get(destination):
            bucket.take(now)
        rate = self._chats.get(destination)
        if rate is None:
            return 0.0
        chat = self._lanes.pop(lane, None) or _Bucket(rate, now)
        self._lanes[lane] = chat  # the newest is last
        while len(self._lanes) > MAX_LANES:
            del self._lanes[next(iter(self._lanes))]
        wait = chat.wait(now)
        chat.take(now)
        return wait

    def rest(self, destination: str, seconds: float) -> None:
        """The platform wants nothing from this account for so long."""
        self._resting[destination] = max(self._resting.get(destination, 0.0), self._clock() + seconds)
