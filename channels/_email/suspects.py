"""Mails over whose fetch the connection broke: fetched alone and last, then rarely, so that they hold up no other.

Dovecot ends the connection at a file that it cannot read, others hang. A line that breaks by itself puts good mails here
too: they are only asked for a little later. Kept in memory: after a restart every mail is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Breaks after which a mail has to wait, and seconds of the first and the longest wait.
PATIENCE = 3
FIRST_WAIT, LONGEST_WAIT = 15.0, 600.0


class Suspects:
    """By the key of the mail's place. ``now`` is a monotonic time in seconds."""

    def __init__(self) -> None:
        self._breaks: dict[str, int] = {}
        self._again: dict[str, float] = {}

    def broke(self, keys: Iterable[str], now: float) -> None:
        """The connection broke, or the server said no, while these were fetched."""
        for key in keys:
            breaks = self._breaks[key] = self._breaks.get(key, 0) + 1
            if breaks >= PATIENCE:
                self._again[key] = now + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (breaks - PATIENCE))

    def cleared(self, keys: Iterable[str]) -> None:
        """These came, or are gone."""
        for key in keys:
            self._breaks.pop(key, None)
            self._again.pop(key, None)

    def breaks(self, key: str) -> int:
        """How often a fetch of it broke."""
        return self._breaks.get(key, 0)

    def waits(self, key: str, now: float) -> bool:
        """Whether it is not to be asked for yet."""
        return self._again.get(key, 0.0) > now

    def next(self, held: Iterable[str], now: float) -> float | None:
        """Seconds until the first of those that were held back may be asked for, 0 where that is so by now."""
        return min((max(0.0, self._again[key] - now) for key in held if key in self._again), default=None)
