"""The LINE channel for the contract suite."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from channels._platforms.line import CHANNEL_SECRET, TOKEN, Line

SETTINGS = {"channel_secret": CHANNEL_SECRET, "token": TOKEN}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "channel_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (CHANNEL_SECRET, TOKEN)
Platform = Line


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery."""
    digest = hmac.new(CHANNEL_SECRET.encode(), body, hashlib.sha256).digest()
    return {"x-line-signature": base64.b64encode(digest).decode()}


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "5001",
        "thread": "U206d25c2ea6bd87c17655609a1c37cb8",
        "sender": "U206d25c2ea6bd87c17655609a1c37cb8",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！🏮",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    }
]
