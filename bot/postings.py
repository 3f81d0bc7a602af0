"""Features of texts as arrays: which rows (examples or entries) have a feature, and with what weight.

A feature is known by a 32-bit checksum of its text, so a hundred thousand of them cost 400 kB and no Python object.
Two features that share a checksum count as one; at that size about one pair does.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint32]
#: Of the smallest type that holds them.
Rows = NDArray[np.unsignedinteger[Any]]


def keys_of(features: Iterable[str]) -> Keys:
    """The checksums of features, in their order."""
    return np.array([crc32(feature.encode()) for feature in features], dtype=np.uint32)


class Gathered:
    """Feature, row and count of everything that will be in :class:`Postings`, collected row by row."""

    def __init__(self) -> None:
        self._keys = array("I")
        self._counts = array("f")
        self._ends = array("q")

    def add(self, features: Mapping[str, float]) -> None:
        """The features of the next row."""
        self._keys.extend([crc32(feature.encode()) for feature in features])
        self._counts.extend(features.values())
        self._ends.append(len(self._keys))

    def arrays(self) -> tuple[Keys, NDArray[np.int32], Floats]:
        """Keys, rows and counts, in the order of the rows."""
        ends = np.frombuffer(self._ends, dtype=np.int64)
        lengths = ends - np.append(0, ends[:-1])
        rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return np.frombuffer(self._keys, np.uint32), rows, np.frombuffer(self._counts, np.float32)


class Hits(NamedTuple):
    """What a text's features have in common with the rows: row, weight there, and which of the text's features."""

    rows: Rows
    weights: Floats
    which: Ints


class Postings:
    """Feature → rows and weights. ``keys`` are sorted; ``number`` of a posting is its place in ``keys``."""

    def __init__(self, gathered: Gathered) -> None:
        keys, rows, counts = gathered.arrays()
        order = np.argsort(keys, kind="stable")
        self.keys, starts = np.unique(keys[order], return_index=True)
        self.starts = np.append(starts, len(keys)).astype(np.int64)
        self.size = int(rows[-1]) + 1 if len(rows) else 0
        self.rows: Rows = rows[order].astype(np.min_scalar_type(self.size))
        self.weights = counts[order]

    def spread(self, values: Floats) -> Floats:
        """One value for each key, as one for each posting."""
        return np.repeat(values, np.diff(self.starts))

    def numbers(self, keys: Keys) -> Ints:
        """The place of each key, or -1."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.minimum(self.keys.searchsorted(keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)

    def hits(self, numbers: Ints, longest: int | None = None) -> Hits:
        """The postings of the keys with these places; keys with more than ``longest`` postings are passed over."""
        starts, ends = self.starts[numbers], self.starts[numbers + 1]
        if longest is not None:
            ends = np.where(ends - starts > longest, starts, ends)
        lengths = ends - starts
        which = np.arange(len(numbers)).repeat(lengths)
        at = np.arange(len(which)) + (starts - lengths.cumsum() + lengths).repeat(lengths)
        return Hits(self.rows[at], self.weights[at], which)
