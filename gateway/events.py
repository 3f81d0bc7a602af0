"""What the ticket systems are told when a record changes: a pure function, so that a repeat tells the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gateway.sinks.base import Event, EventType
from gateway.store.base import BOT, NewSend
from normalizer.record import ComplaintRecord, Status

#: States in which nothing more is to be done.
OVER: frozenset[Status] = frozenset({"resolved", "closed", "withdrawn"})
#: States in which the case is shut.
SHUT: frozenset[Status] = frozenset({"closed", "withdrawn"})
#: CloudEvents wants a source; an installation without a public URL has this one.
NAMELESS = "allears"

_ENCODE = msgspec.json.Encoder().encode


def events_between(
    old: ComplaintRecord | None, new: ComplaintRecord, *, source: str, traceparent: str = ""
) -> tuple[Event, ...]:
    """The events of one revision, in the order to send them; none when nothing changed.

    An id is ``number:revision:type`` (without dots, which a webhook's id must not have). Every event carries the whole
    new record, so ``updated`` is only sent when no other event is.
    """
    if old is not None and old.number != new.number:
        old = None
    types = list(_types(old, new))
    if not types and not _same(old, new):
        types = ["complaint.updated"]
    return tuple(
        Event(
            id=f"{new.number}:{new.revision}:{type.partition('.')[2]}",
            type=type,
            source=source or NAMELESS,
            subject=new.number,
            time=new.updated_at,
            traceparent=traceparent or msgspec.UNSET,
            data=new,
        )
        for type in types
    )


def event_sends(events: Sequence[Event], sinks: Iterable[str]) -> tuple[NewSend, ...]:
    """One outbox row per event and sink; the rows of one complaint and sink go out in order."""
    bodies = [(event, _ENCODE(event)) for event in events]
    return tuple(
        NewSend(
            key=f"{event.id}@{sink}",
            destination=f"sink:{sink}",
            lane=f"{sink}/{event.subject}",
            conversation=event.data.arrival.conversation,
            number=event.subject,
            kind=event.type,
            body=body,
        )
        for sink in sinks
        for event, body in bodies
    )


def _types(old: ComplaintRecord | None, new: ComplaintRecord) -> Iterator[EventType]:
    before = old.standing.status if old else "new"
    after = new.standing.status
    if old is None:
        yield "complaint.opened"
    elif before in OVER and after not in OVER:
        yield "complaint.reopened"
    if new.standing.owner != BOT and (old is None or old.standing.owner == BOT):
        yield "complaint.handed_off"
    if after == "resolved" and before != "resolved":
        yield "complaint.resolved"
    if after in SHUT and before not in SHUT:
        yield "complaint.closed"


def _same(old: ComplaintRecord | None, new: ComplaintRecord) -> bool:
    """Whether only the revision's own fields differ."""
    if old is None:
        return False
    return old == msgspec.structs.replace(new, revision=old.revision, updated_at=old.updated_at)
