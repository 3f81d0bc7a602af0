"""What a sink is: a downstream system that gets every complaint as an event."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, Protocol

import msgspec

from channels.base import Tools
from normalizer.record import ComplaintRecord

EventType = Literal[
    "complaint.opened",
    "complaint.updated",
    "complaint.handed_off",
    "complaint.resolved",
    "complaint.closed",
    "complaint.reopened",
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvents-style event. ``id`` is its idempotency key, ``subject`` the complaint's number."""

    specversion: str = "1.0"
    id: str
    type: EventType
    source: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    data: ComplaintRecord


class Sink(Protocol):
    """A downstream system. ``kind`` is its name in ``[sinks.<name>] kind = "…"``."""

    kind: ClassVar[str]
    settings: ClassVar[type[msgspec.Struct]]
    name: str

    async def deliver(self, body: bytes, key: str, at: datetime, tools: Tools) -> str:
        """Deliver one event (the JSON of an :class:`Event`); returns the downstream reference or "".

        Raises:
            Retry, Unauthorized, Refused, Unknown: as a channel's ``send``.
        """
        ...
