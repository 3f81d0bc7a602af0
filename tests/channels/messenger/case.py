"""The Messenger channel for the contract suite: what Meta posts for one Page."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

from channels._platforms.messenger import Messenger
from channels.base import Request

PAGE, PERSON = "117172741761305", "3383290475046708"
THREAD = f"{PAGE}/{PERSON}"
APP_SECRET, VERIFY_TOKEN, TOKEN = "app-secret-of-tests", "verify-token-of-tests", "EAAtokenoftests"
SETTINGS = {"app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN, "pages": {PAGE: TOKEN}}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "app_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (APP_SECRET, VERIFY_TOKEN, TOKEN)


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery."""
    return {"x-hub-signature-256": "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()}


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "m_KXGKDUpO6xbVdAmZ",
        "thread": THREAD,
        "sender": PERSON,
        "text": "灯笼收到就是破的，我要退款！🏮",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
        "replies_until": datetime(2026, 11, 23, 7, 0, tzinfo=UTC),
    }
]
HANDSHAKE = Request(
    method="GET",
    url="https://intake.example/in/messenger/main",
    query={"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"},
    at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)


class Platform(Messenger):
    """A fake whose customer has just written."""

    async def __aenter__(self) -> Any:
        self.wrote[THREAD] = self.now()
        return await super().__aenter__()
