"""Fingerprints of rows: 16 bytes each, to find what changed between two looks at millions of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from gateway.store.moving.tables import Row

Words = npt.NDArray[np.uint64]

_ENCODE = msgspec.msgpack.Encoder().encode


def _word(row: Row) -> int:
    return int.from_bytes(hashlib.blake2b(_ENCODE(row), digest_size=8).digest())


class Prints:
    """Key and content of a table's rows, by key."""

    def __init__(self, keys: Iterable[int] = (), rows: Iterable[int] = ()) -> None:
        unsorted = np.fromiter(keys, np.uint64)
        order = np.argsort(unsorted, kind="stable")
        self.keys: Words = unsorted[order]
        self.rows: Words = np.fromiter(rows, np.uint64)[order]

    def __len__(self) -> int:
        return len(self.keys)

    def same(self, other: Prints) -> bool:
        """Whether both have the same rows."""
        return np.array_equal(self.keys, other.keys) and np.array_equal(self.rows, other.rows)


class Printer:
    """Takes the prints of rows as they come by; ``known`` is what was there at the last look."""

    def __init__(self, key: int, known: Prints) -> None:
        self._key, self._known = key, known
        self._keys: list[int] = []
        self._rows: list[int] = []

    def changed(self, rows: list[Row]) -> list[Row]:
        """Those that are new or changed since the last look."""
        keys = [_word(row[: self._key]) for row in rows]
        words = [_word(row) for row in rows]
        self._keys += keys
        self._rows += words
        if not len(self._known):
            return rows
        asked = np.array(keys, np.uint64)
        places = np.minimum(np.searchsorted(self._known.keys, asked), len(self._known) - 1)
        old = (self._known.keys[places] == asked) & (self._known.rows[places] == np.array(words, np.uint64))
        return [row for row, unchanged in zip(rows, old, strict=True) if not unchanged]

    def prints(self) -> Prints:
        """All that came by."""
        return Prints(self._keys, self._rows)

    def gone(self) -> bool:
        """Whether a row of the last look did not come by again."""
        return not np.isin(self._known.keys, np.array(self._keys, np.uint64)).all()
