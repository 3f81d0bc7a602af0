"""How many bytes an address may bring: a visitor costs nothing to invent, an address does."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

#: Seconds in which a used-up allowance is whole again.
REFILL = 3600.0
#: Most addresses remembered at once before those that are at rest are forgotten.
SWEEP_AT = 20_000


class Allowance:
    """``limit`` bytes for each address, which come back evenly within :data:`REFILL` seconds."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used: dict[str, tuple[float, float]] = {}

    def take(self, address: str, size: int, now: float) -> float:
        """Count ``size`` bytes; 0, or seconds to wait where they are too many and were not counted."""
        key = _household(address)
        used = self._now(key, now)
        if used + size > self._limit:
            return max(1.0, (used + size - self._limit) * REFILL / self._limit)
        self._used[key] = (used + size, now)
        if len(self._used) > SWEEP_AT:
            self._used = {key: found for key, found in self._used.items() if self._now(key, now)}
        return 0.0

    def _now(self, key: str, now: float) -> float:
        used, then = self._used.get(key, (0.0, now))
        return max(0.0, used - (now - then) * self._limit / REFILL)


def _household(address: str) -> str:
    """An IPv6 address is one of 2^64 that its owner may use; they count as one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
