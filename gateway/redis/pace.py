"""The pace of all nodes together: the buckets are in Redis, which also has the clock.

A script reads and writes at once, so that two nodes never take the same token. Every key ends by itself when its bucket is
full. A lane is the customer's address on a platform: Redis sees a keyed digest of it.

While Redis is away each node sends at its share of the rates, beginning with empty buckets; when it is back, or was
emptied, the shared buckets begin empty. So the switch costs a pause, never a rate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from gateway.keys import Keys
from gateway.pace import Limits, LocalPace, Room, bucket, one, room
from gateway.redis.link import Away, Link, Script

#: Seconds after which the mark that buckets are known is made again.
KNOWN = 86_400

#: KEYS: the mark, the resting accounts, then the accounts' buckets. ARGV: seconds that the mark lives, whether to begin empty,
#: then for each bucket the seconds that it takes to fill. Gives the milliseconds that each still takes, and who rests how long.
_ROOM = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
if redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) or ARGV[2] == '1' then
  for i = 3, #KEYS do
    local full = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now + ARGV[i] * 1000)
    redis.call('SET', KEYS[i], string.format('%.3f', full), 'PX', math.ceil(full - now))
  end
end
local left = {}
for i = 3, #KEYS do
  left[i - 2] = string.format('%.3f', math.max(0, tonumber(redis.call('GET', KEYS[i]) or now) - now))
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local resting = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 2, #resting, 2 do resting[i] = math.ceil(resting[i] - now) end
return {left, resting}
"""
)

#: KEYS: buckets. ARGV: for each message twice (account, chat) the number of its key or 0, the bucket's size and its interval in
#: milliseconds. Gives the milliseconds that each message has to wait.
_TAKE = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local waits = {}
for i = 1, #ARGV, 6 do
  local at = now
  for j = i, i + 3, 3 do
    local key = KEYS[tonumber(ARGV[j])]
    if key then
      local size, interval = tonumber(ARGV[j + 1]), tonumber(ARGV[j + 2])
      local full = math.max(tonumber(redis.call('GET', key) or at), at)
      redis.call('SET', key, string.format('%.3f', full + interval), 'PX', math.ceil(full + interval - now))
      at = at + math.max(0, full - at - (size - 1) * interval)
    end
  end
  waits[#waits + 1] = math.ceil(at - now)
end
return waits
"""
)

#: KEYS: the resting accounts. ARGV: a destination and the seconds.
_REST = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
redis.call('ZADD', KEYS[1], 'GT', now + ARGV[2] * 1000, ARGV[1])
if redis.call('PTTL', KEYS[1]) < ARGV[2] * 1000 then redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] * 1000)) end
"""
)


class SharedPace:
    """:class:`gateway.pace.Pace` of several nodes; ``nodes()`` says how many."""

    def __init__(
        self,
        link: Link,
        limits: Limits,
        keys: Keys,
        clock: Callable[[], float],
        nodes: Callable[[], Awaitable[int]] = one,
    ) -> None:
        self._link, self._limits, self._keys, self._clock, self._nodes = link, limits, keys, clock, nodes
        self._resting: dict[str, float] = {}
        self._alone: LocalPace | None = None

    async def room(self) -> Room:
        try:
            found = await self._shared_room(began=self._alone is not None)
        except Away:
            return await (await self._by_ourselves()).room()
        if self._alone is not None:
            alone, self._alone = self._alone, None
            for destination, seconds in alone.resting():
                await self.rest(destination, seconds)
        return found

    async def take(self, sends: Sequence[tuple[str, str]]) -> list[float]:
        if not any(d in self._limits.accounts or d in self._limits.chats for d, _ in sends):
            return [0.0] * len(sends)
        if self._alone is None:
            try:
                return await self._shared_take(sends)
            except Away:
                pass
        return await (await self._by_ourselves()).take(sends)

    async def rest(self, destination: str, seconds: float) -> None:
        self._resting[destination] = self._clock() + seconds
        try:
            await self._link.script(_REST, [self._key("resting")], [destination, seconds])
        except Away:
            await (await self._by_ourselves()).rest(destination, seconds)

    async def _by_ourselves(self) -> LocalPace:
        """Who rests is remembered from the last look."""
        if self._alone is None:
            self._alone = LocalPace(self._limits, self._clock, nodes=self._nodes, empty=True)
            for destination, until in self._resting.items():
                await self._alone.rest(destination, until - self._clock())
        return self._alone

    async def _shared_room(self, *, began: bool) -> Room:
        buckets = {d: bucket(rate) for d, rate in self._limits.accounts.items()}
        keys = [self._key("known"), self._key("resting"), *(self._key(d) for d in buckets)]
        fill = (b.size * b.interval for b in buckets.values())
        left, resting = await self._link.script(_ROOM, keys, [KNOWN, int(began), *fill])
        now, rests = self._clock(), {d.decode(): ms / 1000 for d, ms in zip(resting[::2], resting[1::2])}
        self._resting = {d: now + seconds for d, seconds in rests.items()}
        return room(buckets, {d: float(ms) / 1000 for d, ms in zip(buckets, left)}, rests)

    async def _shared_take(self, sends: Sequence[tuple[str, str]]) -> list[float]:
        keys: dict[str, int] = {}
        args: list[str | int | float] = []
        for destination, lane in sends:
            for key, size, interval in self._spent(destination, lane):
                args += (keys.setdefault(key, len(keys) + 1) if key else 0, size, interval * 1000)
        return [ms / 1000 for ms in await self._link.script(_TAKE, list(keys), args)]

    def _spent(self, destination: str, lane: str) -> Iterator[tuple[str, int, float]]:
        """The buckets that a message takes from, as (key, size, interval): its account's, its chat's; without a key where
        there is no rate."""
        for limits, name in (
            (self._limits.accounts, destination),
            (self._limits.chats, f"lane:{self._keys.tag('lanes in redis', lane)}"),
        ):
            rate = limits.get(destination)
            yield (self._key(name), *bucket(rate)) if rate else ("", 0, 0.0)

    def _key(self, name: str) -> str:
        return f"{self._link.prefix}:pace:{name}"
