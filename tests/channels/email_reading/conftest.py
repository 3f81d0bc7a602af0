"""Mails for the tests, built from bytes: every broken thing must be writable."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from channels._email.mail import Mail
from channels._email.read import read

Build = Callable[..., bytes]
Words = Callable[[str], str]


def _build(
    body: bytes | str = b"", /, *, charset: str = "", type: str = "text/plain", coding: str = "", **headers: str | bytes
) -> bytes:
    """A mail with usual headers; ``headers`` (underscores for dashes) replace or add, None-like ``""`` removes."""
    fields: dict[str, bytes] = {"from": b"Li Lei <lilei@mail.example>", "to": b"desk@shop.example", "subject": b"Hello"}
    fields |= {name.replace("_", "-"): v.encode() if isinstance(v, str) else v for name, v in headers.items()}
    if charset or type != "text/plain":
        fields["content-type"] = f"{type}; charset={charset}".encode() if charset else type.encode()
    if coding:
        fields["content-transfer-encoding"] = coding.encode()
    head = b"".join(name.title().encode() + b": " + value + b"\r\n" for name, value in fields.items() if value)
    return head + b"\r\n" + (body.encode() if isinstance(body, str) else body)


def _multipart(*parts: bytes, kind: str = "mixed", boundary: str = "edge", **headers: str | bytes) -> bytes:
    """A multipart of whole parts (each with its own headers and empty line)."""
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    body += b"--" + boundary.encode() + b"--\r\n"
    return _build(body, type=f'multipart/{kind}; boundary="{boundary}"', **headers)  # type: ignore[arg-type]


@pytest.fixture
def build() -> Build:
    """See :func:`_build`."""
    return _build


@pytest.fixture
def multipart() -> Build:
    """See :func:`_multipart`."""
    return _multipart


@pytest.fixture
def get() -> Callable[..., Mail]:
    """Build and read at once."""
    return lambda body=b"", /, **headers: read(_build(body, **headers))


@pytest.fixture
def word() -> Callable[[str, str], str]:
    """An encoded word."""
    return lambda text, charset: (
        f"=?{charset}?B?{base64.b64encode(text.encode('gb18030' if charset == 'gb2312' else charset)).decode()}?="
    )
