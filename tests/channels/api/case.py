"""The api channel for the contract suite: its signed webhooks, which are its door without a person behind it."""

from __future__ import annotations

from datetime import datetime

from channels import _standard_webhooks as webhooks
from channels.base import Secret

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
SETTINGS = {
    "webhook_secrets": [str(SECRET)],
    "reply_url": "https://crm.example/replies",
    "reply_secret": str(SECRET),
}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "webhook_secrets": []}
#: What may never be seen in a log, repr or error.
SECRETS = (str(SECRET),)


def sign(body: bytes, at: datetime, id: str = "evt-1") -> dict[str, str]:
    """The headers of a good delivery."""
    return webhooks.sign(SECRET, id, at, body)


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "letter-2026-118",
        "thread": "card-4711",
        "sender": "card-4711",
        "text": "电饭煲用了两天就不通电了，我要求退货退款。订单号 202611200017。",
        "origin": "letter",
    }
]
