"""ISO-2022-JP and EUC-JP with the vendors' characters (circled numbers, 﨑, 髙) that Python's codecs refuse.

Both are other spellings of JIS X 0208 rows and cells, and Windows code page 932 knows the vendors' rows: each
pair is moved into its Shift_JIS place and read there.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\x1b(\$[@B]|\$\([A-DO-Q]|\([A-Z]|\$A|\.[A-F]|N.)")


def decode(data: bytes) -> str:
    """ISO-2022-JP text; 8-bit bytes outside the escapes are read as Shift_JIS."""
    out: list[str] = []
    mode, at = b"(B", 0
    for found in _ESCAPE.finditer(data):
        out.append(_segment(data[at : found.start()], mode))
        mode, at = found.group(1), found.end()
    out.append(_segment(data[at:], mode))
    return "".join(out)


def decode_euc(data: bytes) -> str:
    """EUC-JP text including the vendors' rows."""
    pairs = re.compile(rb"[\xa1-\xfe]{2}|\x8e[\xa1-\xdf]|[\x00-\x8d\x8f-\xff]", re.S)
    out = bytearray()
    for found in pairs.finditer(data):
        piece = found.group()
        if len(piece) == 1:
            out += piece
        elif piece[0] == 0x8E:
            out.append(piece[1])
        else:
            out += _shift(piece[0] & 0x7F, piece[1] & 0x7F)
    return bytes(out).decode("cp932", "replace")


def _segment(data: bytes, mode: bytes) -> str:
    if mode in (b"$B", b"$@"):
        return _double(data)
    if mode == b"(I":
        return bytes(b | 0x80 if 0x21 <= b <= 0x5F else b for b in data).decode("cp932", "replace")
    if mode == b"$A":
        return bytes(b | 0x80 if b > 0x20 else b for b in data).decode("gb2312", "replace")
    return data.decode("cp932", "replace")


def _double(data: bytes) -> str:
    out = bytearray()
    at = 0
    while at < len(data):
        first = data[at]
        second = data[at + 1] if at + 1 < len(data) else 0
        if 0x21 <= first <= 0x7E and 0x21 <= second <= 0x7E:
            out += _shift(first, second)
            at += 2
        else:  # a line break or stray byte inside the double-byte run
            out.append(first)
            at += 1
    return bytes(out).decode("cp932", "replace")


def _shift(row: int, cell: int) -> bytes:
    """The Shift_JIS bytes of a JIS row and cell (JIS X 0208, annex 1)."""
    lead = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)
    odd = cell + (0x1F if cell < 0x60 else 0x20)
    return bytes((lead, odd if row % 2 else cell + 0x7E))
