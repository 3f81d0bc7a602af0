"""Erasing a person: words, names, addresses and files' names go; counts, times and categories stay.

What was quarantined belongs to no conversation and is dropped by hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import rows, stripped
from gateway.store.base import JournalLine
from gateway.store.journal import canonical, erased, with_digests
from gateway.store.sqlite import contacts, files, flow, memory, outbox, recordings, records


def erase(connection: sqlite3.Connection, id: str, *, at: datetime, by: str) -> int:
    """How many rows changed. What waits to be sent to the person is put aside, what waits to be read is closed."""
    conv, _, _ = flow.checked(connection, id, None)
    numbers = [n for (n,) in connection.execute("SELECT number FROM record WHERE conv = ?", (conv,)).fetchall()]
    _outbox(connection, conv)
    changed = _bodies(connection, "inbox", "id", conv, rows.inbound, stripped.inbound)
    changed += _bodies(connection, "timeline", "seq", conv, rows.entry, stripped.entry)
    connection.execute(
        "UPDATE inbox SET raw = x'', error = '', state = 'done', state_at = CASE state WHEN 'done' THEN state_at ELSE ?"
        " END WHERE conv = ?",
        (rows.micros(at), conv),
    )
    changed += _count(connection, "UPDATE trace SET body = x'' WHERE conv = ?", conv)
    changed += _count(connection, "UPDATE record SET summary = '', contacts = '', numbers = '' WHERE conv = ?", conv)
    changed += _count(connection, "DELETE FROM blob_use WHERE conv = ?", conv)
    changed += recordings.erase(connection, conv) + files.erase(connection, conv)
    changed += memory.erase(connection, conv) + contacts.erase(connection, conv)
    for number in numbers:
        changed += _revisions(connection, number) + _journal(connection, number)
        line = JournalLine(number=number, what="erased", at=at, by=by)
        records.write_journal(connection, [with_digests(line, records.revision_digests(connection, number))])
    changed += _count(
        connection,
        # Nobody waits any more, and no agent could answer.
        "UPDATE conversation SET thread = '', sender = '', sender_name = '', sender_email = '', sender_phone = '',"
        " last_text = '', state = x'', erased_at = ?2, owner = 'bot', fence = fence + 1, lease_until = NULL,"
        " waiting_since = NULL, unanswered = 0,"
        " status = CASE WHEN status IN ('resolved', 'closed', 'withdrawn') THEN status ELSE 'closed' END WHERE n = ?1",
        conv,
        rows.micros(at),
    )
    return changed


def _count(connection: sqlite3.Connection, sql: str, *values: Any) -> int:
    return connection.execute(sql, values).rowcount


def _outbox(connection: sqlite3.Connection, conv: int) -> None:
    waiting = connection.execute(
        "SELECT id, lane FROM outbox WHERE conv = ? AND state NOT IN ('sent', 'superseded')", (conv,)
    ).fetchall()
    connection.execute("UPDATE outbox SET body = '{}', error = '' WHERE conv = ?", (conv,))
    for id, lane in waiting:
        outbox.end(connection, id, lane, "superseded", "the person's data was erased")


def _bodies(
    connection: sqlite3.Connection,
    table: str,
    key: str,
    conv: int,
    read: Callable[[bytes], Any],
    strip: Callable[[Any], Any],
) -> int:
    found = connection.execute(f"SELECT {key}, body FROM {table} WHERE conv = ?", (conv,)).fetchall()  # noqa: S608
    connection.executemany(
        f"UPDATE {table} SET body = ? WHERE conv = ? AND {key} = ?",  # noqa: S608
        [(rows.encode(strip(read(body))), conv, k) for k, body in found],
    )
    return len(found)


def _revisions(connection: sqlite3.Connection, number: str) -> int:
    """All revisions are stripped, and one more is added: who read the record before cannot write it back as the next."""
    found = connection.execute(
        "SELECT revision, body FROM record_revision WHERE number = ? ORDER BY revision", (number,)
    ).fetchall()
    last, body = found[-1]
    connection.execute(
        "INSERT INTO record_revision (number, revision, body) VALUES (?, ?, ?)",
        (number, last + 1, rows.encode(msgspec.structs.replace(stripped.record(rows.record(body)), revision=last + 1))),
    )
    connection.execute("UPDATE record SET revision = ? WHERE number = ?", (last + 1, number))
    connection.executemany(
        "UPDATE record_revision SET body = ? WHERE number = ? AND revision = ?",
        [(rows.encode(stripped.record(rows.record(body))), number, revision) for revision, body in found],
    )
    return len(found)


def _journal(connection: sqlite3.Connection, number: str) -> int:
    lines = records.journal(connection, number)
    connection.executemany(
        "UPDATE journal SET body = ? WHERE number = ? AND n = ?",
        [(canonical(erased(line.body)), number, line.n) for line in lines],
    )
    return len(lines)
