"""The X channel for the contract suite: direct messages as the Account Activity API delivers them."""

from __future__ import annotations

from datetime import UTC, datetime

from channels._platforms.x import CONSUMER_SECRET, TOKEN, USER, X
from channels._platforms.x import sign as signature
from channels.base import Request

SETTINGS = {"unproven": True, "consumer_secret": CONSUMER_SECRET, "token": TOKEN, "user_id": USER}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "consumer_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (CONSUMER_SECRET, TOKEN)
Platform = X


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery."""
    return {"x-twitter-webhooks-signature": signature(body)}


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "1207556329834835973",
        "thread": "1205290247124217856",
        "sender": "1205290247124217856",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！<3",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    }
]
HANDSHAKE = Request(
    method="GET",
    url="https://intake.example/in/x/main",
    query={"crc_token": "challenge_string"},
    at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)
