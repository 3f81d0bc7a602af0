"""The record, its revisions and its journal."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import JournalLine
from gateway.store.journal import canonical, seal, with_revision
from normalizer.record import ComplaintRecord, Found

#: Statuses after which the next turn opens a new record, or reopens this one on purpose.
CLOSED = ("closed", "withdrawn")
RANK = {"urgent": 0, "normal": 1, "low": 2}

_decode_map = msgspec.json.Decoder(dict[str, Any])


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
    due = _due(record)
    urgency = _value(record.gravity.urgency)
    row: tuple[Any, ...] = (record.number, conv, record.revision, record.standing.status, _value(record.what.kind))
    row += (_value(record.what.category), urgency, _value(record.arrival.language), record.what.summary)
    row += (record.standing.handoff_reason, contacts(record), due, rows.micros(record.opened_at))
    row += (rows.micros(record.updated_at), numbers(record), _value(record.what.kind) == "complaint")
    (n,) = connection.execute(
        "INSERT INTO record (number, conv, revision, status, kind, category, urgency, language, summary,"
        " handoff_reason, contacts, due_at, opened_at, updated_at, numbers, to_link)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision, status = excluded.status,"
        " kind = excluded.kind, category = excluded.category, urgency = excluded.urgency,"
        " language = excluded.language, summary = excluded.summary, handoff_reason = excluded.handoff_reason,"
        " contacts = excluded.contacts, due_at = excluded.due_at, opened_at = excluded.opened_at,"
        " updated_at = excluded.updated_at, numbers = excluded.numbers, to_link = CASE WHEN excluded.to_link"
        " AND (record.kind, record.category, record.contacts, record.numbers)"
        " <> (excluded.kind, excluded.category, excluded.contacts, excluded.numbers) THEN 1 ELSE record.to_link END"
        " RETURNING n",
        row,
    ).fetchone()
    _show(connection, conv, n, record, due, urgency)
    return with_revision(journal, record, hashlib.sha256(body).hexdigest())


def _show(
    connection: sqlite3.Connection, conv: int, n: int, record: ComplaintRecord, due: int | None, urgency: str
) -> None:
    """A closed record stays shown; the open number is emptied when it was this one."""
    if record.standing.status in CLOSED:
        connection.execute(
            "UPDATE conversation SET record = max(coalesce(record, 0), ?), number = CASE WHEN number = ? THEN '' ELSE number"
            " END WHERE n = ?",
            (n, record.number, conv),
        )
        return
    connection.execute(
        "UPDATE conversation SET record = ?, number = ?, rank = ?, due_at = ? WHERE n = ?",
        (n, record.number, RANK.get(urgency, 1), rows.NEVER if due is None else due, conv),
    )


def _value(found: Found[Any] | None) -> str:
    return "" if found is None else str(found.value)


def _due(record: ComplaintRecord) -> int | None:
    """What has to be kept next: the first answer, or where none is promised the solution."""
    deadlines = record.standing.deadlines
    return rows.micros_or_none(deadlines.first_response_by or deadlines.resolve_by)


def contacts(record: ComplaintRecord) -> str:
    """Addresses and numbers of the complainant between line feeds, for :func:`find_person`."""
    who = record.who
    found = [i.split("/", 2)[-1] for i in who.identities] + [f.value for f in (*who.emails, *who.phones)]
    return "".join(f"\n{contact(f)}" for f in found) + "\n" if found else ""


def numbers(record: ComplaintRecord) -> str:
    """Order and tracking numbers, between spaces."""
    return " ".join(f.value for f in (*record.what.order_numbers, *record.what.tracking_numbers))


def to_link(connection: sqlite3.Connection, limit: int) -> tuple[ComplaintRecord, ...]:
    found = connection.execute(
        "SELECT v.body FROM record r JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        " WHERE r.to_link = 1 ORDER BY r.n LIMIT ?",
        (limit,),
    )
    return tuple(rows.record(r[0]) for r in found.fetchall())


def looked_at(connection: sqlite3.Connection, looked: Sequence[tuple[str, int]]) -> None:
    connection.executemany("UPDATE record SET to_link = 0 WHERE number = ? AND revision = ?", looked)


def contact(text: str) -> str:
    """One spelling for an address or number: lower case, and a phone number without its punctuation."""
    bare = "".join(c for c in text if c not in " -().")
    return bare if bare.lstrip("+").isdigit() else text.strip().lower()


def write_journal(connection: sqlite3.Connection, lines: Sequence[JournalLine]) -> None:
    """Chain the lines to their complaints' journals."""
    last: dict[str, tuple[int, str]] = {}
    for line in lines:
        if line.number not in last:
            last[line.number] = connection.execute(
                "SELECT n, hash FROM journal WHERE number = ? ORDER BY n DESC LIMIT 1", (line.number,)
            ).fetchone() or (0, "")
        n, prev = last[line.number]
        sealed = seal(line, n + 1, prev)
        last[line.number] = (sealed.n, sealed.hash)
        connection.execute(
            "INSERT INTO journal (number, n, what, at, by, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sealed.number,
                sealed.n,
                sealed.what,
                sealed.at.isoformat(),
                sealed.by,
                canonical(sealed.body),
                sealed.prev,
                sealed.hash,
            ),
        )


def journal(connection: sqlite3.Connection, number: str) -> tuple[JournalLine, ...]:
    found = connection.execute(
        "SELECT number, n, what, at, by, body, prev, hash FROM journal WHERE number = ? ORDER BY n", (number,)
    )
    return tuple(
        JournalLine(
            number=r[0],
            n=r[1],
            what=r[2],
            at=datetime.fromisoformat(r[3]),
            by=r[4],
            body=_decode_map.decode(r[5]),
            prev=r[6],
            hash=r[7],
        )
        for r in found.fetchall()
    )


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
