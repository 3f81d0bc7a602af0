"""What every store does with a row of the outbox without asking its tables."""

from __future__ import annotations

import msgspec

from channels.base import Attachment
from gateway.store.base import NewSend, StoreError

#: The tables behind :data:`gateway.store.rows.SEND`.
FROM = "outbox o LEFT JOIN conversation c ON c.n = o.conv"
#: Why a row was put aside. What was tried before may have arrived all the same.
TAKEN_OVER = "the conversation has another owner"
TAKEN_OVER_IN_DOUBT = TAKEN_OVER + "; an earlier attempt may have arrived"


class _Files(msgspec.Struct):
    attachments: tuple[Attachment, ...] = ()


def files(send: NewSend) -> list[str]:
    """The digests of the files that a message carries. Raises StoreError for what is no message."""
    if b'"digest"' not in send.body or not send.destination.startswith("channel:"):
        return []
    try:
        found = msgspec.json.decode(send.body, type=_Files).attachments
    except msgspec.MsgspecError as err:
        raise StoreError(f"what is to be sent is no message: {err}") from err
    return [a.digest for a in found if a.digest]
