"""A data folder with a configuration for one server."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from channels.base import Request, Secret
from channels.webchat import Settings, Webchat

TOKEN = "bench-token"
SITE = "bench"
_SESSIONS = "bench-session-secret-0123456789abcdefgh"
_CONFIG = """
listen = "127.0.0.1:{port}"
secret = "bench-installation-secret-0123456789abcdef"

[channels.webchat.shop]
site_key = "{site}"
session_secret = "{sessions}"
rate = 1000

[channels.api.main]

[[channels.api.main.tokens]]
name = "bench"
sha256 = "{token}"
scopes = ["messages:write", "messages:read"]

[sinks.file]
kind = "jsonl"
"""


def furnish(folder: Path, port: int) -> Path:
    """Make the folder; the path of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    token = hashlib.sha256(TOKEN.encode()).hexdigest()
    path = folder / "allears.toml"
    path.write_text(_CONFIG.format(port=port, site=SITE, sessions=_SESSIONS, token=token), "utf-8")
    return path


def visitors(count: int) -> Sequence[str]:
    """Session tokens of new visitors; good at every server here, as sessions are no rows."""
    window = Webchat("shop", Settings(site_key=SITE, session_secret=Secret(_SESSIONS)))
    return [_session(window) for _ in range(count)]


def _session(window: Webchat) -> str:
    body = msgspec.json.encode({"visitor": base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")})
    hello = Request(url="http://bench/widget/v1/session", body=body, at=datetime.now(UTC))
    answer = window.handshake(hello)
    assert answer is not None
    return str(msgspec.json.decode(answer.body)["token"])
