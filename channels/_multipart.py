"""Files in a call: ``multipart/form-data`` (RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """A file under the name of its field."""

    field: str
    name: str
    type: str
    data: bytes


def form(fields: Mapping[str, str], files: Sequence[Part]) -> tuple[dict[str, str], bytes]:
    """Headers and body."""
    boundary = secrets.token_hex(16)
    pieces = [_field(boundary, name, value) for name, value in fields.items()]
    pieces += [_file(boundary, file) for file in files]
    body = b"".join(pieces) + f"--{boundary}--\r\n".encode()
    return {"content-type": f"multipart/form-data; boundary={boundary}"}, body


def _field(boundary: str, name: str, value: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{value}\r\n".encode(errors="replace")


def _file(boundary: str, file: Part) -> bytes:
    name, type = _plain(file.name) or "file", _plain(file.type) or "application/octet-stream"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file.field}"; filename="{name}"\r\n'
        f"Content-Type: {type}\r\n\r\n"
    )
    return head.encode(errors="replace") + file.data + b"\r\n"


def _plain(name: str) -> str:
    """Without what would end a header or a quoted name: people read the name, so nothing is put in its place."""
    return "".join(c for c in name if c.isprintable() and c not in '"\\')
