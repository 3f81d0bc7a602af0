"""Covers identity and bank card numbers wherever text is shown, logged or passed on; the sealed original keeps them."""

from __future__ import annotations

import re
import unicodedata

from normalizer.entities.identity import suspect

_CHAR = re.compile(r"[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]")

#: Characters left readable at the end, so that the owner recognises it.
SHOWN = 4


def mask(text: str) -> str:
    """``text`` with guarded numbers covered (``6222 **** **** 1234`` keeps the last four), same length."""
    if not any(char.isdigit() for char in text):
        return text
    return mask_plain(text, text.lower() if text.isascii() else _evened(text))


def mask_plain(raw: str, plain: str) -> str:
    """As :func:`mask`, for a text whose folded form is at hand."""
    if not any(map(plain.__contains__, "0123456789")):
        return raw
    if len(raw) != len(plain):
        plain = _evened(raw)
    for start, end in suspect(plain):
        raw = raw[:start] + _CHAR.sub("*", raw[start : end - SHOWN]) + raw[end - SHOWN :]
    return raw


def _evened(text: str) -> str:
    """Full-width digits and letters made plain, character by character, so that offsets stay."""
    folded = (unicodedata.normalize("NFKC", c).lower() for c in text)
    return "".join(f if len(f) == 1 else c for f, c in zip(folded, text))
