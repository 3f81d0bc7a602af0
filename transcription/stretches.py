"""Where somebody speaks: silence by energy is left out, and times stay those of the recording."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

#: Root mean square below which nobody speaks (-60 dB of full scale): far under the quietest voice on a telephone.
QUIET = 33.0
#: Length of the blocks that are judged, the silence that is kept around speech, and the shortest that is left out.
BLOCK_SECONDS, MARGIN_SECONDS, MIN_SECONDS = 0.02, 0.6, 2.0

Samples = np.ndarray[Any, np.dtype[np.int16]]


class Stretches:
    """Cuts one channel, piece by piece. Gives ``(start, samples)``: sound that begins at sample ``start``.

    Sound that follows without a gap starts where the one before ended.
    """

    def __init__(self, rate: int) -> None:
        self._block = max(1, int(rate * BLOCK_SECONDS))
        self._margin = int(MARGIN_SECONDS / BLOCK_SECONDS)
        self._longest = int(MIN_SECONDS / BLOCK_SECONDS)
        self._rest: Samples = np.zeros(0, np.int16)
        self._at = 0
        self._held: list[Samples] = []
        self._silent = self._longest  # a recording that begins with silence begins in silence

    def add(self, samples: Samples) -> Iterator[tuple[int, Samples]]:
        """What can be said of the sound so far; what follows without a gap comes in one."""
        joined: list[Samples] = []
        start = end = 0
        for at, part in self._runs(samples):
            if joined and at != end:
                yield start, np.concatenate(joined)
                joined = []
            start = start if joined else at
            joined.append(part)
            end = at + len(part)
        if joined:
            yield start, np.concatenate(joined)

    def _runs(self, samples: Samples) -> Iterator[tuple[int, Samples]]:
        sound = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        count = len(sound) // self._block
        self._rest = sound[count * self._block :]
        blocks = sound[: count * self._block].reshape(count, self._block)
        loudness = blocks.astype(np.float32)
        quiet = np.einsum("ij,ij->i", loudness, loudness) < QUIET**2 * self._block
        # Runs of equal blocks go together: a conversation is a few long runs.
        edges = [0, *(np.flatnonzero(np.diff(quiet)) + 1).tolist(), count] if count else []
        for start, end in pairwise(edges):
            run = blocks[start:end].reshape(-1)
            yield from self._quiet(run, end - start) if quiet[start] else self._loud(run)

    def end(self) -> Iterator[tuple[int, Samples]]:
        """The rest, which is less than a block and is kept with speech."""
        if len(self._rest) and self._silent < self._longest:
            yield from self._loud(self._rest)
        self._rest = self._rest[:0]

    def _loud(self, run: Samples) -> Iterator[tuple[int, Samples]]:
        if self._held:
            held = np.concatenate(self._held)
            self._held = []
            yield self._at - len(held), held
        yield self._at, run
        self._at += len(run)
        self._silent = 0

    def _quiet(self, run: Samples, count: int) -> Iterator[tuple[int, Samples]]:
        """Up to the longest pause silence is passed on; after it only the last bit is held, for the next word."""
        passing = max(0, min(count, self._longest - self._silent))
        self._silent += count
        if passing:
            yield self._at, run[: passing * self._block]
        self._at += len(run)
        rest = run[passing * self._block :]
        if len(rest):
            self._held.append(rest)
            self._held = [np.concatenate(self._held)[-self._margin * self._block :]]
