"""The lines of a timeline, between their rows and what is shown of them: the same in every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import Entry
from normalizer.mask import mask

#: Characters of a mail with its quoted history that a line carries along: long threads repeat themselves.
MOST_WHOLE = 20_000


def placed(entries: Sequence[Entry], seq: int) -> list[Entry]:
    """The entries after line ``seq``, as they are stored."""
    return [msgspec.structs.replace(e, seq=seq + n, text=mask(e.text)) for n, e in enumerate(entries, start=1)]


def inbound(row: Sequence[Any]) -> Entry:
    """From an inbox row's seq, key, provider_at, refers_to, version, visible and body."""
    seq, key, at, refers_to, version, visible, body = row
    message = rows.inbound(body)
    shown = mask(message.text)
    return Entry(
        seq=seq,
        kind="inbound",
        at=rows.when(at),
        key=key,
        text=shown,
        author="customer",
        author_name=message.sender.name,
        visible=bool(visible),
        attachments=message.attachments,
        choice=message.choice,
        language=message.language,
        refers_to=refers_to,
        version=version,
        deleted=message.kind == "delete",
        external_id=message.external_id,
        placeholder=message.placeholder,
        subject=mask(message.subject),
        machine=message.machine,
        whole=mask(message.whole[:MOST_WHOLE]),
        covered=shown is not message.text and shown != message.text,
    )


def other(row: Sequence[Any]) -> Entry:
    """From a timeline row's seq and body."""
    return rows.entry(row[1])
