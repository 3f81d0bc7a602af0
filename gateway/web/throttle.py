"""How often a thing may go wrong: counts failures per name inside a sliding window, in memory."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

#: Most names remembered at once; the oldest are forgotten first, so a flood of names cannot fill the memory.
MAX_NAMES = 20_000


class Throttle:
    """``limit`` failures inside ``window``; then :meth:`wait` says how long, until the oldest has left the window."""

    def __init__(self, limit: int, window: timedelta) -> None:
        self._limit, self._window = limit, window
        self._failures: dict[str, deque[datetime]] = {}

    def wait(self, name: str, now: datetime) -> float:
        """Seconds until another try is allowed; 0 when it is."""
        failures = self._failures.get(name)
        if failures is None:
            return 0.0
        while failures and failures[0] <= now - self._window:
            failures.popleft()
        if not failures:
            del self._failures[name]
        if len(failures) < self._limit:
            return 0.0
        return (failures[0] + self._window - now).total_seconds()

    def failed(self, name: str, now: datetime) -> None:
        """Count one failure."""
        failures = self._failures.pop(name, None) or deque(maxlen=self._limit)
        failures.append(now)
        self._failures[name] = failures
        if len(self._failures) > MAX_NAMES:
            del self._failures[next(iter(self._failures))]

    def forget(self, name: str) -> None:
        """A success clears the name."""
        self._failures.pop(name, None)
