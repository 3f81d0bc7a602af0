"""Recordings that came with messages: from waiting to be heard to their transcripts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.store import rows
from gateway.store.attached import RECORDING, TO_HEAR, by_row, recording, to_hear, transcript
from gateway.store.base import NO_COPY, Recording, RecordingState, ToHear
from gateway.store.postgres.database import Connection, changed
from gateway.store.postgres.text import shown
from transcription.base import Transcript


async def locked(c: Connection, inbox_id: int) -> int | None:
    """The conversation of an inbox row, which nobody else changes until the transaction ends."""
    conv: int | None = await c.fetchval(
        "SELECT n FROM conversation WHERE n = (SELECT conv FROM inbox WHERE id = $1) FOR UPDATE", inbox_id
    )
    return conv


async def wait(c: Connection, conv: int, inbox_id: int, places: Sequence[tuple[int, str]], at: int) -> None:
    """Note the recordings (place, digest) of an open row, which waits from now on until they are heard."""
    if await locked(c, inbox_id) != conv:
        return
    done = await changed(
        c, "UPDATE inbox SET state = 'wait', state_at = $1 WHERE id = $2 AND state = 'open'", at, inbox_id
    )
    if done:
        await c.execute(
            "INSERT INTO recording (inbox, place, conv, digest) SELECT $1, p.place, $2, p.digest"
            " FROM unnest($3::integer[], $4::text[]) p (place, digest) ON CONFLICT DO NOTHING",
            inbox_id,
            conv,
            [place for place, _ in places],
            [digest for _, digest in places],
        )


async def of_rows(c: Connection, inbox_ids: Collection[int]) -> dict[int, tuple[Recording, ...]]:
    """The recordings of some inbox rows."""
    found = await c.fetch(
        f"SELECT {RECORDING} FROM recording r WHERE r.inbox = ANY($1::bigint[]) ORDER BY r.inbox, r.place",  # noqa: S608 - our own columns
        list(inbox_ids),
    )
    return by_row(found)


async def of_conversation(c: Connection, conversation: str) -> tuple[Recording, ...]:
    found = await c.fetch(
        f"SELECT {RECORDING} FROM conversation c JOIN recording r ON r.conv = c.n WHERE c.id = $1 ORDER BY r.inbox, r.place",  # noqa: S608 - our own columns
        conversation,
    )
    return tuple(map(recording, found))


async def waiting(c: Connection, limit: int, besides: Collection[tuple[int, int]]) -> tuple[ToHear, ...]:
    """What is here and to be heard, oldest first: rows that hold their conversation back before those that do not."""
    found = await c.fetch(
        f"SELECT {TO_HEAR} FROM recording r"  # noqa: S608 - our own columns
        " JOIN inbox i ON i.id = r.inbox JOIN conversation c ON c.n = r.conv"
        " WHERE r.state = 'waiting' AND r.digest <> '' ORDER BY i.state <> 'wait', r.inbox, r.place LIMIT $1",
        limit + len(besides),
    )
    return to_hear(found, limit, besides)


async def known(c: Connection, digest: str) -> Transcript | None:
    """What was heard before in a file with the same bytes."""
    body = await c.fetchval("SELECT body FROM recording WHERE digest = $1 AND state = 'heard' LIMIT 1", digest)
    return None if body is None else transcript(body)


async def settle(
    c: Connection,
    inbox_id: int,
    place: int,
    state: RecordingState,
    *,
    error: str,
    transcript: Transcript | None,
    at: int,
) -> None:
    """What became of a recording, once. When it was the message's last one, the message is worked on (again)."""
    # Two nodes that settle two recordings of one message must see each other, or nobody opens it.
    await locked(c, inbox_id)
    done = await changed(
        c,
        "UPDATE recording SET state = $1, error = $2, body = $3 WHERE inbox = $4 AND place = $5 AND state = 'waiting'",
        state,
        shown(error),
        b"" if transcript is None else rows.encode(transcript),
        inbox_id,
        place,
    )
    if done:
        await c.execute(
            "UPDATE inbox SET state = 'open', state_at = $1 WHERE id = $2 AND state IN ('wait', 'done') AND NOT EXISTS"
            " (SELECT 1 FROM recording WHERE inbox = $2 AND state = 'waiting')",
            at,
            inbox_id,
        )


async def tried(c: Connection, inbox_id: int, place: int, error: str) -> None:
    """It could not be fetched or heard this time, and waits on."""
    await c.execute(
        "UPDATE recording SET tries = tries + 1, error = $1 WHERE inbox = $2 AND place = $3 AND state = 'waiting'",
        shown(error),
        inbox_id,
        place,
    )


async def defer(c: Connection, before: int, at: int) -> int:
    """Let messages that wait since ``before`` go on without their transcripts; their recordings are heard later."""
    return await changed(
        c, "UPDATE inbox SET state = 'open', state_at = $1 WHERE state = 'wait' AND state_at <= $2", at, before
    )


async def uncopied(c: Connection, limit: int) -> tuple[Recording, ...]:
    found = await c.fetch(
        f"SELECT {RECORDING} FROM recording r WHERE r.state = 'heard' AND r.copy = '' ORDER BY r.inbox, r.place LIMIT $1",  # noqa: S608 - our own columns
        limit,
    )
    return tuple(map(recording, found))


async def copied(c: Connection, digest: str, copy: str) -> tuple[str, ...]:
    """The copy goes where the recording goes: it is named, and erased, with the same conversations."""
    homes = await c.fetch(
        "SELECT id FROM conversation WHERE n IN (SELECT conv FROM recording WHERE digest = $1) ORDER BY n FOR UPDATE",
        digest,
    )
    await c.execute("UPDATE recording SET copy = $2 WHERE digest = $1 AND state = 'heard' AND copy = ''", digest, copy)
    if copy != NO_COPY:
        await c.execute(
            "INSERT INTO blob_use (digest, conv) SELECT DISTINCT $2::text, conv FROM recording WHERE digest = $1"
            " ORDER BY conv ON CONFLICT DO NOTHING",
            digest,
            copy,
        )
    return tuple(home["id"] for home in homes)


async def erase(c: Connection, conv: int) -> int:
    """What was said in a conversation's recordings goes with its files."""
    return await changed(c, "DELETE FROM recording WHERE conv = $1", conv)
