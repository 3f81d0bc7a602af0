"""What a claimed conversation brings along: from rows to work, the same in every store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import Recording, WorkItem

#: Most open messages of one conversation in one piece of work; the rest comes with the next claim.
ITEMS = 100


def item(row: Sequence[Any]) -> WorkItem:
    """From an open inbox row's id, key, seq, body, received_at and tries."""
    return WorkItem(
        inbox_id=row[0],
        key=row[1],
        seq=row[2],
        message=rows.inbound(row[3]),
        received_at=rows.when(row[4]),
        tries=row[5],
    )


def with_files(items: Sequence[WorkItem]) -> list[int]:
    """The rows that may have recordings. Most messages have no file, and nothing is asked for them."""
    return [each.inbox_id for each in items if each.message.attachments]


def with_recordings(items: Sequence[WorkItem], found: Mapping[int, tuple[Recording, ...]]) -> tuple[WorkItem, ...]:
    """The items with what ``found`` has of their recordings, by inbox id."""
    if not found:
        return tuple(items)
    return tuple(msgspec.structs.replace(each, recordings=found.get(each.inbox_id, ())) for each in items)
