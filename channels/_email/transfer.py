"""Content-Transfer-Encoding undone, also when it is broken or a lie."""

from __future__ import annotations

import base64
import binascii
import quopri
import re

_ALPHABET = re.compile(rb"[^A-Za-z0-9+/=]")
#: Padded pieces glued together; more is an attack.
_MAX_PIECES = 1000
_UU = re.compile(rb"(?m)^begin ([0-7]{3,4}) ([^\r\n]{1,255})\r?\n")
_UU_LINE = re.compile(rb"[\x20-\x60]{1,62}\r?\n")


def decode(data: bytes, encoding: str) -> bytes:
    """The bytes behind a transfer encoding; unknown names mean the bytes as they are."""
    name = re.sub(r"[^a-z0-9-]", "", encoding.lower().split(";")[0].replace("_", "-"))
    if name == "base64":
        return unbase64(data)
    if name == "quoted-printable":
        return unquote(data)
    if name in ("x-uuencode", "uuencode", "uue", "x-uue"):
        files = list(uu_files(data))
        return files[0][1] if files else _uu_lines(data, 0)[0] or data
    return data


def unbase64(data: bytes) -> bytes:
    """Base64 with line breaks, missing padding, several padded pieces, or text glued behind it."""
    try:
        return base64.b64decode(data.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        pass
    clean = bytearray()
    for line in data.splitlines():
        line = line.translate(None, b" \t")
        if _ALPHABET.search(line):
            if clean and b"=" not in clean[-2:] and len(line) > 60 and len(_ALPHABET.findall(line)) < 4:
                line = _ALPHABET.sub(b"", line)  # one damaged line in the middle
            else:
                break  # a footer that a list server put behind the base64
        clean += line
    if not clean:
        return data if _ALPHABET.search(data.translate(None, b" \t\r\n")) else b""
    if clean.count(b"=") > _MAX_PIECES:
        return loose(bytes(clean))
    return b"".join(loose(piece) for piece in re.split(rb"(?<==)(?=[A-Za-z0-9+/])", bytes(clean)))


def loose(data: bytes) -> bytes:
    """One base64 piece: foreign characters dropped, padding mended, a lone last letter cut."""
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    if len(data) % 4 == 1:
        data = data[:-1]
    return base64.b64decode(data + b"=" * (-len(data) % 4))


def unquote(data: bytes) -> bytes:
    """Quoted-printable; a ``=`` that starts nothing stays as it is."""
    return quopri.decodestring(data)


def uu_files(data: bytes) -> list[tuple[str, bytes, int, int]]:
    """The uuencoded files in a text: name, bytes, and where each begins and ends."""
    found: list[tuple[str, bytes, int, int]] = []
    at = 0
    while len(found) < 50 and (start := _UU.search(data, at)):
        out, at = _uu_lines(data, start.end())
        end = re.compile(rb"(?:`?[ \t]*\r?\n)?end[ \t]*(?:\r?\n|$)").match(data, at)
        if end and out:
            at = end.end()
            found.append((start.group(2).decode("latin-1").strip(), out, start.start(), at))
    return found


def _uu_lines(data: bytes, at: int) -> tuple[bytes, int]:
    """The bytes of the uuencoded lines from ``at`` on, and where they end."""
    out = bytearray()
    while line := _UU_LINE.match(data, at):
        coded = line.group().rstrip(b"\r\n")
        if coded in (b"end", b"`"):
            break
        try:
            out += binascii.a2b_uu(coded)
        except binascii.Error:
            break
        at = line.end()
    return bytes(out), at
