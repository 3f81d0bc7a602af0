"""What a node has of Redis, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.keys import Keys
from gateway.metrics import Metrics
from gateway.pace import Limits
from gateway.redis.link import Link
from gateway.redis.pace import SharedPace
from gateway.redis.tokens import SharedToken
from gateway.redis.url import address
from gateway.redis.wake import RedisWake


class Redis:
    """One installation's place in a Redis: what it keeps there begins with a word made from its secret, so that several may use
    the same Redis. Nothing is connected before :attr:`wake` runs. Raises ValueError for a URL that cannot be read."""

    def __init__(self, url: str, keys: Keys, metrics: Metrics) -> None:
        self._link, self._keys = Link(address(url), f"allears:{{{keys.tag('redis', 'keys', 8)}}}"), keys
        self.wake = RedisWake(self._link, metrics)

    def pace(self, limits: Limits, clock: Callable[[], float], nodes: Callable[[], Awaitable[int]]) -> SharedPace:
        """The common pace."""
        return SharedPace(self._link, limits, self._keys, clock, nodes)

    def token(self, account: str) -> SharedToken:
        """The access token of ``<channel>/<account>``."""
        return SharedToken(self._link, self._keys, account)
