"""File names of attachments: declared in every way, made safe, or made up."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
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
    name = re.sub(r"\s+", " ", _UNSAFE.sub("_", name)).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 12:
        stem, dot, suffix = name, "", ""
    while len((stem + dot + suffix).encode("utf-8", "replace")) > 200:
        stem = stem[:-1]
    return stem + dot + suffix


def made_up(number: int, type_: str) -> str:
    """A name for a part that came without one."""
    suffix = {"image/jpg": ".jpg", "image/jpeg": ".jpg", "text/plain": ".txt", "message/rfc822": ".eml"}.get(type_)
    return f"part-{number}{suffix or mimetypes.guess_extension(type_, strict=False) or '.bin'}"


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
