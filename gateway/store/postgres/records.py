"""The record, its revisions and its journal. Whoever writes them holds the record's row, so that nobody writes beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gateway.store import cases, rows
from gateway.store.base import JournalLine
from gateway.store.journal import with_revision
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import kept, read
from normalizer.record import ComplaintRecord


async def revision(c: Connection, number: str) -> int:
    """The stored revision, which nobody else revises before this transaction ends; 0 when there is none."""
    found = await c.fetchval("SELECT revision FROM record WHERE number = $1 FOR NO KEY UPDATE", number)
    return 0 if found is None else int(found)


async def unchanged(c: Connection, record: ComplaintRecord) -> bool:
    """Whether exactly this revision stands there already."""
    body = await c.fetchval(
        "SELECT body FROM record_revision WHERE number = $1 AND revision = $2", record.number, record.revision
    )
    return body is not None and rows.record(body) == record


async def write(
    c: Connection, conv: int, record: ComplaintRecord, journal: Sequence[JournalLine]
) -> tuple[JournalLine, ...]:
    """Add the revision and make it the current one; the conversation follows it. The lines, with the revision's hash.

    A revision that somebody has written meanwhile breaks a key, and the whole operation runs again.
    """
    body = rows.encode(record)
    await c.execute(
        "INSERT INTO record_revision (number, revision, body) VALUES ($1, $2, $3)", record.number, record.revision, body
    )
    columns = [kept(value) if isinstance(value, str) else value for value in cases.columns(record)]
    n = await c.fetchval(
        f"INSERT INTO record AS r ({cases.COLUMNS}, conv)"  # noqa: S608 - our own columns
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision, status = excluded.status,"
        " kind = excluded.kind, category = excluded.category, urgency = excluded.urgency,"
        " language = excluded.language, summary = excluded.summary, handoff_reason = excluded.handoff_reason,"
        " contacts = excluded.contacts, due_at = excluded.due_at, opened_at = excluded.opened_at,"
        " updated_at = excluded.updated_at, numbers = excluded.numbers, to_link = r.to_link OR excluded.to_link"
        " AND (r.kind, r.category, r.contacts, r.numbers)"
        " <> (excluded.kind, excluded.category, excluded.contacts, excluded.numbers)"
        " RETURNING n",
        *columns,
        conv,
    )
    await _show(c, conv, n, record)
    return with_revision(journal, record, hashlib.sha256(body).hexdigest())


async def _show(c: Connection, conv: int, n: int, record: ComplaintRecord) -> None:
    """A closed record stays shown; the open number is emptied when it was this one."""
    if record.standing.status in cases.CLOSED:
        await c.execute(
            "UPDATE conversation SET record = greatest(coalesce(record, 0), $1),"
            " number = CASE WHEN number = $2 THEN '' ELSE number END WHERE n = $3",
            n,
            record.number,
            conv,
        )
        return
    due = cases.due(record)
    await c.execute(
        "UPDATE conversation SET record = $1, number = $2, rank = $3, due_at = $4 WHERE n = $5",
        n,
        record.number,
        cases.rank(record),
        rows.NEVER if due is None else due,
        conv,
    )


async def to_link(c: Connection, limit: int) -> tuple[ComplaintRecord, ...]:
    found = await c.fetch(
        "SELECT v.body FROM record r JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        " WHERE r.to_link ORDER BY r.n LIMIT $1",
        limit,
    )
    return tuple(rows.record(r[0]) for r in found)


async def looked_at(c: Connection, looked: Sequence[tuple[str, int]]) -> None:
    await c.executemany("UPDATE record SET to_link = false WHERE number = $1 AND revision = $2", sorted(looked))


async def write_journal(c: Connection, lines: Sequence[JournalLine]) -> None:
    """Chain the lines to their complaints' journals. Two that chain at once cannot both take a number: one runs again."""
    if not lines:
        return
    numbers = sorted({line.number for line in lines})
    await c.execute("SELECT 1 FROM record WHERE number = ANY($1::text[]) ORDER BY number FOR NO KEY UPDATE", numbers)
    last = await c.fetch(
        "SELECT j.number, j.n, j.hash FROM unnest($1::text[]) AS l(number) CROSS JOIN LATERAL"
        " (SELECT number, n, hash FROM journal WHERE journal.number = l.number ORDER BY n DESC LIMIT 1) j",
        numbers,
    )
    await c.executemany(
        f"INSERT INTO journal ({cases.JOURNAL}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",  # noqa: S608 - our own columns
        [cases.journal_row(line) for line in cases.sealed(lines, {r[0]: (r[1], r[2]) for r in last})],
    )


async def journal(c: Connection, number: str) -> tuple[JournalLine, ...]:
    found = await c.fetch(
        f"SELECT {cases.JOURNAL} FROM journal WHERE number = $1 ORDER BY n",  # noqa: S608 - our own columns
        number,
    )
    return tuple(cases.journal_line(read(r)) for r in found)


async def get(c: Connection, number: str) -> ComplaintRecord:
    body = await c.fetchval(
        "SELECT v.body FROM record r JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        " WHERE r.number = $1",
        number,
    )
    return rows.record(rows.found(body, f"record {number}"))


async def revisions(c: Connection, number: str) -> tuple[ComplaintRecord, ...]:
    found = await c.fetch("SELECT body FROM record_revision WHERE number = $1 ORDER BY revision", number)
    return tuple(rows.record(r[0]) for r in found)


async def revision_digests(c: Connection, number: str) -> dict[int, str]:
    """sha256 of each revision as it is stored: read back and written again it may have fields of a newer version."""
    found = await c.fetch("SELECT revision, body FROM record_revision WHERE number = $1", number)
    return {r[0]: hashlib.sha256(r[1]).hexdigest() for r in found}
