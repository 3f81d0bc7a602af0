"""A message to the customer as the outbox rows that carry it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from channels.base import PUBLIC, Channel, Outbound, RecordsCalls
from gateway.parts import parts
from gateway.store.base import NewSend

_ENCODE = msgspec.json.Encoder().encode

#: What stands of a case, and what its customer thinks of it, is nobody else's business.
UNSAID_IN_PUBLIC = frozenset({"status", "survey"})


def to_customer(
    out: Outbound,
    channels: Mapping[tuple[str, str], Channel],
    *,
    conversation: str,
    number: str,
    fence: int | None = None,
) -> tuple[NewSend, ...]:
    """The rows of ``out`` in its conversation's lane, divided as its channel takes it; the first has the key of ``out``.

    ``fence`` None: they go out whoever owns the conversation.
    """
    if out.thread.startswith(PUBLIC) and out.kind in UNSAID_IN_PUBLIC:
        return ()
    channel = channels.get((out.channel, out.account))
    if out.kind == "survey" and isinstance(channel, RecordsCalls):
        return ()  # a call that is over answers nothing
    pieces = (out,) if channel is None else parts(out, channel.limits)
    return tuple(_row(piece, conversation, number, fence) for piece in pieces)


def _row(out: Outbound, conversation: str, number: str, fence: int | None) -> NewSend:
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
