"""Albums: pictures that a platform delivers one by one and that were sent as one message.

Each picture is a row of its own, accepted and acknowledged by itself, so nothing is kept back that is not durable. The
flow waits until no more of them come, a moment, and works on them as one message: one answer, one set of evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.store.base import WorkItem

#: So long after its last picture an album counts as whole. Platforms name no number and no end; they send within a second.
QUIET = timedelta(seconds=2)


def whole_until(items: Sequence[WorkItem], now: datetime) -> tuple[Sequence[WorkItem], timedelta]:
    """The messages up to the first album that may still grow, and how long that one is waited for."""
    latest = _latest(items)
    for n, item in enumerate(items):
        if item.message.part_of and (left := latest[item.message.part_of] + QUIET - now) > timedelta(0):
            return items[:n], left
    return items, timedelta(0)


def joined(items: Sequence[WorkItem]) -> list[WorkItem]:
    """Each album as its one message with words, or its first; a picture with words of its own stays by itself."""
    albums: dict[str, list[WorkItem]] = defaultdict(list)
    for item in items:
        albums[_album(item)].append(item)
    found = []
    for item in items:
        album = albums[_album(item)]
        if not _album(item) or (item.message.text and item is not _head(album)):
            found.append(item)
        elif item is _head(album):
            found.append(_whole(item, album))
    return found


def _album(item: WorkItem) -> str:
    return item.message.part_of if item.message.kind == "message" else ""


def _head(album: Sequence[WorkItem]) -> WorkItem:
    return next((one for one in album if one.message.text), album[0])


def _whole(head: WorkItem, album: Sequence[WorkItem]) -> WorkItem:
    """The head with the files of the pictures that say nothing by themselves."""
    parts = [one for one in album if one is head or not one.message.text]
    files = tuple(file for one in parts for file in one.message.attachments)
    recordings = tuple(found for one in parts for found in one.recordings)
    message = msgspec.structs.replace(head.message, attachments=files)
    return msgspec.structs.replace(head, message=message, recordings=recordings)


def _latest(items: Sequence[WorkItem]) -> dict[str, datetime]:
    latest: dict[str, datetime] = {}
    for item in items:
        name = item.message.part_of
        latest[name] = max(latest.get(name, item.received_at), item.received_at)
    return latest
