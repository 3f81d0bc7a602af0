"""What a file really is, told from its first bytes; and how many pixels a picture claims to have.

Nothing is unpacked or decoded here: a zip or picture bomb is only ever looked at from outside. A type that is not on
the list, or could run in a browser or on a desk's computer, is :data:`BINARY`: kept as evidence and handed
out as a download only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

BINARY = "application/octet-stream"
#: Types that a page may show or play; everything else is a download.
INLINE = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "audio/mpeg",
        "audio/wav",
        "audio/ogg",
        "audio/flac",
        "audio/mp4",
        "audio/aac",
        "video/mp4",
        "video/webm",
    }
)
#: Bytes of a file's beginning that :func:`sniff` and :func:`pixels` want.
HEAD = 512 * 1024
#: Most pixels of a picture that a browser is asked to show (a 100-megapixel camera passes).
MAX_PIXELS = 120_000_000

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"#!SILK_V3", "audio/silk"),
    (0, b"\x02#!SILK_V3", "audio/silk"),
)
_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"avif": BINARY,
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
    b"3gp6": "video/3gpp",
}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIPS = (
    (b"word/", _OFFICE + "wordprocessingml.document"),
    (b"xl/", _OFFICE + "spreadsheetml.sheet"),
    (b"ppt/", _OFFICE + "presentationml.presentation"),
)
_OLD_OFFICE = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
}
_PROGRAM_NAMES = frozenset(
    [
        ".bat",
        ".cmd",
        ".com",
        ".exe",
        ".hta",
        ".js",
        ".jse",
        ".lnk",
        ".mjs",
        ".msi",
        ".ps1",
        ".py",
        ".reg",
        ".scr",
        ".sh",
        ".url",
        ".vbe",
        ".vbs",
        ".wsf",
        ".html",
        ".htm",
        ".svg",
        ".xml",
    ]
)
_MARKUP = re.compile(rb"\A\s*(<|#!|%!)|<\s*(script|svg|html|iframe|!doctype|body|object|embed)", re.IGNORECASE)
#: Control characters that no text file has (tab, line feed, form feed, carriage return and escape pass).
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def sniff(head: bytes, name: str = "") -> str:
    """The type of a file from its first :data:`HEAD` bytes. The name only tells text files and old Office files apart."""
    suffix = PurePosixPath(name.lower()).suffix
    for offset, magic, type in _MAGIC:
        if head[offset : offset + len(magic)] == magic and (offset == 0 or head[:4] == b"RIFF"):
            return type
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else BINARY
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa"):
        return "audio/mpeg"
    if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "audio/aac"
    if head[:4] == b"PK\x03\x04":
        return _zip(head)
    if head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return _OLD_OFFICE.get(suffix, BINARY)
    return _text(head, suffix)


def _zip(head: bytes) -> str:
    """An archive by the names in its first local headers."""
    if head[30:38] == b"mimetype":
        declared = re.match(rb"application/vnd\.oasis\.opendocument\.[a-z]+", head[38:120])
        return declared[0].decode() if declared else "application/zip"
    if b"META-INF/MANIFEST.MF" in head or b"AndroidManifest.xml" in head:
        return BINARY
    if b"[Content_Types].xml" in head:
        return next((type for folder, type in _ZIPS if folder in head), "application/zip")
    return "application/zip"


def _text(head: bytes, suffix: str) -> str:
    if (
        not head
        or suffix in _PROGRAM_NAMES
        or not _is_text(head)
        or _MARKUP.search(head[:4096].lstrip(b"\xef\xbb\xbf"))
    ):
        return BINARY
    return "text/csv" if suffix == ".csv" else "text/plain"


def _is_text(head: bytes) -> bool:
    """UTF-8 or GB 18030 without control characters; a character cut at the end of a long head does not count."""
    if _CONTROLS.search(head):
        return False
    whole = head[:-4] if len(head) >= HEAD else head
    return _decodes(whole, "utf-8", cut=len(head) >= HEAD) or _decodes(whole, "gb18030", cut=len(head) >= HEAD)


def _decodes(data: bytes, encoding: str, *, cut: bool) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as err:
        return cut and err.start >= len(data) - 4
    return True


def pixels(head: bytes, type: str) -> int:
    """Width × height as the picture's header claims it; 0 for what is no picture, -1 where it cannot be told."""
    read = _READERS.get(type)
    if read is None:
        return 0
    try:
        return read(head)
    except IndexError:
        return -1


def _number(head: bytes, at: int, size: int, order: str = "big") -> int:
    if at + size > len(head):
        raise IndexError(at)
    return int.from_bytes(head[at : at + size], "big" if order == "big" else "little")


def _png(head: bytes) -> int:
    return _number(head, 16, 4) * _number(head, 20, 4)


def _gif(head: bytes) -> int:
    return _number(head, 6, 2, "little") * _number(head, 8, 2, "little")


def _jpeg(head: bytes) -> int:
    """Walk the segments to the frame header (SOF0 to SOF15 without the tables DHT, JPG and DAC)."""
    at = 2
    while True:
        if _number(head, at, 1) != 0xFF:
            return -1
        marker = _number(head, at + 1, 1)
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _number(head, at + 5, 2) * _number(head, at + 7, 2)
        else:
            at += 2 + max(_number(head, at + 2, 2), 2)


def _webp(head: bytes) -> int:
    chunk = head[12:16]
    if chunk == b"VP8X":
        return (_number(head, 24, 3, "little") + 1) * (_number(head, 27, 3, "little") + 1)
    if chunk == b"VP8L":
        bits = _number(head, 21, 4, "little")
        return ((bits & 0x3FFF) + 1) * (((bits >> 14) & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        return (_number(head, 26, 2, "little") & 0x3FFF) * (_number(head, 28, 2, "little") & 0x3FFF)
    return -1


def _heic(head: bytes) -> int:
    """The largest ``ispe`` (image spatial extents) property."""
    sizes = [_number(head, m.start() + 8, 4) * _number(head, m.start() + 12, 4) for m in re.finditer(b"ispe", head)]
    return max(sizes, default=-1)


_READERS: dict[str, Callable[[bytes], int]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/heic": _heic,
}
