"""Header values: unfolding and encoded words (RFC 2047), as senders really write them."""

from __future__ import annotations

import re

from channels._email import charsets, transfer

#: Longer values are cut: no person writes them, and every later step costs time per byte.
MAX_VALUE = 64_000

#: Also the broken forms: blanks inside, a ``?`` inside Q text, no blank around, inside quotes, no end at all.
_WORD = re.compile(
    rb"=\?([^?\s]{1,40})\?(?:"
    rb"[bB]\?(?:([^?]*)\?=|([A-Za-z0-9+/=]{4,})(?=\s|$))|"
    rb"[qQ]\?(?:((?:[^?]|\?(?!=)){0,2000}?)\?=|([^?\s]{1,2000})$))"
)
_FOLD = re.compile(rb"\r?\n(?=[ \t])|\r(?=[ \t])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]+")


def unfold(value: bytes) -> bytes:
    """One line of a folded value, cut to what a header may hold."""
    return _FOLD.sub(b"", value[:MAX_VALUE]).replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b" ")


def header(value: bytes, hint: str = "") -> str:
    """The text of a header value. ``hint`` is the body's charset, for raw 8-bit values without a label."""
    return _CONTROL.sub(" ", text(unfold(value), hint)).strip()


def text(value: bytes, hint: str = "") -> str:
    """Encoded words decoded in an unfolded value. The bytes of neighbours in one charset are joined first:
    many senders cut characters in the middle."""
    out: list[str] = []
    run, label, at = bytearray(), "", 0
    for found in _WORD.finditer(value):
        gap = value[at : found.start()]
        word = found.group(1).decode("latin-1").lower()
        if label and (gap.strip() or not _same(label, word)):
            out.append(charsets.decode(bytes(run), label))
            run, label = bytearray(), ""
            out.append(_raw(gap, hint) if gap.strip() else "")
        elif not label:
            out.append(_raw(gap, hint))
        run += _word_bytes(found)
        label, at = word, found.end()
    if label:
        out.append(charsets.decode(bytes(run), label))
    out.append(_raw(value[at:], hint))
    return "".join(out)


def _word_bytes(found: re.Match[bytes]) -> bytes:
    _, b, b_open, q, q_open = found.groups()
    coded = b if b is not None else b_open
    if coded is not None:
        return b"".join(transfer.loose(p) for p in re.split(rb"(?<==)(?=[A-Za-z0-9+/])", coded))
    spaced = (q if q is not None else q_open or b"").replace(b"_", b" ")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda pair: bytes.fromhex(pair.group(1).decode()), spaced)


def _same(one: str, other: str) -> bool:
    return one == other or (charsets.codec(one) or one) == (charsets.codec(other) or other)


def _raw(data: bytes, hint: str) -> str:
    return charsets.decode(data, hint) if hint and charsets.codec(hint) != "utf-7" else charsets.guess(data)
