"""File names of attachments: declared in every way, made safe, or made up."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from channels._email import charsets, words
from channels._email.mime import Headers

#: Parameters as they come: RFC 2231 pieces (``name*0*=``), quoted, or bare up to the next ``;``.
_PARAM = re.compile(
    rb';[ \t\r\n]*([\w-]{1,40})(?:\*(\d{1,3}))?(\*)?[ \t]*=[ \t\r\n]*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^;]*))', re.S
)
_UNSAFE = re.compile('[\x00-\x1f\x7f<>:"|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]')


def declared(headers: Headers, hint: str = "") -> str:
    """The name that the sender gave, cleaned, or empty. ``hint`` is the mail's charset for raw 8-bit names."""
    for field, key in (("content-disposition", b"filename"), ("content-type", b"name")):
        name = _parameter(headers.first(field), key, hint)
        if name:
            return clean(name)
    return ""


def clean(name: str) -> str:
    """A name that is only a name: no folders, no control or direction characters, at most 200 bytes."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = _UNSAFE.sub("_", re.sub(r"[\t\r\n]+", " ", name)).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 12:
        stem, dot, suffix = name, "", ""
    while len((stem + dot + suffix).encode("utf-8", "replace")) > 200:
        stem = stem[:-1]
    return stem + dot + suffix


_SUFFIX = {
    "image/jpg": ".jpg",
    "image/jpeg": ".jpg",
    "text/plain": ".txt",
    "message/rfc822": ".eml",
    "message/delivery-status": ".txt",
    "text/rfc822-headers": ".txt",
    "text/calendar": ".ics",
    "video/quicktime": ".mov",
    "application/ms-tnef": ".dat",
}


def made_up(type_: str, content_id: str, taken: Collection[str]) -> str:
    """A name for a part that came without one: its Content-ID where that looks like a name, else what it is.

    ``taken`` are the names already given in this mail.
    """
    local = content_id.partition("@")[0]
    if re.fullmatch(r"[\w-]{1,60}\.[A-Za-z]\w{1,4}", local) and local not in taken:
        return local
    family = type_.partition("/")[0]
    stem = family if family in ("image", "video", "audio", "message") else "document"
    suffix = _SUFFIX.get(type_) or mimetypes.guess_extension(type_, strict=False) or ".bin"
    names = (f"{stem}{number or ''}{suffix}" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _parameter(value: bytes, key: bytes, hint: str) -> str:
    value = words.unfold(value)
    pieces: dict[int, tuple[bytes, bool]] = {}
    plain = extended = None
    for found in _PARAM.finditer(value):
        name, number, star, quoted, bare = found.groups()
        if name.lower() != key:
            continue
        text = re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else bare.strip()
        if number is not None:
            pieces[int(number)] = (text, bool(star))
        elif star:
            extended = text
        elif plain is None:
            plain = text
    if extended is not None:
        return _extended(extended, hint)
    if pieces:
        return _continued(pieces, hint)
    return words.text(plain, hint) if plain else ""


def _extended(text: bytes, hint: str) -> str:
    if text.count(b"'") >= 2:
        label, _, coded = text.split(b"'", 2)
        return charsets.decode(unquote_to_bytes(coded), label.decode("latin-1") or "utf-8")
    return words.text(unquote_to_bytes(text), hint)


def _continued(pieces: dict[int, tuple[bytes, bool]], hint: str) -> str:
    label = ""
    out = bytearray()
    for position, number in enumerate(sorted(pieces)):
        text, coded = pieces[number]
        if position == 0 and coded and text.count(b"'") >= 2:
            charset, _, text = text.split(b"'", 2)
            label = charset.decode("latin-1")
        out += unquote_to_bytes(text) if coded else text
    return charsets.decode(bytes(out), label) if label else words.text(bytes(out), hint)
