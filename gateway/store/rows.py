"""Between the columns of the tables, the same in every store, and the rows of :mod:`gateway.store.base`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from channels.base import Inbound
from gateway.store.base import Conversation, Entry, NotFound, Send, StoreError
from normalizer.record import ComplaintRecord

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
#: In an ascending order this stands for "no time", so that it comes last.
NEVER = 9223372036854775807

encode = msgspec.json.Encoder().encode
_inbound = msgspec.json.Decoder(Inbound)
_entry = msgspec.json.Decoder(Entry)
_record = msgspec.json.Decoder(ComplaintRecord)


def micros(at: datetime) -> int:
    """Microseconds since 1970. Raises TypeError for a time without zone."""
    return (at - EPOCH) // _MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def when(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


def when_or_none(value: int | None) -> datetime | None:
    return None if value is None or value == NEVER else when(value)


def cursor(*key: int | str) -> str:
    """An opaque page cursor: the sort key of the last row."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def position(text: str, *first: int | str) -> Sequence[Any]:
    """The key in a cursor, ``first`` where there is none. Raises StoreError for a cursor that is not ours."""
    if not text:
        return first
    try:
        key = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as err:
        raise StoreError("this page cursor was not made here") from err
    if not isinstance(key, list) or [type(k) for k in key] != [type(f) for f in first]:
        raise StoreError("this page cursor belongs to another listing")
    return key


def inbound(body: bytes) -> Inbound:
    return _inbound.decode(body)


def entry(body: bytes) -> Entry:
    return _entry.decode(body)


def record(body: bytes) -> ComplaintRecord:
    return _record.decode(body)


CONVERSATION = (
    "c.id, c.channel, c.account, c.thread, c.sender, c.sender_name, c.owner, c.fence, c.lease_until, c.status,"
    " c.number, c.last_seq, c.opened_at, c.last_at, c.window_closes_at"
)


def conversation(row: Sequence[Any]) -> Conversation:
    """From the columns of :data:`CONVERSATION`."""
    return Conversation(
        id=row[0],
        channel=row[1],
        account=row[2],
        thread=row[3],
        sender=row[4],
        sender_name=row[5],
        owner=row[6],
        fence=row[7],
        lease_until=when_or_none(row[8]),
        status=row[9],
        number=row[10],
        last_seq=row[11],
        opened_at=when(row[12]),
        last_at=when(row[13]),
        window_closes_at=when_or_none(row[14]),
    )


SEND = (
    "o.id, o.key, o.destination, o.lane, coalesce(c.id, ''), o.number, o.kind, o.fence, o.body, o.state, o.tries,"
    " o.created_at, o.next_at, o.sent_at, o.error, o.interrupted, c.window_closes_at,"
    " EXISTS (SELECT 1 FROM blocked b WHERE b.conv = o.conv)"
)


def send(row: Sequence[Any]) -> Send:
    """From the columns of :data:`SEND` (``outbox o LEFT JOIN conversation c ON c.n = o.conv``)."""
    return Send(
        id=row[0],
        key=row[1],
        destination=row[2],
        lane=row[3],
        conversation=row[4],
        number=row[5],
        kind=row[6],
        fence=row[7],
        body=row[8],
        state=row[9],
        tries=row[10],
        created_at=when(row[11]),
        next_at=when_or_none(row[12]),
        sent_at=when_or_none(row[13]),
        error=row[14],
        interrupted=bool(row[15]),
        window_closes_at=when_or_none(row[16]),
        blocked=bool(row[17]),
    )


def found(row: Any, what: str) -> Any:
    """The row. Raises NotFound when there is none."""
    if row is None:
        raise NotFound(f"there is no {what}")
    return row
