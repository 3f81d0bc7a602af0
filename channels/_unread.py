"""What a platform delivered and nobody could read, as a message: a person sees that something came, and the rest goes on."""

from __future__ import annotations

import hashlib
from datetime import datetime

from channels.base import Inbound, Sender


def unread(channel: str, account: str, raw: bytes, at: datetime, shown: str) -> Inbound:
    """The bytes in a thread of their own; the same bytes are the same message. ``shown`` stands for its words."""
    id = f"unread:{hashlib.sha256(raw).hexdigest()[:32]}"
    return Inbound(
        channel=channel,
        account=account,
        external_id=id,
        thread=id,
        sender=Sender(id=id),
        at=at,
        placeholder=shown,
        raw=raw,
    )
