"""The second key of an automatic answer: how near a text is to an entry's example questions.

Everything about the examples is in arrays (:mod:`bot.postings`). A text is compared with all examples by TF-IDF and with
all entries by BM25 in one pass each; the nearest few entries then get their :class:`bot.signals.Signals`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot import head
from bot.overlap import Overlap, Vector
from bot.postings import Floats, Gathered, Hits, Ints, Keys, Postings, keys_of
from bot.signals import Signals
from bot.words import ASKS, NUMBER, Utterance
from normalizer.text import Fold

#: How many entries are looked at closely.
NEAREST = 5
#: How many examples vote for the share.
VOTES = 10
#: Features of more examples than this say nearly nothing and are passed over in the search.
COMMON = 4_000
#: An entry whose nearness is below this is not looked at.
FAR = 0.04
#: BM25's two constants, as in the literature (Robertson and Zaragoza, 2009).
K1, B = 1.2, 0.75
#: The part of nearness in the order of entries, beside the linear model.
NEARNESS = 0.6


@dataclass(frozen=True)
class Near:
    """How near an entry is: a mean of its centre and the ``best`` example of the same polarity, and the share of the
    text it has no word for."""

    entry: str
    score: float
    best: float
    unmatched: float
    example: str
    signals: Signals


class _Said(NamedTuple):
    """A text, compared with everything: cosine by example; all other scores by entry."""

    cosines: Floats
    best: Floats
    same: Floats
    """The best one that denies or affirms as the text does."""
    centre: Floats
    order: Floats
    bm25: Floats
    asks: Floats
    """The share of the entry's examples that want the same kind of answer."""
    vector: Vector
    hits: Hits
    terms: Ints
    """The place of each of the text's words among all entries' words, or -1."""
    found: Hits
    """Which entries have which of the words that any has."""


