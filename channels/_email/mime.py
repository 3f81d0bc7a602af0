"""The structure of a mail: headers and parts, straight from the bytes.

The standard library's parser recurses, builds every part before anyone can say stop, and gives a nested mail
back only re-assembled. This one walks with a stack, stops at its limits, and every part is a slice of what
came: a kept nested mail is byte for byte what was sent (RFC 2045, 2046, 5322; forgiving throughout).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import msgspec

from channels._email import transfer, words

MAX_PARTS = 300
MAX_DEPTH = 20
#: The header block of one part, in bytes, and its number of fields.
MAX_HEAD = 512_000
MAX_FIELDS = 1000

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:[ \t]?(.*)", re.S)
_CHARSET_PARAM = re.compile(rb"(?i)\bcharset\s*=\s*[\"']?([\w.:+-]+)")


class Headers:
    """The fields of one part in their order, values as raw bytes."""

    def __init__(self, fields: list[tuple[str, bytes]]) -> None:
        self.fields = fields

    def all(self, name: str) -> list[bytes]:
        """Every raw value of a field (``name`` in lower case), top first."""
        return [value for field, value in self.fields if field == name]

    def first(self, name: str) -> bytes:
        """The first raw value, empty when there is none."""
        return next((value for field, value in self.fields if field == name), b"")

    def texts(self, name: str) -> list[str]:
        """Every value as text."""
        return [words.header(value) for value in self.all(name)]

    def text(self, name: str) -> str:
        """The first value as text, empty when there is none."""
        return words.header(self.first(name))

    def __contains__(self, name: str) -> bool:
        return any(field == name for field, _ in self.fields)


class Part(msgspec.Struct, kw_only=True):
    """A leaf of the tree: ``body`` is still transfer-encoded. ``inside`` is the chain of multiparts around it."""

    headers: Headers
    type: str
    body: bytes
    inside: tuple[str, ...] = ()
    sibling: int = 0
    """Its place among the parts of the multipart it is in."""
    flaws: tuple[str, ...] = ()

    def data(self) -> bytes:
        """The decoded bytes."""
        return transfer.decode(self.body, self.headers.text("content-transfer-encoding"))

    @property
    def charset(self) -> str:
        """The declared charset, empty when there is none."""
        found = _CHARSET_PARAM.search(words.unfold(self.headers.first("content-type")))
        return found.group(1).decode("latin-1") if found else ""

    @property
    def disposition(self) -> str:
        """``attachment``, ``inline`` or empty."""
        return re.split(r"[;\s]", self.headers.text("content-disposition").lower().strip(' "'))[0]

    @property
    def content_id(self) -> str:
        """The Content-ID without its brackets."""
        return self.headers.text("content-id").strip("<> \t")


class Tree(msgspec.Struct, kw_only=True):
    """A whole mail: its own headers, its leaves in reading order, and what was wrong."""

    headers: Headers
    type: str
    parts: list[Part]
    flaws: list[str]


def parse(raw: bytes) -> Tree:
    """Split a mail. Never raises; every limit that was met is named in ``flaws``."""
    flaws: list[str] = []
    raw = _plain_lines(raw, flaws)
    headers, body = _entity(raw, 0, len(raw), flaws)
    type_ = content_type(headers)
    tree = Tree(headers=headers, type=type_, parts=[], flaws=flaws)
    stack: list[_Open] = [(headers, type_, body, (), 0, len(raw))]
    while stack:
        headers, type_, start, inside, sibling, end = stack.pop()
        children = _children(raw, headers, type_, start, end, inside, len(tree.parts) + len(stack), flaws)
        if children:
            stack.extend(reversed(children))
            continue
        if len(tree.parts) >= MAX_PARTS:
            flaws.append("parts")
            break
        tree.parts.append(Part(headers=headers, type=type_, body=raw[start:end], inside=inside, sibling=sibling))
    tree.flaws = list(dict.fromkeys(flaws))
    return tree


_Open = tuple[Headers, str, int, tuple[str, ...], int, int]


def _children(
    raw: bytes,
    headers: Headers,
    type_: str,
    start: int,
    end: int,
    inside: tuple[str, ...],
    taken: int,
    flaws: list[str],
) -> list[_Open]:
    if not type_.startswith("multipart/"):
        return []
    if len(inside) >= MAX_DEPTH:
        flaws.append("depth")
        return []
    marker = boundary(headers, raw, start, end)
    if not marker:
        flaws.append("multipart without boundary")
        return []
    default = "message/rfc822" if type_ == "multipart/digest" else "text/plain"
    children: list[_Open] = []
    for number, (first, last) in enumerate(_slices(raw, marker, start, end)):
        if taken + number >= MAX_PARTS:
            flaws.append("parts")
            break
        fields, body = _entity(raw, first, last, flaws)
        children.append((fields, content_type(fields, default), body, (*inside, type_), number, last))
    if not children:
        flaws.append("boundary never appears")
    return children


def _slices(raw: bytes, marker: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each part of a multipart begins and ends; a missing closing line ends with the multipart."""
    opened = -1
    at = start
    while True:
        at = raw.find(b"--" + marker, at, end)
        after = at + 2 + len(marker)
        if at < 0:
            break
        line_end = raw.find(b"\n", after, end)
        rest = raw[after : line_end if line_end >= 0 else end][:80].strip()
        if (at > start and raw[at - 1] != 0x0A) or rest not in (b"", b"--"):
            at = after
            continue
        if opened >= 0:
            yield opened, max(opened, _before_break(raw, at))
        opened = -1
        if rest == b"--" or line_end < 0:
            return
        opened = at = line_end + 1
    if opened >= 0:
        yield opened, end


