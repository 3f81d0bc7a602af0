"""The Douyin channel for the contract suite."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from channels._platforms.douyin import CLIENT_SECRET, OPEN_ID, TOKEN, Douyin
from channels._platforms.douyin import sign as signature
from channels.base import Request

SETTINGS = {"unproven": True, "client_secret": CLIENT_SECRET, "token": TOKEN, "open_id": OPEN_ID}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "client_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (CLIENT_SECRET, TOKEN)
Platform = Douyin


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery."""
    return {"x-douyin-signature": signature(body)}


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "7123456789",
        "thread": "7112345/_000wangfang",
        "sender": "_000wangfang",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    }
]
_CHALLENGE = json.dumps({"event": "verify_webhook", "client_key": "abc", "content": {"challenge": 12345}}).encode()
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HANDSHAKE = Request(url="https://intake.example/in/douyin/main", headers=sign(_CHALLENGE, AT), body=_CHALLENGE, at=AT)
