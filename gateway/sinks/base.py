"""What a sink is: a downstream system that gets every complaint as an event."""

from __future__ import annotations

import importlib
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from channels import base as channels
from channels.base import Finding, Request, Tools
from normalizer.record import ComplaintRecord, Status

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
    traceparent: str | msgspec.UnsetType = msgspec.UNSET
    """Of the message that it follows from, where traces are made (CloudEvents: Distributed Tracing extension)."""
    data: ComplaintRecord


class TicketUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket system tells us of a complaint.

    ``delivery`` is the same for every repeat of one callback. ``version`` rises with every change of the ticket;
    ``status`` is ours, None when ``remote_status`` is not in the mapping table.
    """

    delivery: str
    number: str
    external_id: str
    remote_status: str
    status: Status | None
    comment: str = ""
    version: int


class Sink(Protocol):
    """A downstream system. ``kind`` is its name in ``[sinks.<name>] kind = "…"``; made as ``SINK(name, settings)``."""

    kind: ClassVar[str]
    settings: ClassVar[type[msgspec.Struct]]
    name: str

    def __init__(self, name: str, settings: Any) -> None: ...

    async def deliver(self, body: bytes, key: str, at: datetime, tools: Tools) -> str:
        """Deliver one event (the JSON of an :class:`Event`); returns the downstream reference or "".

        Raises:
            Retry, Unauthorized, Refused, Unknown: as a channel's ``send``.
        """
        ...

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Test the connection without side effects."""
        ...


@runtime_checkable
class KeepsFiles(Protocol):
    """A sink that writes files."""

    def use_folder(self, folder: Path) -> None:
        """Take the data folder, where relative paths start. Called before the start."""
        ...


@runtime_checkable
class CallsBack(Protocol):
    """A sink whose system tells us what becomes of a complaint, at ``POST /sinks/<name>/callback``."""

    def update(self, request: Request) -> TicketUpdate | None:
        """What the callback says; None for an event that is none of our business.

        Raises:
            BadSignature: not from the ticket system.
            BadPayload: signed, but not what it sends.
        """
        ...


def names() -> list[str]:
    """The kinds of sinks: a module's name is its kind, there is no list to edit."""
    return channels.names("gateway.sinks")


def load(kind: str) -> type[Sink]:
    """The class behind a kind (its module's ``SINK``). Raises ModuleNotFoundError."""
    sink: type[Sink] = importlib.import_module(f"gateway.sinks.{kind}").SINK
    return sink
