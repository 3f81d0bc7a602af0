"""What a text and the examples of one entry have in common, feature by feature."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.postings import Floats, Hits, Ints, Postings, keys_of
from bot.words import Utterance, is_pair

#: How many of an entry's nearest examples are asked for what of them is said.
ECHOES = 3
#: Examples that a function word is taken to have had in any entry, as often as in all: few examples prove little.
USUAL = 2


class Shared(NamedTuple):
    """See :class:`bot.signals.Signals`."""

    back: float
    echo: float
    whole: float
    told: float
    pairs: float
    style: float


class Overlap:
    """A text's features that any example has (their ``places`` and ``weights``, of length one), found in ``hits``.

    ``mass`` is the sum of the weights' squares before they were made one, ``rarest`` the weight of a feature that no
    example has. Features of more than ``longest`` examples were not searched for and say nothing here.
    """

    def __init__(
        self,
        said: Utterance,
        grams: Postings,
        places: Ints,
        weights: Floats,
        hits: Hits,
        *,
        mass: float,
        rarest: float,
        longest: int | None,
    ) -> None:
        self._hits = hits
        self._total = grams.size
        self._held = grams.starts[places + 1] - grams.starts[places]
        searched = self._held <= (longest or self._total)
        self._mass = np.where(searched, weights * weights, np.float32(0))
        self._all = float(self._mass.sum()) or 1.0
        keys = grams.keys[places]
        pairs = keys_of(each for each in said.features if is_pair(each))
        strange = len(pairs) - int((grams.numbers(pairs) >= 0).sum())
        self._pairs = np.flatnonzero(np.isin(keys, pairs))
        self._all_pairs = float(self._mass[self._pairs].sum()) + strange * rarest * rarest / mass
        self._small = np.flatnonzero(np.isin(keys, keys_of(said.small)) & searched)
        self._usual = (self._held[self._small] + 0.5) / (self._total + 1)

    def of(self, begin: int, cosines: Floats) -> Shared:
        """With the entry whose examples begin at ``begin`` and have these ``cosines`` to the text."""
        rows, size = self._hits.rows, len(cosines)
        mine = np.flatnonzero((rows >= begin) & (rows < begin + size))
        weights = self._hits.weights[mine]
        said = np.bincount(rows[mine] - begin, weights * weights, minlength=size)
        counts = np.bincount(self._hits.which[mine], minlength=len(self._mass))
        known = np.where(counts > 0, self._mass, np.float32(0))
        nearest = (-cosines).argsort(kind="stable")[:ECHOES]
        return Shared(
            back=float(said[nearest[0]]),
            echo=float(said[nearest].mean()),
            whole=float(said.max()),
            told=float(known.sum()) / self._all,
            pairs=float(known[self._pairs].sum()) / self._all_pairs if self._all_pairs else 0.5,
            style=self._style(counts[self._small], size),
        )

    def _style(self, counts: NDArray[np.intp], size: int) -> float:
        if not len(counts):
            return 0.0
        odds = np.log((counts + USUAL * self._usual) / (size + USUAL) / self._usual)
        return float(odds.sum()) / math.sqrt(len(odds))
