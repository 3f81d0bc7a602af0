"""The Weibo channel for the contract suite: signed in the query, by time in milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from channels._platforms.weibo import APP_SECRET, TOKEN, Weibo, signed
from channels.base import Request

SETTINGS = {"unproven": True, "app_secret": APP_SECRET, "token": TOKEN}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "app_secret": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (APP_SECRET, TOKEN)
SIGNED_IN = "query"
Platform = Weibo


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The query of a good delivery."""
    return signed(str(int(at.timestamp() * 1000)), "57155157")


#: What ``text.json`` says.
EXPECTED = [
    {
        "thread": "2489518277",
        "sender": "2489518277",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    }
]
HANDSHAKE = Request(
    method="GET",
    url="https://intake.example/in/weibo/main",
    query={**signed("1795334400000", "57155157"), "echostr": "5821034667"},
    at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)
