"""The Slack channel for the contract suite: the Events API."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from channels._platforms.slack import BOT_TOKEN, SIGNING_SECRET, Slack
from channels._platforms.slack import sign as signed
from channels.base import Request

SETTINGS = {"bot_token": BOT_TOKEN, "signing_secret": SIGNING_SECRET}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "signing_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (BOT_TOKEN, SIGNING_SECRET)
Platform = Slack
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery."""
    return signed(body, str(int(at.timestamp())))


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "D0WANGFANG:1795330800.000100",
        "thread": "D0WANGFANG",
        "sender": "U0WANGFANG",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！<3",
    }
]
_CHALLENGE = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"}).encode()
HANDSHAKE = Request(url="https://intake.example/in/slack/main", headers=sign(_CHALLENGE, AT), body=_CHALLENGE, at=AT)
