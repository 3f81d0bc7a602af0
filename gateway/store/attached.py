"""Files and recordings that came with messages, as rows: the same in every store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from channels.base import Attachment, Inbound
from gateway.store import rows
from gateway.store.base import Recording, ToFetch, ToHear
from transcription.base import Transcript

transcript = msgspec.json.Decoder(Transcript).decode

RECORDING = "r.inbox, r.place, r.digest, r.state, r.tries, r.error, r.body, r.copy"


def recording(row: Any) -> Recording:
    """From the columns of :data:`RECORDING`."""
    return Recording(
        inbox_id=row[0],
        place=row[1],
        digest=row[2],
        state=row[3],
        tries=row[4],
        error=row[5],
        transcript=transcript(row[6]) if row[6] else None,
        copy=row[7],
    )


def by_row(found: Iterable[Any]) -> dict[int, tuple[Recording, ...]]:
    """The recordings of each inbox row."""
    made: dict[int, tuple[Recording, ...]] = {}
    for row in found:
        made[row[0]] = (*made.get(row[0], ()), recording(row))
    return made


TO_HEAR = f"{RECORDING}, c.id, c.number, i.body"


def to_hear(found: Iterable[Any], limit: int, besides: Collection[tuple[int, int]]) -> tuple[ToHear, ...]:
    """From rows of :data:`TO_HEAR`, ``limit`` of them but ``besides`` (inbox id, place)."""
    made = (
        ToHear(recording=recording(row), conversation=row[8], number=row[9], message=rows.inbound(row[10]))
        for row in found
        if (row[0], row[1]) not in besides
    )
    return tuple(made)[:limit]


TO_FETCH = "f.inbox, f.place, f.tries, c.id, i.body"


def to_fetch(found: Iterable[Any], limit: int, besides: Collection[tuple[int, int]] = ()) -> tuple[ToFetch, ...]:
    """From rows of :data:`TO_FETCH`, ``limit`` of them but ``besides`` (inbox id, place)."""
    made = (
        ToFetch(inbox_id=row[0], place=row[1], tries=row[2], conversation=row[3], message=rows.inbound(row[4]))
        for row in found
        if (row[0], row[1]) not in besides
    )
    return tuple(made)[:limit]


def with_file(message: Inbound, place: int, file: Attachment) -> Inbound:
    """The message with this file as attachment number ``place``."""
    changed = tuple(file if n == place else one for n, one in enumerate(message.attachments))
    return msgspec.structs.replace(message, attachments=changed)
