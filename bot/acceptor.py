"""Whether the nearest entry may answer by itself: its signals, weighed, against thresholds learned from the author's examples."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.signals import Signals

#: An entry that never denies does not answer who denies, and the other way round.
FEWEST_OF_POLARITY = 0.04


@dataclass(frozen=True)
class Curve:
    """A signal's part in the sum: straight lines between the points (``at``, ``part``), level before and behind them."""

    at: tuple[float, ...]
    part: tuple[float, ...]

    def of(self, value: float) -> float:
        right = bisect_right(self.at, value)
        if not right or right == len(self.at):
            return self.part[max(0, right - 1)]
        low, high = self.at[right - 1], self.at[right]
        share = (value - low) / (high - low)
        return self.part[right - 1] * (1 - share) + self.part[right] * share


@dataclass(frozen=True)
class Acceptor:
    """A sum of one curve for each of two dozen signals at most, as a chance; every part of the sum can be shown."""

    bias: float
    curves: Mapping[str, Curve]

    def confidence(self, signals: Signals) -> float:
        """The chance that the entry is meant, where half of what is said has no entry."""
        total = self.bias + sum([curve.of(getattr(signals, name)) for name, curve in self.curves.items()])
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, total))))

    def reasons(self, signals: Signals) -> list[tuple[str, float]]:
        """Each signal's part, the largest first."""
        parts = [(name, curve.of(getattr(signals, name))) for name, curve in self.curves.items()]
        return sorted(parts, key=lambda part: -abs(part[1]))


@dataclass(frozen=True)
class Calibration:
    """What was learned from one set of examples; ``examples`` is their digest, so that it is known when it is out of date.

    ``alone`` is the confidence from which the entry answers without its rule, ``together`` that from which it does when
    its rule fired, ``offer`` that from which it is worth a "did you mean". None: never; ``refused`` then says why.
    """

    precision: float
    out_of_scope: float
    examples: str
    acceptor: Acceptor
    alone: float | None
    together: float | None
    offer: float
    coverage: float = 0.0
    """Share of questions that have an entry which ``alone`` answered in cross-validation, and how often rightly."""
    kept: float = 0.0
    refused: str = ""
    weak: Mapping[str, str] = field(default_factory=dict)
    """Entries that never answer alone, and why."""


def forbidden(signals: Signals) -> str:
    """Why no confidence is enough, or an empty text."""
    if signals.polarity < FEWEST_OF_POLARITY:
        return "denies what the entry's examples affirm, or affirms what they deny"
    if not signals.length:
        return "no word with a content"
    return ""
