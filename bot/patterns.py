"""The rule key of an entry: groups of words that must, may or must not be in the text.

A word is matched whole where it is Latin, anywhere where it is Han. ``*`` at the end of a Latin word stands for any
ending (``refund*``), between two parts for a gap of at most :data:`GAP` characters (``什么时候*到``). There is no
backtracking: one Aho-Corasick pass finds the words of all entries at once, so time grows with the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, MatchKind

from bot.words import Utterance
from normalizer.text import Fold, Text

#: Characters that a ``*`` between two parts may stand for.
GAP = 12
MAX_WORD = 60
MAX_PARTS = 4

_LATIN = re.compile(r"[a-z0-9]")
_BLANKS = re.compile(r"\s+")


class PatternError(ValueError):
    """A word of a pattern cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a pattern: its literal parts in order, and whether its ends must be word boundaries."""

    parts: tuple[str, ...]
    left: bool
    right: bool

    def at(self, text: str, start: int, end: int) -> bool:
        """Whether the word stands where its first part was found."""
        if self.left and start and _LATIN.match(text[start - 1]):
            return False
        for part in self.parts[1:]:
            found = text.find(part, end, end + GAP + len(part))
            if found < 0:
                return False
            end = found + len(part)
        return not (self.right and end < len(text) and _LATIN.match(text[end]))


def word(source: str, table: Fold) -> Word:
    """Read one word. Raises :class:`PatternError` where it is empty, too long or matches everything."""
    text = _BLANKS.sub(" ", Text(source, table).plain).strip()
    if len(text) > MAX_WORD:
        raise PatternError(f"`{source[:20]}…` is longer than {MAX_WORD} characters")
    parts = tuple(part.strip() for part in text.split("*") if part.strip())
    if not parts:
        raise PatternError(f"`{source}` matches everything")
    if len(parts) > MAX_PARTS:
        raise PatternError(f"`{source}` has more than {MAX_PARTS} parts")
    if any(len(part) < 2 and _LATIN.match(part) for part in parts):
        raise PatternError(f"`{source}` has a part of one Latin letter")
    left = not text.startswith("*") and bool(_LATIN.match(parts[0][0]))
    right = not text.endswith("*") and bool(_LATIN.match(parts[-1][-1]))
    return Word(parts, left, right)


@dataclass(frozen=True, slots=True)
class Pattern:
    """``owner`` matches when every group of ``all`` has a word in the text and no word of ``none`` has; or when the
    message is one of ``whole``."""

    owner: str
    all: tuple[tuple[Word, ...], ...] = ()
    none: tuple[Word, ...] = ()
    whole: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a text found: owners that fired, and whether any word of any pattern was seen."""

    fired: frozenset[str]
    touched: bool


class Matcher:
    """All patterns of a knowledge base as one automaton."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._need = [(1 << len(pattern.all)) - 1 for pattern in patterns]
        self._words: list[list[tuple[Word, int]]] = []
        self._uses: list[list[tuple[int, int]]] = []
        self._whole: dict[str, set[str]] = {}
        literals: dict[str, int] = {}
        ids: dict[Word, int] = {}
        for number, pattern in enumerate(self._patterns):
            for phrase in pattern.whole:
                self._whole.setdefault(phrase, set()).add(pattern.owner)
            for bit, group in enumerate(pattern.all):
                self._use(group, number, 1 << bit, literals, ids)
            self._use(pattern.none, number, 0, literals, ids)
        self._automaton = AhoCorasick(list(literals), matchkind=MatchKind.Standard) if literals else None

    def _use(
        self, group: Iterable[Word], number: int, bit: int, literals: dict[str, int], ids: dict[Word, int]
    ) -> None:
        for item in group:
            if item not in ids:
                ids[item] = len(self._uses)
                self._uses.append([])
                literal = literals.setdefault(item.parts[0], len(literals))
                if literal == len(self._words):
                    self._words.append([])
                self._words[literal].append((item, ids[item]))
            self._uses[ids[item]].append((number, bit))

    def scan(self, utterance: Utterance) -> Scan:
        fired = set(self._whole.get(utterance.compact, ()))
        masks = self._masks(utterance.folded)
        for number, mask in masks.items():
            if mask == self._need[number] and mask > 0:
                fired.add(self._patterns[number].owner)
        return Scan(frozenset(fired), bool(masks))

    def _masks(self, text: str) -> dict[int, int]:
        """Pattern number → bits of its groups that have a word; -1 where a forbidden word was seen."""
        masks: dict[int, int] = {}
        if self._automaton is None:
            return masks
        seen: set[int] = set()
        for literal, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            for item, number in self._words[literal]:
                if number in seen or not item.at(text, start, end):
                    continue
                seen.add(number)
                for pattern, bit in self._uses[number]:
                    masks[pattern] = -1 if bit == 0 or masks.get(pattern) == -1 else masks.get(pattern, 0) | bit
        return masks


def whole(source: str, table: Fold) -> str:
    """A phrase as :attr:`bot.words.Utterance.compact` shows it."""
    return Utterance(source, table).compact
