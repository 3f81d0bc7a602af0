"""Address headers: split on the raw bytes first, names decoded after, so an encoded word never becomes an address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from channels._email import words
from channels._email.mail import Address

#: Enough for any mail that people write; the rest of a flood is not read.
MAX_BYTES = 20_000
MAX_ADDRESSES = 200

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|\(((?:[^()\\]|\\.)*)\)|<([^<>]*)>|([,;:])|([^",;:()<>]+)|(.)', re.S)
_WORD = re.compile(r"=\?[^?\s]*\?[^?]*\?[^?]*\?=")
_BARE = re.compile(r"[^\s<>,;:\"()\[\]]+@[^\s<>,;:\"()]+")


def parse(values: Iterable[bytes], hint: str = "") -> tuple[Address, ...]:
    """All addresses of the values of one header field, in order, broken ones as far as they can be read."""
    out: list[Address] = []
    for value in values:
        line = words.unfold(value[:MAX_BYTES]).decode("latin-1")
        for address in _split(line, hint):
            out.append(address)
            if len(out) >= MAX_ADDRESSES:
                return tuple(out)
    return tuple(out)


def _split(line: str, hint: str) -> Iterator[Address]:
    """Walk the tokens; an address ends at a comma or semicolon outside quotes, comments and brackets."""
    phrase: list[str] = []
    comment = angle = ""
    for quoted, paren, inner, mark, loose, other in _TOKEN.findall(line):
        if mark in (",", ";") and (angle or _has_address(phrase)):
            yield from _address(phrase, comment, angle, hint)
            phrase, comment, angle = [], "", ""
        elif mark == ",":
            phrase.append(",")  # a comma inside an unquoted name
        elif mark in (":", ";"):
            phrase = []  # the name of a group
        elif inner and ("@" in inner or not angle):
            angle = angle or inner.strip()
        elif paren:
            comment = comment or paren
        elif quoted:
            phrase.append(re.sub(r"\\(.)", r"\1", quoted))
        elif loose or other:
            phrase.append(loose or other)
    yield from _address(phrase, comment, angle, hint)


def _has_address(phrase: list[str]) -> bool:
    return any("@" in piece for piece in phrase) and bool(_BARE.search(_WORD.sub("", " ".join(phrase))))


def _address(phrase: list[str], comment: str, angle: str, hint: str) -> Iterator[Address]:
    name = " ".join(p.strip() for p in phrase if p.strip()).replace(" ,", ",").strip(" ,<>")
    email = re.sub(r"\s", "", angle.removeprefix("mailto:"))
    if "@" not in email:
        found = _BARE.findall(_WORD.sub(" ", name)) if "@" in name else []
        if found:
            email = found[-1]
            name = name.replace(email, "").strip() or comment
        elif angle and not _WORD.search(angle) and re.fullmatch(r"[\w.+-]+", angle):
            email = angle
        else:
            return
    name = _text(name or comment, hint)
    email = (
        _text(email, hint).replace('"', "").strip("'.,;<>")
        if not email.endswith(".")
        else _text(email, hint).strip("'\"<>")
    )
    yield Address(name="" if name.strip("'\"") == email else name.strip("'\" "), email=email)


def _text(value: str, hint: str) -> str:
    return words.header(value.encode("latin-1"), hint)
