"""Captured requests: how one is written down, and how it is delivered again through its channel."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from channels.base import BadSignature, Channel, ChannelError, PushChannel, Request
from gateway.context import Gateway
from gateway.web.doors import receive


class CaptureError(ValueError):
    """It cannot be delivered; the message says why and what to do."""


class Capture(msgspec.Struct, kw_only=True):
    """A captured request as a file: what :class:`channels.base.Request` needs, the body as text or as base64.

    ``channel`` names the channel, or channel/account, that it was for.
    """

    body: str = ""
    body_base64: str = ""
    headers: dict[str, str] = {}
    url: str = "https://intake.example/"
    tail: str = ""
    query: dict[str, str] = {}
    method: str = "POST"
    at: datetime | None = None
    channel: str = ""

    def request(self, now: datetime) -> Request:
        """Raises :class:`CaptureError`."""
        try:
            body = base64.b64decode(self.body_base64, validate=True) if self.body_base64 else self.body.encode()
        except binascii.Error as err:
            raise CaptureError("`body_base64` is not base64") from err
        return Request(
            method=self.method,
            url=self.url,
            tail=self.tail,
            query=self.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            at=self.at or now,
        )


def read(data: bytes) -> Capture | None:
    """The capture in a file; None when the file is a bare body. Raises :class:`CaptureError`."""
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(tree, dict) or not isinstance(tree.get("body", tree.get("body_base64")), str):
        return None
    try:
        return msgspec.convert(tree, Capture)
    except msgspec.ValidationError as err:
        raise CaptureError(f"not a capture: {err}") from err


def chosen(channels: Mapping[tuple[str, str], Channel], wanted: str) -> PushChannel:
    """The first configured account of ``channel`` or ``channel/account`` that receives. Raises :class:`CaptureError`."""
    name, _, account = wanted.partition("/")
    for key, channel in channels.items():
        if key[0] == name and account in ("", key[1]) and isinstance(channel, PushChannel):
            return channel
    known = ", ".join("/".join(key) for key in channels) or "none"
    raise CaptureError(
        f"no channel `{wanted}` that receives is configured; configured: {known} (`allears channels setup`)"
    )


async def deliver(gateway: Gateway, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Deliver a capture (``capture``: its JSON) again, as if the platform did. What is known already stays one."""
    capture = msgspec.convert(params["capture"], Capture)
    channel = chosen(gateway.channels, capture.channel)
    request = capture.request(gateway.clock())
    try:
        known = len(channel.accept(request)) if channel.handshake(request) is None else 0
        answer = await receive(gateway, channel, request)
    except BadSignature as err:
        raise CaptureError(f"its signature does not hold ({err}); an old one may need its `at`") from err
    except ChannelError as err:
        raise CaptureError(f"{type(err).__name__}: {err}") from err
    return [{"channel": f"{channel.name}/{channel.account}", "messages": known, "status": answer.status}]
