"""Files that lie behind links: from the message that names them to the file that we keep."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from channels.base import Attachment, AttachmentState
from gateway.store import rows
from gateway.store.attached import TO_FETCH, to_fetch, with_file
from gateway.store.base import ToFetch
from gateway.store.sqlite import recordings


def note(connection: sqlite3.Connection, wanted: Sequence[tuple[int, int, int, int]]) -> None:
    """Note files (place, next_at, conv, seq) in the transaction of their messages."""
    connection.executemany(
        "INSERT OR IGNORE INTO fetch (inbox, place, conv, next_at) SELECT id, ?, conv, ? FROM inbox WHERE conv = ? AND seq = ?",
        wanted,
    )


def due(
    connection: sqlite3.Connection, limit: int, at: int, besides: Collection[tuple[int, int]]
) -> tuple[ToFetch, ...]:
    """What is to be fetched by now, the longest due first."""
    found = connection.execute(
        f"SELECT {TO_FETCH} FROM fetch f JOIN inbox i ON i.id = f.inbox"  # noqa: S608 - our own columns
        " JOIN conversation c ON c.n = f.conv WHERE f.state = 'due' AND f.next_at <= ? ORDER BY f.next_at, f.inbox LIMIT ?",
        (at, limit + len(besides)),
    )
    return to_fetch(found.fetchall(), limit, besides)


def next_at(connection: sqlite3.Connection) -> int | None:
    row: tuple[int | None] = connection.execute("SELECT min(next_at) FROM fetch WHERE state = 'due'").fetchone()
    return row[0]


def fetched(connection: sqlite3.Connection, inbox_id: int, place: int, file: Attachment) -> None:
    """The file is here: the message names it from now on. Nothing happens for a person who was erased meanwhile."""
    if not _moved(connection, inbox_id, place, "here"):
        return
    conv = _replaced(connection, inbox_id, place, file)
    connection.execute("INSERT OR IGNORE INTO blob_use (digest, conv) VALUES (?, ?)", (file.digest, conv))
    connection.execute("UPDATE recording SET digest = ? WHERE inbox = ? AND place = ?", (file.digest, inbox_id, place))


def tried(connection: sqlite3.Connection, inbox_id: int, place: int, error: str, at: int) -> None:
    """It could not be fetched this time."""
    connection.execute(
        "UPDATE fetch SET tries = tries + 1, error = ?, next_at = ? WHERE inbox = ? AND place = ? AND state = 'due'",
        (error, at, inbox_id, place),
    )


def given_up(
    connection: sqlite3.Connection, inbox_id: int, place: int, state: AttachmentState, reason: str, at: int
) -> None:
    """It will not come; a recording of it cannot be heard."""
    if not _moved(connection, inbox_id, place, "gone"):
        return
    row = connection.execute("SELECT body FROM inbox WHERE id = ?", (inbox_id,)).fetchone()
    file = rows.inbound(row[0]).attachments[place]
    _replaced(connection, inbox_id, place, msgspec.structs.replace(file, state=state, reason=reason))
    recordings.settle(connection, inbox_id, place, "failed", error=reason, transcript=None, at=at)
    filed(connection, inbox_id, place)


def late(connection: sqlite3.Connection, limit: int) -> tuple[ToFetch, ...]:
    """Files that came after their message was worked on: its record does not know them yet."""
    found = connection.execute(
        f"SELECT {TO_FETCH} FROM fetch f JOIN inbox i ON i.id = f.inbox"  # noqa: S608 - our own columns
        " JOIN conversation c ON c.n = f.conv WHERE f.state = 'here' AND i.state = 'done' ORDER BY f.inbox LIMIT ?",
        (limit,),
    )
    return to_fetch(found.fetchall(), limit)


def filed(connection: sqlite3.Connection, inbox_id: int, place: int) -> None:
    """Nothing is left to be done about it."""
    connection.execute("DELETE FROM fetch WHERE inbox = ? AND place = ? AND state <> 'due'", (inbox_id, place))


def erase(connection: sqlite3.Connection, conv: int) -> int:
    """Nothing more is fetched for a person who was erased."""
    return connection.execute("DELETE FROM fetch WHERE conv = ?", (conv,)).rowcount


def _moved(connection: sqlite3.Connection, inbox_id: int, place: int, state: str) -> bool:
    done = connection.execute(
        "UPDATE fetch SET state = ?, error = '' WHERE inbox = ? AND place = ? AND state = 'due'",
        (state, inbox_id, place),
    )
    return done.rowcount > 0


def _replaced(connection: sqlite3.Connection, inbox_id: int, place: int, file: Attachment) -> int:
    row = connection.execute("SELECT body, conv FROM inbox WHERE id = ?", (inbox_id,)).fetchone()
    body, conv = rows.found(row, f"inbox row {inbox_id}")
    changed = with_file(rows.inbound(body), place, file)
    connection.execute("UPDATE inbox SET body = ? WHERE id = ?", (rows.encode(changed), inbox_id))
    return int(conv)
