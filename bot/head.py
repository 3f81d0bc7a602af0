"""A linear model that tells a few hundred entries apart better than nearness alone (squared hinge, one against all).

An example should score 1 for its entry and 0 for every other; more and less are as good. Solved by Newton's method with
conjugate gradients and a fixed number of steps (Keerthi and DeCoste, 2005): the same examples give the same weights.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.postings import Floats, Ints, Postings

#: How strongly weights are held near zero, and how many steps are made.
RIDGE = 0.2
ROUNDS, STEPS = 4, 6
#: More entries, or more examples times entries, are not worth the time at every start; nearness decides there.
MOST_ENTRIES = 300
MOST_WORK = 2_500_000


def worth_it(entries: int, examples: int) -> bool:
    return 2 <= entries <= MOST_ENTRIES and entries * examples <= MOST_WORK


def train(grams: Postings, entry_of: Ints, entries: int) -> Floats:
    """Weights by feature and entry; a text's score for an entry is the sum over its features."""
    examples = len(entry_of)
    wanted = np.zeros((examples, entries), dtype=bool)
    wanted[np.arange(examples), entry_of] = True
    order = np.argsort(grams.rows, kind="stable")
    columns = np.repeat(np.arange(len(grams.keys)), np.diff(grams.starts))[order]
    across = (np.searchsorted(grams.rows[order], np.arange(examples + 1)), columns, grams.weights[order])
    down = (grams.starts, grams.rows, grams.weights)

    weights = np.zeros((len(grams.keys), entries), dtype=np.float32)
    for _ in range(ROUNDS):
        scores = _times(across, weights)
        counts = np.where(wanted, scores < 1, scores > 0)
        rest = _times(down, ((wanted - scores) * counts).astype(np.float32)) - np.float32(RIDGE) * weights
        way = rest.copy()
        size = (rest * rest).sum(0)
        for _ in range(STEPS):
            moved = _times(down, _times(across, way) * counts) + np.float32(RIDGE) * way
            step = size / np.maximum((way * moved).sum(0), 1e-12)
            weights += step * way
            rest -= step * moved
            left = (rest * rest).sum(0)
            way = rest + left / np.maximum(size, 1e-12) * way
            size = left
    return weights


def _times(matrix: tuple[Ints, NDArray[np.integer[Any]], Floats], dense: Floats) -> Floats:
    """A sparse matrix (starts of rows, columns, values) times a dense one, row by row: small gathers stay in the cache."""
    starts, columns, values = matrix
    out = np.zeros((len(starts) - 1, dense.shape[1]), dtype=np.float32)
    bounds = starts.tolist()
    for row, (start, end) in enumerate(pairwise(bounds)):
        if end > start:
            out[row] = values[start:end] @ dense[columns[start:end]]
    return out
