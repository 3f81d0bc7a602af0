"""The phone channel for the contract suite: its signed “recording ready” webhooks."""

from __future__ import annotations

from datetime import datetime

from channels import _standard_webhooks as webhooks
from channels.base import Secret

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
SETTINGS = {"webhook_secrets": [str(SECRET)]}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "webhook_secrets": []}
#: What may never be seen in a log, repr or error.
SECRETS = (str(SECRET), "13800138000")


def sign(body: bytes, at: datetime, id: str = "evt-1") -> dict[str, str]:
    """The headers of a good delivery."""
    return webhooks.sign(SECRET, id, at, body)


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "rec-42",
        "thread": "1763777700.42",
        "sender": "+8613800138000",
        "text": "Kettle leaks, wants the money back.",
        "origin": "phone",
    }
]
