"""Covers identity and bank card numbers wherever text is shown, logged or passed on; the sealed original keeps them."""

from __future__ import annotations

import re
import unicodedata

from normalizer.entities.identity import suspect

_D = r"[\d²³¹\u2070-\u2089\u2460-\u249b]"
#: Where this finds nothing no guarded number can stand, whatever its digits and its gaps look like; it is quick to ask.
_LIKELY = re.compile(
    rf"(?:{_D}[\W_]{{0,4}}){{12}}(?:{_D}|[XxＸｘ])|[A-Za-zＡ-Ｚａ-ｚ][\W_]{{0,2}}[A-Za-zＡ-Ｚａ-ｚ][\W_]{{0,2}}{_D}[\W_]{{0,2}}{_D}(?:[\W_]{{0,3}}[^\W_]){{9}}"
)
_CHAR = re.compile(r"[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]")

#: Characters left readable at the end, so that the owner recognises it.
SHOWN = 4


def mask(text: str) -> str:
    """``text`` with guarded numbers covered but for their end (``**** **** **** 1234``); the length stays."""
    if not _LIKELY.search(text):
        return text
    if text.isascii():
        return _covered(text, text.lower(), range(len(text)))
    plain, places = _evened(text)
    return _covered(text, plain, places)


def mask_plain(raw: str, plain: str) -> str:
    """As :func:`mask`, for a text whose folded form is at hand."""
    if not _LIKELY.search(plain):
        return raw
    return _covered(raw, plain, range(len(raw))) if len(raw) == len(plain) else mask(raw)


def _covered(raw: str, plain: str, places: range | list[int]) -> str:
    for start, end in suspect(plain):
        first, last = places[start], places[end - SHOWN]
        raw = raw[:first] + _CHAR.sub("*", raw[first:last]) + raw[last:]
    return raw


def _evened(text: str) -> tuple[str, list[int]]:
    """Wide digits and letters made plain, invisible characters left out; with the place of each character kept."""
    kept: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if unicodedata.category(char) == "Cf":
            continue
        folded = unicodedata.normalize("NFKC", char).lower()
        kept.append(folded if len(folded) == 1 else char)
        places.append(place)
    return "".join(kept), places
