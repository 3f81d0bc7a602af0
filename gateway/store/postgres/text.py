"""Strings from outside: PostgreSQL's TEXT holds every character but NUL, and customers and platforms send that, too.

Bodies are BYTEA and keep all. A column that is only shown takes :func:`shown`; one that is looked up, compared or given
back takes :func:`kept`, and :func:`back` where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NUL = "\x00"
#: Not a character, so it stands in no text of a person; where it does, it is written as two.
_ESCAPE = "\ufdd0"


def shown(text: str) -> str:
    """The text with a sign in place of each NUL."""
    return text.replace(NUL, "\ufffd") if NUL in text else text


def kept(text: str) -> str:
    """The text in other characters where it has a NUL: different texts stay different."""
    if NUL not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, _ESCAPE + "1").replace(NUL, _ESCAPE + "0")


def back(text: str) -> str:
    """What :func:`kept` was given."""
    if _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE + "0", NUL).replace(_ESCAPE + "1", _ESCAPE)


def all_kept(texts: Iterable[str]) -> list[str]:
    """As :func:`kept`, for an array."""
    return [kept(text) for text in texts]


def read(row: Iterable[Any]) -> list[Any]:
    """A row with its texts as they were given."""
    return [back(value) if isinstance(value, str) else value for value in row]
