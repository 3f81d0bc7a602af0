"""What a text and the examples of one entry have in common, feature by feature."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.postings import Floats, Hits, Ints, Postings
from bot.words import Utterance, is_pair

#: How many of an entry's nearest examples are asked for what of them is said.
ECHOES = 3
#: Examples that a function word is taken to have had in any entry, as often as in all: few examples prove little.
USUAL = 2


class Vector(NamedTuple):
    """A text's features against those that any example has."""

    is_known: NDArray[np.bool_]
    """Of each of the text's features, in their order."""
    places: Ints
    weights: Floats
    """Of the known ones; the weights are of length one together."""
    mass: float
    """The weights' squares before they were made one."""
    seen: float
    """Their share of the mass of all features."""


class Shared(NamedTuple):
    """See :class:`bot.signals.Signals`."""

    back: float
    echo: float
    whole: float
    told: float
    pairs: float
    style: float


class Overlap:
    """A text's features, found in ``hits``, with those of the entries whose rows are ``wanted``.

    ``rarest`` is the weight of a feature that no example has. Features of more than ``longest`` examples were not searched
    for and say nothing here.
    """

    def __init__(
        self,
        said: Utterance,
        vector: Vector,
        grams: Postings,
        hits: Hits,
        wanted: NDArray[np.bool_],
        *,
        rarest: float,
        longest: int | None,
    ) -> None:
        is_known, places, weights = vector.is_known, vector.places, vector.weights
        mine = wanted[hits.rows].nonzero()[0]
        self._rows, self._which = hits.rows[mine].astype(np.int64), hits.which[mine]
        self._squares = hits.weights[mine] ** 2
        held = grams.starts[places + 1] - grams.starts[places]
        searched = held <= (longest or grams.size)
        self._mass = np.where(searched, weights * weights, np.float32(0))
        self._all = float(self._mass.sum()) or 1.0
        is_pair_ = np.fromiter(map(is_pair, said.features), bool, len(is_known))
        self._pairs = is_pair_[is_known].nonzero()[0]
        strange = int(np.count_nonzero(is_pair_ & ~is_known)) * rarest * rarest / vector.mass
        self._all_pairs = float(self._mass[self._pairs].sum()) + strange
        is_small = np.fromiter(map(said.small.__contains__, said.features), bool, len(is_known))
        self._small = (is_small[is_known] & searched).nonzero()[0]
        self._usual = (held[self._small] + 0.5) / (grams.size + 1)

    def of(self, begin: int, cosines: Floats) -> Shared:
        """With the entry whose examples begin at ``begin`` and have these ``cosines`` to the text."""
        size = len(cosines)
        at = self._rows - begin
        mine = ((at >= 0) & (at < size)).nonzero()[0]
        said = np.bincount(at[mine], self._squares[mine], minlength=size)
        counts = np.bincount(self._which[mine], minlength=len(self._mass))
        known = self._mass * (counts > 0)
        nearest = (-cosines).argsort(kind="stable")[:ECHOES]
        echoes = said[nearest]
        return Shared(
            back=float(echoes[0]),
            echo=float(echoes.sum()) / len(echoes),
            whole=float(said.max()),
            told=float(known.sum()) / self._all,
            pairs=float(known[self._pairs].sum()) / self._all_pairs if self._all_pairs else 0.5,
            style=self._style(counts[self._small], size),
        )

    def _style(self, counts: NDArray[np.intp], size: int) -> float:
        if not len(counts):
            return 0.0
        odds = np.log((counts + USUAL * self._usual) / ((size + USUAL) * self._usual))
        return float(odds.sum()) / math.sqrt(len(odds))
