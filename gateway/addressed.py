"""A message to the customer as the outbox row that carries it."""

from __future__ import annotations

import msgspec

from channels.base import Outbound
from gateway.store.base import NewSend

_ENCODE = msgspec.json.Encoder().encode


def to_customer(out: Outbound, *, conversation: str, number: str, fence: int | None = None) -> NewSend:
    """The row of ``out`` in its conversation's lane; ``fence`` None: it goes out whoever owns the conversation."""
    return NewSend(
        key=out.key,
        destination=f"channel:{out.channel}/{out.account}",
        lane=conversation,
        conversation=conversation,
        number=number,
        kind=out.kind,
        fence=fence,
        body=_ENCODE(out),
    )
