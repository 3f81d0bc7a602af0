"""Files that lie behind links: from the message that names them to the file that we keep."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from channels.base import Attachment, AttachmentState, Inbound
from gateway.store import rows
from gateway.store.attached import TO_FETCH, to_fetch, with_file
from gateway.store.base import ToFetch
from gateway.store.postgres import recordings
from gateway.store.postgres.database import Connection, changed
from gateway.store.postgres.text import shown


async def note(c: Connection, wanted: Sequence[tuple[int, int, int, int]]) -> None:
    """Note files (place, next_at, conv, seq) in the transaction of their messages."""
    places, times, convs, seqs = zip(*wanted, strict=True)
    await c.execute(
        'INSERT INTO "fetch" (inbox, place, conv, next_at) SELECT i.id, w.place, i.conv, w.next_at'
        " FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[]) w (place, next_at, conv, seq)"
        " JOIN inbox i ON i.conv = w.conv AND i.seq = w.seq ON CONFLICT DO NOTHING",
        places,
        times,
        convs,
        seqs,
    )


async def due(c: Connection, limit: int, at: int, besides: Collection[tuple[int, int]]) -> tuple[ToFetch, ...]:
    """What is to be fetched by now, the longest due first."""
    found = await c.fetch(
        f'SELECT {TO_FETCH} FROM "fetch" f JOIN inbox i ON i.id = f.inbox JOIN conversation c ON c.n = f.conv'  # noqa: S608 - our own columns
        " WHERE f.state = 'due' AND f.next_at <= $1 ORDER BY f.next_at, f.inbox, f.place LIMIT $2",
        at,
        limit + len(besides),
    )
    return to_fetch(found, limit, besides)


async def next_at(c: Connection) -> int | None:
    at: int | None = await c.fetchval("SELECT min(next_at) FROM \"fetch\" WHERE state = 'due'")
    return at


async def fetched(c: Connection, inbox_id: int, place: int, file: Attachment) -> None:
    """The file is here: the message names it from now on. Nothing happens for a person who was erased meanwhile."""
    conv = await recordings.locked(c, inbox_id)
    if not await _moved(c, inbox_id, place, "here"):
        return
    await _replace(c, inbox_id, place, file)
    await c.execute("INSERT INTO blob_use (digest, conv) VALUES ($1, $2) ON CONFLICT DO NOTHING", file.digest, conv)
    await c.execute("UPDATE recording SET digest = $1 WHERE inbox = $2 AND place = $3", file.digest, inbox_id, place)


async def tried(c: Connection, inbox_id: int, place: int, error: str, at: int) -> None:
    """It could not be fetched this time."""
    await c.execute(
        "UPDATE \"fetch\" SET tries = tries + 1, error = $1, next_at = $2 WHERE inbox = $3 AND place = $4 AND state = 'due'",
        shown(error),
        at,
        inbox_id,
        place,
    )


async def given_up(c: Connection, inbox_id: int, place: int, state: AttachmentState, reason: str, at: int) -> None:
    """It will not come; a recording of it cannot be heard."""
    await recordings.locked(c, inbox_id)
    if not await _moved(c, inbox_id, place, "gone"):
        return
    file = (await _message(c, inbox_id)).attachments[place]
    await _replace(c, inbox_id, place, msgspec.structs.replace(file, state=state, reason=reason))
    await recordings.settle(c, inbox_id, place, "failed", error=reason, transcript=None, at=at)
    await filed(c, inbox_id, place)


async def late(c: Connection, limit: int) -> tuple[ToFetch, ...]:
    """Files that came after their message was worked on: its record does not know them yet."""
    found = await c.fetch(
        f'SELECT {TO_FETCH} FROM "fetch" f JOIN inbox i ON i.id = f.inbox JOIN conversation c ON c.n = f.conv'  # noqa: S608 - our own columns
        " WHERE f.state = 'here' AND i.state = 'done' ORDER BY f.inbox, f.place LIMIT $1",
        limit,
    )
    return to_fetch(found, limit)


async def filed(c: Connection, inbox_id: int, place: int) -> None:
    """Nothing is left to be done about it."""
    await c.execute("DELETE FROM \"fetch\" WHERE inbox = $1 AND place = $2 AND state <> 'due'", inbox_id, place)


async def erase(c: Connection, conv: int) -> int:
    """Nothing more is fetched for a person who was erased."""
    return await changed(c, 'DELETE FROM "fetch" WHERE conv = $1', conv)


async def _moved(c: Connection, inbox_id: int, place: int, state: str) -> bool:
    done = await changed(
        c,
        "UPDATE \"fetch\" SET state = $1, error = '' WHERE inbox = $2 AND place = $3 AND state = 'due'",
        state,
        inbox_id,
        place,
    )
    return done > 0


async def _message(c: Connection, inbox_id: int) -> Inbound:
    body = await c.fetchval("SELECT body FROM inbox WHERE id = $1", inbox_id)
    return rows.inbound(rows.found(body, f"inbox row {inbox_id}"))


async def _replace(c: Connection, inbox_id: int, place: int, file: Attachment) -> None:
    message = with_file(await _message(c, inbox_id), place, file)
    await c.execute("UPDATE inbox SET body = $1 WHERE id = $2", rows.encode(message), inbox_id)
