"""Covers identity and bank card numbers wherever text is shown, logged or passed on; the sealed original keeps them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from normalizer.entities.identity import suspect

_D = r"[\d²³¹\u2070-\u2089\u2460-\u249b]"
#: Where this finds nothing no guarded number can stand, whatever its digits and its gaps look like; it is quick to ask.
_LIKELY = re.compile(
    rf"(?:{_D}[\W_]{{0,4}}){{12}}(?:{_D}|[XxＸｘ])|[A-Za-zＡ-Ｚａ-ｚ][\W_]{{0,2}}[A-Za-zＡ-Ｚａ-ｚ][\W_]{{0,2}}{_D}[\W_]{{0,2}}{_D}(?:[\W_]{{0,3}}[^\W_]){{9}}"
)
#: Without one of these nothing is likely; most texts have none.
_DIGIT = re.compile(_D)
_CHAR = re.compile(r"[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]")

#: Characters of which the plain form is kept in memory.
_MAX_TABLE = 20_000

#: Characters left readable at the end, so that the owner recognises it.
SHOWN = 4


def mask(text: str) -> str:
    """``text`` with guarded numbers covered but for their end (``**** **** **** 1234``); the length stays."""
    if not (_DIGIT.search(text) and _LIKELY.search(text)):
        return text
    if text.isascii():
        return _covered(text, text.lower(), range(len(text)))
    plain, places = _evened(text)
    return _covered(text, plain, places)


def mask_plain(raw: str, plain: str) -> str:
    """As :func:`mask`, for a text whose folded form is at hand."""
    if not (_DIGIT.search(plain) and _LIKELY.search(plain)):
        return raw
    return _covered(raw, plain, range(len(raw))) if len(raw) == len(plain) else mask(raw)


def _covered(raw: str, plain: str, places: Sequence[int]) -> str:
    for start, end in suspect(plain):
        first, last = places[start], places[end - SHOWN]
        raw = raw[:first] + _CHAR.sub("*", raw[first:last]) + raw[last:]
    return raw


class _Plain(dict[int, str]):
    """The plain form of single characters, for ``str.translate``; it fills itself as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = "" if unicodedata.category(char) == "Cf" else unicodedata.normalize("NFKC", char).lower()
        plain = folded if len(folded) <= 1 else char
        if len(self) < _MAX_TABLE:
            self[code] = plain
        return plain


_PLAIN = _Plain()


def _evened(text: str) -> tuple[str, Sequence[int]]:
    """Wide digits and letters made plain, invisible characters left out; with the place of each character kept."""
    plain = text.translate(_PLAIN)
    if len(plain) == len(text):
        return plain, range(len(text))
    return plain, [place for place, char in enumerate(text) if _PLAIN[ord(char)]]