class Index:
    """Built once from entry id → example questions (all languages together: customers mix them)."""

    def __init__(
        self,
        examples: Mapping[str, Iterable[str]],
        table: Fold,
        vocabulary: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """``vocabulary`` adds content words that an entry knows besides those of its examples (its rule's)."""
        names: list[str] = []
        starts: list[int] = []
        self._texts: list[str] = []
        negated: list[bool] = []
        asks: list[int] = []
        hashes: list[int] = []
        grams, words = Gathered(), Gathered()
        for name, texts in examples.items():
            begin, terms = len(self._texts), dict.fromkeys((vocabulary or {}).get(name, ()), 0.0)
            for said in _distinct(texts, table):
                self._texts.append(said.text)
                negated.append(said.negated)
                asks.append(ASKS.index(said.asks))
                hashes.append(_hash(said.compact))
                grams.add(said.features)
                for term, count in said.terms.items():
                    terms[term] = terms.get(term, 0.0) + count
            if len(self._texts) > begin:
                names.append(name)
                starts.append(begin)
                words.add(terms)
        self._table = table
        self.names = tuple(names)
        self._place = {name: number for number, name in enumerate(names)}
        self._starts = np.array(starts, dtype=np.int64)
        self._sizes = np.diff(np.append(self._starts, len(self._texts)))
        self._entry_of = np.repeat(np.arange(len(names)), self._sizes)
        self._whole = _unique(np.array(hashes, dtype=np.uint64), self._entry_of)
        self._negated = np.array(negated, dtype=bool)
        self._denies = self._share_of(self._negated)
        self._asks = [self._share_of(np.array(asks, dtype=np.int8) == kind) for kind in range(len(ASKS))]
        self._grams = Postings(grams)
        self._words = Postings(words)
        self._longest = COMMON if len(self._texts) > 2 * COMMON else None
        self._weigh()
        self._head = self._trained()

    # --- made once ---

    def _share_of(self, examples: NDArray[np.bool_]) -> Floats:
        """Which part of each entry's examples it is."""
        counts = np.bincount(self._entry_of, examples, minlength=len(self.names))
        return np.asarray(counts / self._sizes, dtype=np.float32)

    def _weigh(self) -> None:
        grams, words, total = self._grams, self._words, len(self._texts)
        counts = np.diff(grams.starts)
        self._rarity = (np.log((1 + total) / (1 + counts)) + 1).astype(np.float32)
        self._rarest = float(math.log(1 + total) + 1)
        grams.weights = np.sqrt(grams.weights) * grams.spread(self._rarity)
        length = np.sqrt(np.bincount(grams.rows, grams.weights**2, minlength=total)).astype(np.float32)
        grams.weights = grams.weights / length[grams.rows]
        self._width = self._centre_lengths()

        entries = len(self.names)
        held = np.diff(words.starts)
        self._worth = np.log(1 + (entries - held + 0.5) / (held + 0.5)).astype(np.float32)
        self._worthiest = float(math.log(1 + (entries + 0.5) / 0.5))
        sizes = np.bincount(words.rows, words.weights, minlength=entries)
        usual = K1 * (1 - B + B * sizes / max(float(sizes.mean()) if entries else 1.0, 1e-9))
        tf = words.weights
        words.weights = (words.spread(self._worth) * tf * (K1 + 1) / (tf + usual[words.rows])).astype(np.float32)

    def _centre_lengths(self) -> Floats:
        """The length of the sum of each entry's examples: dividing by it makes a sum of cosines the centre's cosine."""
        grams = self._grams
        of = self._entry_of[grams.rows]
        keys = np.repeat(np.arange(len(grams.keys)), np.diff(grams.starts))
        pairs = keys * max(len(self.names), 1) + of
        firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
        sums = np.add.reduceat(grams.weights, firsts) if len(firsts) else grams.weights
        squares = np.bincount(of[firsts], sums**2, minlength=len(self.names))
        return np.sqrt(np.maximum(squares, 1e-9)).astype(np.float32)

    def _trained(self) -> Floats | None:
        if not head.worth_it(len(self.names), len(self._texts)):
            return None
        return head.train(self._grams, self._entry_of, len(self.names))

    # --- asked with every text ---

    def exact(self, compact: str) -> str:
        """The one entry that has this text as an example (letters and digits alone), or an empty text."""
        hashes, owners = self._whole
        wanted = np.uint64(_hash(compact))
        at = int(hashes.searchsorted(wanted))
        return self.names[owners[at]] if at < len(hashes) and hashes[at] == wanted else ""

    def nearest(self, utterance: Utterance, also: Sequence[str] = ()) -> list[Near]:
        """The nearest entries, best first; ``also`` names entries to be looked at in any case."""
        said = self._compare(utterance)
        if said is None:
            return []
        count = min(NEAREST, len(self.names))
        top = (-said.order).argpartition(count - 1)[:count]
        places = [int(place) for place in sorted(top, key=lambda at: (-said.order[at], at)) if said.best[place] > FAR]
        places += [self._place[name] for name in also if name in self._place and self._place[name] not in places]
        words = _Words(self, utterance, said)
        tops = _Tops(said, self._entry_of)
        overlap = self._overlap(utterance, said, places)
        return [self._near(place, utterance, said, words, tops, overlap) for place in places]

    def _overlap(self, utterance: Utterance, said: _Said, places: list[int]) -> Overlap:
        wanted = np.zeros(len(self._texts), dtype=bool)
        for place in places:
            wanted[self._starts[place] : self._starts[place] + self._sizes[place]] = True
        rarest, longest = self._rarest, self._longest
        return Overlap(utterance, said.vector, self._grams, said.hits, wanted, rarest=rarest, longest=longest)

    def _compare(self, utterance: Utterance) -> _Said | None:
        vector = self._vector(utterance.features)
        keys, weights = vector.places, vector.weights
        if not len(keys):
            return None
        total, entries = len(self._texts), len(self.names)
        hits = self._grams.hits(keys, self._longest)
        cosines = np.bincount(hits.rows, hits.weights * weights[hits.which], minlength=total).astype(np.float32)
        best: Floats = np.maximum.reduceat(cosines, self._starts)
        alike = np.where(self._negated == utterance.negated, cosines, np.float32(0))
        same: Floats = np.maximum.reduceat(alike, self._starts)
        centre: Floats = (np.add.reduceat(cosines, self._starts) / self._width).astype(np.float32)
        near: Floats = np.float32(0.6) * best + np.float32(0.4) * centre
        order = near if self._head is None else weights @ self._head[keys] + np.float32(NEARNESS) * near
        terms = self._words.numbers(keys_of(utterance.terms))
        found = self._words.hits(terms[terms >= 0])
        bm25 = np.bincount(found.rows, found.weights, minlength=entries).astype(np.float32)
        asks = self._asks[ASKS.index(utterance.asks)]
        return _Said(cosines, best, same, centre, order, bm25, asks, vector, hits, terms, found)

    def _vector(self, features: Mapping[str, float]) -> Vector:
        places = self._grams.numbers(keys_of(features))
        counts = np.sqrt(np.fromiter(features.values(), np.float32, len(features)))
        is_known = places >= 0
        places = places[is_known]
        weights = counts[is_known] * self._rarity[places]
        mass = float(weights @ weights)
        unknown = counts[~is_known]
        strange = float(unknown @ unknown) * self._rarest**2
        length = np.float32(math.sqrt(mass) or 1.0)
        return Vector(is_known, places, weights / length, mass, mass / (mass + strange) if mass else 0.0)

    def _near(
        self, place: int, utterance: Utterance, said: _Said, words: _Words, tops: _Tops, overlap: Overlap
    ) -> Near:
        begin, size = int(self._starts[place]), int(self._sizes[place])
        own = slice(begin, begin + size)
        row = begin + int(said.cosines[own].argmax())
        shared = overlap.of(begin, said.cosines[own])
        best, same, centre = float(said.best[place]), float(said.same[place]), float(said.centre[place])
        known, strangest, unmatched = words.of(place)
        signals = Signals(
            head=float(said.order[place]),
            head_margin=tops.order.lead(place, said.order),
            best=best,
            best_margin=tops.best.lead(place, said.best),
            centre=centre,
            centre_margin=tops.centre.lead(place, said.centre),
            fit=centre * size / float(self._width[place]),
            back=shared.back,
            echo=shared.echo,
            whole=shared.whole,
            told=shared.told,
            pairs=shared.pairs,
            bm25=float(said.bm25[place]) / words.most,
            bm25_margin=tops.bm25.lead(place, said.bm25) / words.most,
            share=tops.votes.count(place) / len(tops.votes),
            known=known,
            seen=said.vector.seen,
            strangest=strangest,
            agreement=(tops.order.first(place) + tops.best.first(place) + tops.bm25.first(place)) / 3,
            polarity=float(self._denies[place] if utterance.negated else 1 - self._denies[place]),
            asks=float(said.asks[place]),
            style=shared.style,
            length=math.log1p(utterance.units),
        )
        score = min(1.0, 0.6 * same + 0.4 * centre)
        return Near(self.names[place], score, same, unmatched, self._texts[row], signals)


class _Top:
    """The two highest values of an order, to tell any entry's lead over the best other one."""

    def __init__(self, values: Floats) -> None:
        self._first = int(values.argmax())
        second = np.partition(values, -2)[-2] if len(values) > 1 else 0.0
        self._values = (float(values[self._first]), float(second))

    def first(self, place: int) -> bool:
        return place == self._first

    def lead(self, place: int, values: Floats) -> float:
        return float(values[place]) - self._values[1 if place == self._first else 0]


class _Tops:
    def __init__(self, said: _Said, entry_of: Ints) -> None:
        self.order, self.best, self.centre, self.bm25 = map(_Top, (said.order, said.best, said.centre, said.bm25))
        count = min(VOTES, len(said.cosines))
        rows = (-said.cosines).argpartition(count - 1)[:count]
        self.votes: list[int] = entry_of[rows[said.cosines[rows] > 0]].tolist() or [-1]


class _Words:
    """The text's words against the entries' vocabularies."""

    def __init__(self, index: Index, utterance: Utterance, said: _Said) -> None:
        content = set(utterance.content)
        self._found = said.found
        self._known = np.flatnonzero(said.terms >= 0)
        if len(said.terms):
            self._worth = np.where(said.terms >= 0, index._worth[said.terms], index._worthiest).astype(np.float64)
        else:
            self._worth = np.zeros(0)
        is_content = [term in content for term in utterance.terms]
        is_strange = [each or term == NUMBER for each, term in zip(is_content, utterance.terms)]
        self._content = np.where(is_content, self._worth, 0.0)
        self._strange = np.where(is_strange, self._worth, 0.0)
        self._total, self._all_content = float(self._worth.sum()), float(self._content.sum())
        self._rarest = index._worthiest
        self.most = self._total * (K1 + 1) or 1.0

    def of(self, place: int) -> tuple[float, float, float]:
        """The share of the words' worth that the entry has, the worth of the rarest content word it has not, and the
        share of the content words' worth that it has not."""
        if not self._total:
            return 0.0, 1.0, 1.0
        missing = np.ones(len(self._worth))
        missing[self._known[self._found.which[self._found.rows == place]]] = 0.0
        strangest = min(1.0, float((missing * self._strange).max()) / self._rarest)
        lacking = float(missing @ self._content) / self._all_content if self._all_content else 1.0
        return 1 - float(missing @ self._worth) / self._total, strangest, lacking


def _distinct(texts: Iterable[str], table: Fold) -> Iterable[Utterance]:
    """What folds to the same text (traditional and simplified) counts once."""
    seen: set[str] = set()
    for text in texts:
        said = Utterance(text, table)
        if said.folded not in seen:
            seen.add(said.folded)
            yield said


def _hash(compact: str) -> int:
    return int.from_bytes(hashlib.blake2b(compact.encode(), digest_size=8).digest(), "big") if compact else 0


def _unique(hashes: Keys, owners: Ints) -> tuple[Keys, Ints]:
    """What two entries both have as an example decides nothing and is left out; so is the empty text."""
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    first = np.flatnonzero(np.diff(hashes, prepend=np.uint64(0)) != 0)
    ends = np.append(first[1:], len(hashes))
    alone = np.array([owners[a:b].min() == owners[a:b].max() for a, b in zip(first, ends)], dtype=bool)
    return hashes[first[alone]], owners[first[alone]]
