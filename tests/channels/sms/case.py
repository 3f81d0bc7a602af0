"""The SMS channel for the contract suite: Twilio's forms."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from channels._platforms.sms import ACCOUNT, NUMBER, TOKEN, Sms
from channels._platforms.sms import sign as signature

URL = "https://intake.example/in/sms/main"
SETTINGS = {"account_sid": ACCOUNT, "auth_token": TOKEN, "number": NUMBER}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "auth_token": ""}
#: What may never be seen in a log, repr or error.
SECRETS = (TOKEN,)
Platform = Sms


def sign(body: bytes, at: datetime, id: str = "") -> dict[str, str]:
    """The headers of a good delivery."""
    form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature(URL, form)}


#: What ``text.form`` says.
EXPECTED: list[dict[str, Any]] = [
    {
        "external_id": "SM1bd5330f81336e8b54c2d3d9fc1bcb01",
        "thread": "+15005550006/+8613800138000",
        "sender": "+8613800138000",
        "text": "灯笼收到就是破的，订单 20261118-0042，我要退款！",
    }
]
