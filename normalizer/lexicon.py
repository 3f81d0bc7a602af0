"""All lexicons in one automaton: one pass over a message finds every word of every list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import ahocorasick_rs

#: Matches looked at in one message; a text with more is hostile or not prose.
MAX_HITS = 4_000


class Word(NamedTuple):
    """A word of a lexicon: where it counts, as what, how much. An empty label shields: it hides what it covers."""

    lexicon: str
    label: str
    weight: float
    rule: str


class Hit(NamedTuple):
    """A word found at ``plain[start:end]``."""

    start: int
    end: int
    label: str
    weight: float
    rule: str


#: Signs that make digits after them part of a longer number.
_JOINS = "-_/#."

#: Makes a Hit without the detour over its signature: a long text has thousands.
_new = tuple.__new__

Hits = Mapping[str, list[Hit]]


class Automaton:
    """Every term with the lexicons it belongs to.

    A term in Latin letters matches whole words only; one that ends in ``*`` also the words that begin with it.
    Inside one lexicon the longest match wins, so "不满意" hides "满意".
    """

    def __init__(self, terms: Mapping[str, Iterable[Word]]) -> None:
        self._terms: list[tuple[bool, bool, bool, tuple[Word, ...]]] = []
        needles = []
        for term, words in terms.items():
            needle = term.rstrip("*")
            needles.append(needle)
            self._terms.append((_letter(needle[0]), _letter(needle[-1]), term != needle, tuple(words)))
        self._search = ahocorasick_rs.AhoCorasick(needles).find_matches_as_indexes

    def scan(self, plain: str) -> dict[str, list[Hit]]:
        """The words in a folded text, by lexicon, in order, none inside another of the same lexicon."""
        found: dict[str, list[Hit]] = {}
        size = len(plain)
        for index, start, end in self._search(plain, overlapping=True)[:MAX_HITS]:
            left, right, open_end, words = self._terms[index]
            if (
                left
                and start
                and (_letter(plain[start - 1]) or (plain[start - 1] in _JOINS and plain[start].isdigit()))
            ):
                continue
            if right and end < size and _letter(plain[end]):
                if not open_end:
                    continue
                while end < size and _letter(plain[end]):
                    end += 1
            for lexicon, label, weight, rule in words:
                hit = _new(Hit, (start, end, label, weight, rule))
                if lexicon in found:
                    found[lexicon].append(hit)
                else:
                    found[lexicon] = [hit]
        for lexicon, hits in found.items():
            found[lexicon] = _longest(hits)
        return found


def _letter(char: str) -> bool:
    """A letter of a script that separates words by spaces, or a digit."""
    return char.isalnum() and (char < "\u0e00" or "\u1e00" <= char < "\u2000")


def _longest(hits: list[Hit]) -> list[Hit]:
    """The longest of overlapping hits, the first where they cross; a shield hides whatever it touches but does not hold."""
    if len(hits) == 1:
        return hits if hits[0].label else []
    hits.sort(key=_by_place)
    kept: list[Hit] = []
    start = end = -1
    for hit in hits:
        if hit.start >= end or (hit.start, hit.end) == (start, end) or (not hit.label and hit.end > end):
            while not hit.label and kept and kept[-1].end > hit.start > kept[-1].start:
                kept.pop()
            kept.append(hit)
            start, end = hit.start, hit.end
    return [hit for hit in kept if hit.label]


def _by_place(hit: Hit) -> tuple[int, int]:
    return hit.start, -hit.end


def find(hits: Hits, lexicon: str, label: str) -> list[Hit]:
    """The hits of one label."""
    return [hit for hit in hits.get(lexicon, ()) if hit.label == label]
