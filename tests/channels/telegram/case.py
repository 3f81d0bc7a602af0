"""Telegram for the contract suite: updates as they come to a webhook, and the fake platform for what is sent.

The captures are of a business account's chat, because only those tell of deletions.
"""

from __future__ import annotations

from datetime import datetime

from channels._platforms.telegram import SECRET_HEADER, TOKEN, Telegram

SECRET = "a-secret-that-only-telegram-knows"
SETTINGS = {"token": TOKEN, "webhook_secret": SECRET, "updates": "webhook"}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "token": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (TOKEN, SECRET)
Platform = Telegram


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery: the secret, which is not made over the body."""
    return {"content-type": "application/json", SECRET_HEADER.lower(): SECRET}


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "5550001@bizLantern1:41",
        "thread": "5550001@bizLantern1",
        "sender": "5550001",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
        "language": "zh-Hans",
    }
]
