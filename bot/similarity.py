"""The second key of an automatic answer: how near a text is to an entry's example questions.

TF-IDF over the features of :class:`bot.words.Utterance`, an inverted index over the entries' centroids, then the best
single example of the nearest entries. Scores run from 0 to 1. Pure Python: one message touches only the postings of
its own features, and features that most entries share are left out of the search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.words import Utterance

#: How many entries are looked at closely.
NEAREST = 5
#: Postings longer than this share of all entries say little and are passed over in the search.
COMMON = 0.35

#: An entry whose centroid is farther than this is not looked at.
FAR = 0.04

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
class _Indexed:
    """An entry: its centroid, its examples (text and polarity), and feature → (example, weight) to score them all."""

    centroid: Vector
    examples: tuple[tuple[str, bool], ...]
    postings: Mapping[str, tuple[tuple[int, float], ...]]
    vocabulary: frozenset[str]


class Index:
    """Built once from entry id → example questions (all languages together: customers mix them)."""

    def __init__(
        self, examples: Mapping[str, Sequence[Utterance]], vocabulary: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        """``vocabulary`` adds content words that an entry knows besides those of its examples (its rule's)."""
        self._known = vocabulary or {}
        said = {entry: texts for entry, texts in examples.items() if texts}
        self._rarity = _rarity(said)
        self._rarest = max(self._rarity.values(), default=1.0)
        self._entries = {entry: self._indexed(entry, texts) for entry, texts in said.items()}
        self._postings = self._invert()
        self.exact = _exact(said)
        """Compact text → the one entry it is an example of."""

    def _indexed(self, name: str, said: Sequence[Utterance]) -> _Indexed:
        centroid: Vector = {}
        postings: dict[str, list[tuple[int, float]]] = {}
        for number, each in enumerate(said):
            for feature, weight in self._vector(each.features).items():
                centroid[feature] = centroid.get(feature, 0.0) + weight
                postings.setdefault(feature, []).append((number, weight))
        vocabulary = frozenset(word for each in said for word in each.content)
        return _Indexed(
            centroid=_unit(centroid),
            examples=tuple((each.text, each.negated) for each in said),
            postings={feature: tuple(found) for feature, found in postings.items()},
            vocabulary=vocabulary | self._known.get(name, frozenset()),
        )

    def _vector(self, counts: Vector) -> Vector:
        rarity = self._rarity
        return _unit({f: (1 + math.log1p(n)) * n**0.5 * rarity[f] for f, n in counts.items() if f in rarity})

    def _invert(self) -> dict[str, list[tuple[str, float]]]:
        postings: dict[str, list[tuple[str, float]]] = {}
        for name, entry in self._entries.items():
            for feature, weight in entry.centroid.items():
                postings.setdefault(feature, []).append((name, weight))
        limit = max(10, COMMON * len(self._entries))
        return {feature: found for feature, found in postings.items() if len(found) <= limit}

    def nearest(self, utterance: Utterance, also: Sequence[str] = ()) -> list[Near]:
        """The nearest entries, best first; ``also`` names entries to be looked at in any case."""
        vector = self._vector(utterance.features)
        if not vector:
            return []
        rough = self._rough(vector)
        names = [name for name in sorted(rough, key=lambda name: (-rough[name], name))[:NEAREST] if rough[name] > FAR]
        names += [name for name in also if name not in names and name in self._entries]
        near = [self._near(name, vector, utterance) for name in names]
        return sorted(near, key=lambda each: (-each.score, each.entry))

    def _rough(self, vector: Vector) -> dict[str, float]:
        scores: dict[str, float] = {}
        for feature, weight in vector.items():
            for name, other in self._postings.get(feature, ()):
                scores[name] = scores.get(name, 0.0) + weight * other
        return scores

    def _near(self, name: str, vector: Vector, utterance: Utterance) -> Near:
        """Only examples of the same polarity count: "can I pay" is no neighbour of "I cannot pay"."""
        entry = self._entries[name]
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

    def _unmatched(self, entry: _Indexed, utterance: Utterance) -> float:
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


def _rarity(said: Mapping[str, Sequence[Utterance]]) -> dict[str, float]:
    """Inverse document frequency, an entry being the document."""
    seen: dict[str, int] = {}
    for texts in said.values():
        for feature in {f for text in texts for f in text.features}:
            seen[feature] = seen.get(feature, 0) + 1
    return {feature: math.log((1 + len(said)) / (0.5 + n)) for feature, n in seen.items()}


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {feature: weight / length for feature, weight in vector.items()} if length else {}
