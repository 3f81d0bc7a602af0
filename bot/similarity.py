"""The second key of an automatic answer: how near a text is to an entry's example questions.

TF-IDF over the features of :class:`bot.words.Utterance`, an inverted index over the entries' centroids, then the best
single example of the nearest entries. Scores run from 0 to 1. Pure Python: one message touches only the postings of
its own features, and features that most entries share are left out of the search.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nsmallest

from bot.words import Utterance

#: How many entries are looked at closely.
NEAREST = 5
#: Postings longer than this share of all entries say little and are passed over in the search.
COMMON = 0.35

#: An entry whose centroid is farther than this is not looked at.
FAR = 0.04
#: Entries whose examples are kept ready.
KEPT = 1_000

Vector = dict[str, float]


@dataclass(frozen=True)
class Near:
    """How near an entry is: a mean of the centroid and the ``best`` example, and the share of the text it has no word for."""

    entry: str
    score: float
    best: float
    unmatched: float
    example: str


@dataclass(frozen=True)
class _Detail:
    """An entry looked at closely: its centroid, its examples (text, polarity) and feature → (example, weight)."""

    centroid: Vector
    examples: tuple[tuple[str, bool], ...]
    postings: Mapping[str, Sequence[tuple[int, float]]]
    vocabulary: frozenset[str]


class Index:
    """Built once from entry id → example questions (all languages together: customers mix them).

    Kept are the examples' texts and the centroids' postings; what a close look needs is made when an entry is first
    near and kept for the :data:`KEPT` entries last asked for, so memory does not grow with the number of examples.
    """

    def __init__(
        self, examples: Mapping[str, Sequence[Utterance]], vocabulary: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        """``vocabulary`` adds content words that an entry knows besides those of its examples (its rule's)."""
        said = {entry: tuple(texts) for entry, texts in examples.items() if texts}
        self._known = vocabulary or {}
        self._said = {entry: tuple(Utterance(each.text, each.table) for each in texts) for entry, texts in said.items()}
        self._names = tuple(said)
        counts = [_merged(texts) for texts in said.values()]
        self._rarity = _rarity(counts)
        self._rarest = max(self._rarity.values(), default=1.0)
        self._postings = self._invert(counts)
        self._detail = lru_cache(maxsize=KEPT)(self._look)
        self.exact = _exact(said)
        """Compact text → the one entry it is an example of."""

    def _look(self, name: str) -> _Detail:
        said = [Utterance(each.text, each.table) for each in self._said[name]]
        postings: dict[str, list[tuple[int, float]]] = {}
        for number, each in enumerate(said):
            for feature, weight in self._vector(each.features).items():
                postings.setdefault(feature, []).append((number, weight))
        words = frozenset(word for each in said for word in each.content)
        return _Detail(
            centroid=self._vector(_merged(said)),
            examples=tuple((each.text, each.negated) for each in said),
            postings=postings,
            vocabulary=words | self._known.get(name, frozenset()),
        )

    def _vector(self, counts: Vector) -> Vector:
        rarity = self._rarity
        return _unit({f: (1 + math.log1p(n)) * n**0.5 * rarity[f] for f, n in counts.items() if f in rarity})

    def _invert(self, counts: Sequence[Vector]) -> dict[str, tuple[array[int], array[float]]]:
        """Feature → numbers and weights of the entries that have it, without the features that most have."""
        postings: dict[str, tuple[array[int], array[float]]] = {}
        for number, merged in enumerate(counts):
            for feature, weight in self._vector(merged).items():
                numbers, weights = postings.setdefault(feature, (array("L"), array("f")))
                numbers.append(number)
                weights.append(weight)
        limit = max(10, COMMON * len(counts))
        return {feature: found for feature, found in postings.items() if len(found[0]) <= limit}

    def nearest(self, utterance: Utterance, also: Sequence[str] = ()) -> list[Near]:
        """The nearest entries, best first; ``also`` names entries to be looked at in any case."""
        vector = self._vector(utterance.features)
        if not vector:
            return []
        rough = self._rough(vector)
        names = nsmallest(NEAREST, rough, key=lambda name: (-rough[name], name))
        names += [name for name in also if name not in names and name in self._said]
        near = [self._near(name, vector, utterance) for name in names]
        return sorted(near, key=lambda each: (-each.score, each.entry))

    def _rough(self, vector: Vector) -> dict[str, float]:
        scores: dict[int, float] = {}
        for feature, weight in vector.items():
            found = self._postings.get(feature)
            if found is not None:
                for number, other in zip(*found):
                    scores[number] = scores.get(number, 0.0) + weight * other
        return {self._names[number]: score for number, score in scores.items() if score > FAR}

    def _near(self, name: str, vector: Vector, utterance: Utterance) -> Near:
        """Only examples of the same polarity count: "can I pay" is no neighbour of "I cannot pay"."""
        entry = self._detail(name)
        scores = [0.0] * len(entry.examples)
        centre = 0.0
        for feature, weight in vector.items():
            found = entry.postings.get(feature)
            if found is not None:
                centre += weight * entry.centroid[feature]
                for number, other in found:
                    scores[number] += weight * other
        negated = utterance.negated
        best, text = max(
            ((score, said) for score, (said, other) in zip(scores, entry.examples) if other == negated),
            default=(0.0, ""),
        )
        score = min(1.0, 0.6 * best + 0.4 * centre)
        return Near(name, score, best, self._unmatched(entry, utterance), text)

    def _unmatched(self, entry: _Detail, utterance: Utterance) -> float:
        total = missing = 0.0
        for word in utterance.content:
            weight = self._rarity.get(word, self._rarest)
            total += weight
            if word not in entry.vocabulary:
                missing += weight
        return missing / total if total else 1.0


def _exact(said: Mapping[str, Sequence[Utterance]]) -> dict[str, str]:
    """What two entries both have as an example decides nothing and is left out."""
    found: dict[str, str] = {}
    for entry, texts in said.items():
        for text in texts:
            found[text.compact] = entry if found.get(text.compact, entry) == entry else ""
    return {text: entry for text, entry in found.items() if text and entry}


def _merged(said: Sequence[Utterance]) -> Vector:
    """All features of an entry's examples with their counts."""
    counts: Vector = {}
    for each in said:
        for feature, count in each.features.items():
            counts[feature] = counts.get(feature, 0.0) + count
    return counts


def _rarity(counts: Sequence[Vector]) -> dict[str, float]:
    """Inverse document frequency, an entry being the document."""
    seen: dict[str, int] = {}
    for merged in counts:
        for feature in merged:
            seen[feature] = seen.get(feature, 0) + 1
    return {feature: math.log((1 + len(counts)) / (0.5 + n)) for feature, n in seen.items()}


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {feature: weight / length for feature, weight in vector.items()} if length else {}
