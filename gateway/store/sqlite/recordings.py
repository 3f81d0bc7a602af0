"""Recordings that came with messages: from waiting to be heard to their transcripts."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from gateway.store import rows
from gateway.store.attached import RECORDING, TO_HEAR, by_row, recording, to_hear, transcript
from gateway.store.base import NO_COPY, Recording, RecordingState, ToHear
from transcription.base import Transcript


def wait(connection: sqlite3.Connection, conv: int, inbox_id: int, places: Sequence[tuple[int, str]], at: int) -> None:
    """Note the recordings (place, digest) of an open row, which waits from now on until they are heard."""
    done = connection.execute(
        "UPDATE inbox SET state = 'wait', state_at = ? WHERE id = ? AND conv = ? AND state = 'open'",
        (at, inbox_id, conv),
    )
    if done.rowcount:
        connection.executemany(
            "INSERT OR IGNORE INTO recording (inbox, place, conv, digest) VALUES (?, ?, ?, ?)",
            [(inbox_id, place, conv, digest) for place, digest in places],
        )


def of_rows(connection: sqlite3.Connection, inbox_ids: Collection[int]) -> dict[int, tuple[Recording, ...]]:
    """The recordings of some inbox rows."""
    found = connection.execute(
        f"SELECT {RECORDING} FROM recording r WHERE r.inbox IN (SELECT value FROM json_each(?)) ORDER BY r.inbox, r.place",  # noqa: S608 - our own columns
        (rows.encode(list(inbox_ids)).decode(),),
    )
    return by_row(found.fetchall())


def of_conversation(connection: sqlite3.Connection, conversation: str) -> tuple[Recording, ...]:
    found = connection.execute(
        f"SELECT {RECORDING} FROM conversation c JOIN recording r ON r.conv = c.n WHERE c.id = ? ORDER BY r.inbox, r.place",  # noqa: S608 - our own columns
        (conversation,),
    )
    return tuple(map(recording, found.fetchall()))


def waiting(connection: sqlite3.Connection, limit: int, besides: Collection[tuple[int, int]]) -> tuple[ToHear, ...]:
    """What is here and to be heard, oldest first: rows that hold their conversation back before those that do not."""
    found = connection.execute(
        f"SELECT {TO_HEAR} FROM recording r INDEXED BY recording_waiting"  # noqa: S608 - our own columns
        " JOIN inbox i ON i.id = r.inbox JOIN conversation c ON c.n = r.conv"
        " WHERE r.state = 'waiting' AND r.digest <> '' ORDER BY i.state <> 'wait', r.inbox LIMIT ?",
        (limit + len(besides),),
    )
    return to_hear(found.fetchall(), limit, besides)


def known(connection: sqlite3.Connection, digest: str) -> Transcript | None:
    """What was heard before in a file with the same bytes."""
    row = connection.execute(
        "SELECT body FROM recording WHERE digest = ? AND state = 'heard' LIMIT 1", (digest,)
    ).fetchone()
    return None if row is None else transcript(row[0])


def settle(
    connection: sqlite3.Connection,
    inbox_id: int,
    place: int,
    state: RecordingState,
    *,
    error: str,
    transcript: Transcript | None,
    at: int,
) -> None:
    """What became of a recording, once. When it was the message's last one, the message is worked on (again)."""
    body = b"" if transcript is None else rows.encode(transcript)
    done = connection.execute(
        "UPDATE recording SET state = ?, error = ?, body = ? WHERE inbox = ? AND place = ? AND state = 'waiting'",
        (state, error, body, inbox_id, place),
    )
    if done.rowcount:
        connection.execute(
            "UPDATE inbox SET state = 'open', state_at = ?1 WHERE id = ?2 AND state IN ('wait', 'done') AND NOT EXISTS"
            " (SELECT 1 FROM recording WHERE inbox = ?2 AND state = 'waiting')",
            (at, inbox_id),
        )


def tried(connection: sqlite3.Connection, inbox_id: int, place: int, error: str) -> None:
    """It could not be fetched or heard this time, and waits on."""
    connection.execute(
        "UPDATE recording SET tries = tries + 1, error = ? WHERE inbox = ? AND place = ? AND state = 'waiting'",
        (error, inbox_id, place),
    )


def defer(connection: sqlite3.Connection, before: int, at: int) -> int:
    """Let messages that wait since ``before`` go on without their transcripts; their recordings are heard later."""
    done = connection.execute(
        "UPDATE inbox SET state = 'open', state_at = ? WHERE state = 'wait' AND state_at <= ?", (at, before)
    )
    return done.rowcount


def uncopied(connection: sqlite3.Connection, limit: int) -> tuple[Recording, ...]:
    found = connection.execute(
        f"SELECT {RECORDING} FROM recording r INDEXED BY recording_uncopied"  # noqa: S608 - our own columns
        " WHERE r.state = 'heard' AND r.copy = '' ORDER BY r.inbox LIMIT ?",
        (limit,),
    )
    return tuple(map(recording, found.fetchall()))


def copied(connection: sqlite3.Connection, digest: str, copy: str) -> tuple[str, ...]:
    """The copy goes where the recording goes: it is named, and erased, with the same conversations."""
    of = (digest, copy)
    connection.execute("UPDATE recording SET copy = ?2 WHERE digest = ?1 AND state = 'heard' AND copy = ''", of)
    if copy != NO_COPY:
        connection.execute(
            "INSERT OR IGNORE INTO blob_use (digest, conv) SELECT ?2, conv FROM recording WHERE digest = ?1", of
        )
    found = connection.execute(
        "SELECT DISTINCT c.id FROM recording r JOIN conversation c ON c.n = r.conv WHERE r.digest = ?", (digest,)
    )
    return tuple(id for (id,) in found.fetchall())


def erase(connection: sqlite3.Connection, conv: int) -> int:
    """What was said in a conversation's recordings goes with its files."""
    return connection.execute("DELETE FROM recording WHERE conv = ?", (conv,)).rowcount
