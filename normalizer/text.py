"""A message in one form for matching, with the way back to the text as the customer wrote it.

Folding: Unicode NFKC, lower case, traditional characters to simplified ones, zero-width and direction
characters removed, single spaced Chinese characters joined ("退 款"). Every later rule works on the folded
text; every span that leaves the normalizer is an offset into the raw one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

#: Longest text that is looked at, in characters; the rest of a message is kept but not read.
MAX_TEXT = 20_000

#: Folded characters kept in memory; more than any honest set of languages needs.
_MAX_TABLE = 40_000

#: Stands for a character that does not fold to exactly one: the text then takes the slow way.
_UNEVEN = "\ue000"

_SPACED_HAN = re.compile(r"(?<![\u3400-\u9fff])[\u3400-\u9fff](?: [\u3400-\u9fff](?![\u3400-\u9fff]))+", re.UNICODE)


class Fold(dict[int, str]):
    """Folds single characters, for ``str.translate``; it fills itself as characters are met."""

    def __init__(self, simplified: Mapping[str, str]) -> None:
        super().__init__()
        self._simplified = dict(simplified)

    def __missing__(self, code: int) -> str:
        folded = self.character(chr(code))
        value = folded if len(folded) == 1 and not unicodedata.combining(chr(code)) else _UNEVEN
        if len(self) < _MAX_TABLE:
            self[code] = value
        return value

    def character(self, char: str) -> str:
        """What one character becomes: one, several or none."""
        if "\ud800" <= char <= "\udfff":
            return "\ufffd"  # half a surrogate pair: no encoding takes it
        if char in "\n\t ，":  # a full-width comma parts a list, a plain one may group digits
            return char
        category = unicodedata.category(char)
        if category in ("Cf", "Cc", "Cs") or "\ufe00" <= char <= "\ufe0f":
            return "" if category != "Cc" or char == "\x00" else " "
        folded = unicodedata.normalize("NFKC", char).lower()
        return "".join(self._simplified.get(c, c) for c in folded)


class Text:
    """A message folded. ``raw`` is what was written (capped), ``plain`` the form that rules match."""

    __slots__ = ("_ends", "_starts", "plain", "raw")

    def __init__(self, raw: str, fold: Fold) -> None:
        self.raw = raw if len(raw) <= MAX_TEXT else raw[:MAX_TEXT]
        self._starts: list[int] | None = None
        self._ends: list[int] | None = None
        self.plain = self.raw.lower() if self.raw.isascii() and self.raw.isprintable() else self._folded(fold)
        if " " in self.plain and not self.plain.isascii():
            self._join_spaced()

    def _folded(self, fold: Fold) -> str:
        plain = self.raw.translate(fold)
        if _UNEVEN not in plain:
            return plain
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for start, end in _clusters(self.raw):
            cluster = self.raw[start:end]
            folded = "".join(map(fold.character, cluster if end - start == 1 else _composed(cluster)))
            parts.append(folded)
            starts.extend([start] * len(folded))
            ends.extend([end] * len(folded))
        self._starts, self._ends = starts, ends
        return "".join(parts)

    def _join_spaced(self) -> None:
        if not _SPACED_HAN.search(self.plain):
            return
        gone = {i for m in _SPACED_HAN.finditer(self.plain) for i in range(*m.span()) if self.plain[i] == " "}
        keep = [i for i in range(len(self.plain)) if i not in gone]
        starts, ends = self._starts, self._ends
        self._starts = [starts[i] if starts else i for i in keep]
        self._ends = [ends[i] if ends else i + 1 for i in keep]
        self.plain = "".join(self.plain[i] for i in keep)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in ``raw`` of ``plain[start:end]``; ``start`` < ``end``."""
        if self._starts is None or self._ends is None:
            return start, end
        return self._starts[start], self._ends[end - 1]

    def quote(self, start: int, end: int) -> str:
        """What the customer wrote at ``plain[start:end]``."""
        start, end = self.span(start, end)
        return self.raw[start:end]


def _clusters(raw: str) -> list[tuple[int, int]]:
    """Each character with the combining marks that follow it (at most four: more is decoration)."""
    found: list[tuple[int, int]] = []
    for i, char in enumerate(raw):
        if found and char > "\u02ff" and unicodedata.combining(char) and i - found[-1][0] < 5:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return found


def _composed(cluster: str) -> str:
    """A base character with its marks, as one character where Unicode has one; other marks stay off."""
    whole = unicodedata.normalize("NFKC", cluster)
    return whole if len(whole) == 1 else "".join(c for c in whole if not unicodedata.combining(c))
