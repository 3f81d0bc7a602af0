"""µ-law (ITU-T G.711) as 16-bit samples, by table: Python 3.13 has no ``audioop`` any more."""

from __future__ import annotations


def _sample(code: int) -> int:
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -size if code & 0x80 else size


_LOW = bytes(_sample(code) & 0xFF for code in range(256))
_HIGH = bytes(_sample(code) >> 8 & 0xFF for code in range(256))


def samples(coded: bytes) -> bytes:
    """16-bit samples, little-endian."""
    out = bytearray(2 * len(coded))
    out[0::2], out[1::2] = coded.translate(_LOW), coded.translate(_HIGH)
    return bytes(out)