def _before_break(raw: bytes, at: int) -> int:
    """The line break before a boundary belongs to the boundary."""
    if raw[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1


def boundary(headers: Headers, raw: bytes, start: int, end: int) -> bytes:
    """The boundary of a multipart: declared, or read off its first line when none is declared."""
    value = words.unfold(headers.first("content-type"))
    found = re.search(rb'(?i)\bboundary\s*=\s*(?:"([^"]{1,500})"?|([^\s;"]{1,500}))', value)
    declared = (found.group(1) or found.group(2) or b"").rstrip() if found else b""
    if declared and raw.find(b"--" + declared, start, end) >= 0:
        return declared
    seen = re.compile(rb"\s*--([^\r\n]{1,200}?)[ \t]*\r?\n[A-Za-z-]{3,60}:").match(raw, start, min(end, start + 2000))
    return seen.group(1) if seen else b""


def content_type(headers: Headers, default: str = "text/plain") -> str:
    """The media type in lower case; what is not one counts as the default."""
    value = words.unfold(headers.first("content-type")).decode("latin-1").lower()
    found = re.match(r"\s*\"?([a-z0-9!#$&^_.+-]+)\s*/\s*([a-z0-9!#$&^_.+-]+)", value)
    if not found:
        return "text/plain" if re.match(r"\s*text\b", value) else default
    return f"{found.group(1)}/{found.group(2)}"


def _plain_lines(raw: bytes, flaws: list[str]) -> bytes:
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    head = raw[:16_000]
    if len(re.findall(rb"\r(?!\r?\n)", head)) > head.count(b"\n"):
        flaws.append("bare CR")
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\r\r\n" in raw[:4_000]:
        raw = raw.replace(b"\r\r\n", b"\r\n")
    return raw.lstrip(b"\r\n") if raw[:1] in b"\r\n" else raw


def _entity(raw: bytes, start: int, end: int, flaws: list[str]) -> tuple[Headers, int]:
    """Headers of the part that begins at ``start``, and where its body begins."""
    lines: list[tuple[int, int]] = []
    at, limit = start, min(end, start + MAX_HEAD)
    body = -1
    while at < end:
        stop = raw.find(b"\n", at, end)
        stop = end if stop < 0 else stop + 1
        if not raw[at:stop].strip(b"\r\n"):
            body = stop
            break
        if stop > limit:
            flaws.append("header size")
            body = _skip_head(raw, at, end)
            break
        lines.append((at, stop))
        at = stop
    return _fields(raw, lines, body if body >= 0 else end, flaws)


def _skip_head(raw: bytes, at: int, end: int) -> int:
    found = re.compile(rb"\n\r?\n").search(raw, at, end)
    return found.end() if found else end


def _fields(raw: bytes, lines: list[tuple[int, int]], body: int, flaws: list[str]) -> tuple[Headers, int]:
    fields: list[tuple[str, list[bytes]]] = []
    strays: list[int] = []
    for start, stop in lines:
        line = raw[start:stop]
        if line[:1] in b" \t" and fields:
            fields[-1][1].append(line)
        elif found := _FIELD.match(line):
            if len(fields) >= MAX_FIELDS:
                flaws.append("header fields")
                break
            fields.append((found.group(1).decode("ascii").lower(), [found.group(2)]))
        elif not line.startswith((b"From ", b">From ")):
            strays.append(start)
    if strays:
        if len(fields) < 2 or len(strays) * 2 > len(lines):  # these lines are not headers: the blank line is missing
            first = lines[0][0] if not fields or strays[0] == lines[0][0] else strays[0]
            kept = [f for f in fields if f] if first != lines[0][0] else []
            return Headers([(n, b"".join(v)) for n, v in kept]), first
        flaws.append("garbage header lines")
    return Headers([(name, b"".join(value)) for name, value in fields]), body
