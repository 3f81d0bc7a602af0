"""The WeChat channel for the contract suite: captures are readable, and sealed as in the safe mode when delivered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from channels._platforms.wechat import AES_KEY, APP_ID, APP_SECRET, OURSELVES, TOKEN, WeChat, seal, signed
from channels.base import Request

THREAD = "oMgHVjngRipVsoxg6TuX3vz6glDg"
SETTINGS = {"app_id": APP_ID, "app_secret": APP_SECRET, "token": TOKEN, "aes_key": AES_KEY}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "aes_key": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (APP_SECRET, TOKEN, AES_KEY)
SIGNED_IN = "query"
NONCE = "1372623149"


def sealed(body: bytes) -> bytes:
    """A delivery of what a capture says."""
    secret = seal(body, b"0123456789abcdef")
    return (
        f"<xml><ToUserName><![CDATA[{OURSELVES}]]></ToUserName><Encrypt><![CDATA[{secret}]]></Encrypt></xml>".encode()
    )


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The query of a good delivery: time, nonce and the encrypted text are signed."""
    text = body.partition(b"<Encrypt><![CDATA[")[2].partition(b"]]>")[0].decode(errors="replace")
    query = signed(str(int(at.timestamp())), NONCE, text or "-")
    # What is not signed proves nothing, whatever it says.
    return {name: query[name] for name in ("timestamp", "nonce", "msg_signature")}


#: What ``text.xml`` says.
EXPECTED = [
    {
        "external_id": "24511038745621903",
        "thread": THREAD,
        "sender": THREAD,
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！<b>&",
        "at": datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
        "replies_until": datetime(2026, 11, 24, 7, 0, tzinfo=UTC),
    }
]
HANDSHAKE = Request(
    method="GET",
    url="https://intake.example/in/wechat/main",
    query={**signed("1795334400", NONCE, ""), "echostr": "5821034667"},
    at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)


class Platform(WeChat):
    """A fake whose follower has just written."""

    async def __aenter__(self) -> Any:
        self.wrote[THREAD] = self.now()
        self.replies[THREAD] = -1_000_000
        return await super().__aenter__()
