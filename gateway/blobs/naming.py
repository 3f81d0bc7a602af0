"""What files are called: the name that people read, and the names under which their bytes lie."""

from __future__ import annotations

import re
import unicodedata

from gateway.store.base import NotFound

#: Longest display name in characters.
MAX_NAME = 120
#: What is about to be swept away has a name that begins so, and ends with what makes it the only one.
SWEPT = "swept/"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLACED = re.compile(r"(?:swept/([0-9a-f]{64}|[0-9a-f]{96})\.[0-9a-f]{16}|([0-9a-f]{2})/([0-9a-f]{62}|[0-9a-f]{94}))")


def display_name(name: str) -> str:
    """A name that is only a name: no folders, no control or direction characters, at most :data:`MAX_NAME` long."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    shown = shown.strip().lstrip(".").strip()
    if len(shown) > MAX_NAME:
        stem, dot, suffix = shown.rpartition(".")
        keep = dot + suffix if stem and len(suffix) <= 10 else ""
        shown = shown[: MAX_NAME - len(keep)] + keep
    return shown or "file"


def checked(digest: str) -> str:
    """The digest. Raises :class:`NotFound` for what is no sha256 in hex, so that it can never be a path."""
    if not _DIGEST.fullmatch(digest):
        raise NotFound("not a digest")
    return digest


def placed(word: str) -> str:
    """The name in a place of the file that is known there as ``word`` (its digest, or what stands for it)."""
    return f"{word[:2]}/{word[2:]}"


def word_of(name: str) -> str:
    """What a name in a place was made from, empty for what is none of ours."""
    found = _PLACED.fullmatch(name)
    return "" if found is None else found[1] or found[2] + found[3]
