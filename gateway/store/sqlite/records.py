"""The record, its revisions and its journal."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from gateway.store import cases, rows
from gateway.store.base import JournalLine
from gateway.store.journal import with_revision
from normalizer.record import ComplaintRecord


def revision(connection: sqlite3.Connection, number: str) -> int:
    """The stored revision; 0 when there is none."""
    row = connection.execute("SELECT revision FROM record WHERE number = ?", (number,)).fetchone()
    return 0 if row is None else int(row[0])


def unchanged(connection: sqlite3.Connection, record: ComplaintRecord) -> bool:
    """Whether exactly this revision stands there already."""
    row = connection.execute(
        "SELECT body FROM record_revision WHERE number = ? AND revision = ?", (record.number, record.revision)
    ).fetchone()
    return row is not None and rows.record(row[0]) == record


def write(
    connection: sqlite3.Connection, conv: int, record: ComplaintRecord, journal: Sequence[JournalLine]
) -> tuple[JournalLine, ...]:
    """Add the revision and make it the current one; the conversation follows it. The lines, with the revision's hash."""
    body = rows.encode(record)
    connection.execute(
        "INSERT INTO record_revision (number, revision, body) VALUES (?, ?, ?)", (record.number, record.revision, body)
    )
    (n,) = connection.execute(
        f"INSERT INTO record ({cases.COLUMNS}, conv)"  # noqa: S608 - our own columns
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision, status = excluded.status,"
        " kind = excluded.kind, category = excluded.category, urgency = excluded.urgency,"
        " language = excluded.language, summary = excluded.summary, handoff_reason = excluded.handoff_reason,"
        " contacts = excluded.contacts, due_at = excluded.due_at, opened_at = excluded.opened_at,"
        " updated_at = excluded.updated_at, numbers = excluded.numbers, to_link = CASE WHEN excluded.to_link"
        " AND (record.kind, record.category, record.contacts, record.numbers)"
        " <> (excluded.kind, excluded.category, excluded.contacts, excluded.numbers) THEN 1 ELSE record.to_link END"
        " RETURNING n",
        (*cases.columns(record), conv),
    ).fetchone()
    _show(connection, conv, n, record)
    return with_revision(journal, record, hashlib.sha256(body).hexdigest())


def _show(connection: sqlite3.Connection, conv: int, n: int, record: ComplaintRecord) -> None:
    """A closed record stays shown; the open number is emptied when it was this one."""
    if record.standing.status in cases.CLOSED:
        connection.execute(
            "UPDATE conversation SET record = max(coalesce(record, 0), ?), number = CASE WHEN number = ? THEN '' ELSE number"
            " END WHERE n = ?",
            (n, record.number, conv),
        )
        return
    due = cases.due(record)
    connection.execute(
        "UPDATE conversation SET record = ?, number = ?, rank = ?, due_at = ? WHERE n = ?",
        (n, record.number, cases.rank(record), rows.NEVER if due is None else due, conv),
    )


def to_link(connection: sqlite3.Connection, limit: int) -> tuple[ComplaintRecord, ...]:
    found = connection.execute(
        "SELECT v.body FROM record r JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        " WHERE r.to_link = 1 ORDER BY r.n LIMIT ?",
        (limit,),
    )
    return tuple(rows.record(r[0]) for r in found.fetchall())


def looked_at(connection: sqlite3.Connection, looked: Sequence[tuple[str, int]]) -> None:
    connection.executemany("UPDATE record SET to_link = 0 WHERE number = ? AND revision = ?", looked)


def write_journal(connection: sqlite3.Connection, lines: Sequence[JournalLine]) -> None:
    """Chain the lines to their complaints' journals."""
    last: dict[str, tuple[int, str]] = {}
    for number in {line.number for line in lines}:
        row = connection.execute(
            "SELECT n, hash FROM journal WHERE number = ? ORDER BY n DESC LIMIT 1", (number,)
        ).fetchone()
        if row is not None:
            last[number] = row
    connection.executemany(
        f"INSERT INTO journal ({cases.JOURNAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own columns
        [cases.journal_row(line) for line in cases.sealed(lines, last)],
    )


def journal(connection: sqlite3.Connection, number: str) -> tuple[JournalLine, ...]:
    found = connection.execute(
        f"SELECT {cases.JOURNAL} FROM journal WHERE number = ? ORDER BY n",  # noqa: S608 - our own columns
        (number,),
    )
    return tuple(cases.journal_line(r) for r in found.fetchall())


def get(connection: sqlite3.Connection, number: str) -> ComplaintRecord:
    row = connection.execute(
        "SELECT v.body FROM record r JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        " WHERE r.number = ?",
        (number,),
    ).fetchone()
    return rows.record(rows.found(row, f"record {number}")[0])


def revisions(connection: sqlite3.Connection, number: str) -> tuple[ComplaintRecord, ...]:
    found = connection.execute("SELECT body FROM record_revision WHERE number = ? ORDER BY revision", (number,))
    return tuple(rows.record(r[0]) for r in found.fetchall())


def revision_digests(connection: sqlite3.Connection, number: str) -> dict[int, str]:
    """sha256 of each revision as it is stored: read back and written again it may have fields of a newer version."""
    found = connection.execute("SELECT revision, body FROM record_revision WHERE number = ?", (number,))
    return {r[0]: hashlib.sha256(r[1]).hexdigest() for r in found.fetchall()}
