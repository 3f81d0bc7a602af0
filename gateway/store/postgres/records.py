"""The record, its revisions and its journal. Whoever revises a record holds its row, so that nobody writes beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from gateway.store import cases, rows
from gateway.store.base import JournalLine
from gateway.store.journal import with_revision
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import all_kept, back, kept, read
from normalizer.record import ComplaintRecord

#: First half of the journals' advisory locks. A journal may begin before its record is there.
JOURNAL = 25532776


async def revisions_of(c: Connection, numbers: Collection[str]) -> dict[str, int]:
    """The stored revisions, which nobody else revises before this transaction ends; without those that are not there."""
    if not numbers:
        return {}
    found = await c.fetch(
        "SELECT number, revision FROM record WHERE number = ANY($1::text[]) ORDER BY number FOR NO KEY UPDATE",
        all_kept(numbers),
    )
    return {back(row["number"]): row["revision"] for row in found}


async def revision(c: Connection, number: str) -> int:
    """The stored revision, which nobody else revises before this transaction ends; 0 when there is none."""
    return (await revisions_of(c, [number])).get(number, 0)


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
    digests = await write_all(c, [(conv, record)])
    return with_revision(journal, record, digests[record.number])


_WRITE = f"""
WITH written AS (
    INSERT INTO record AS r ({cases.COLUMNS}, conv)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::boolean[], $16::bigint[])
    ON CONFLICT (number) DO UPDATE SET revision = excluded.revision, status = excluded.status,
        kind = excluded.kind, category = excluded.category, urgency = excluded.urgency,
        language = excluded.language, summary = excluded.summary, handoff_reason = excluded.handoff_reason,
        contacts = excluded.contacts, due_at = excluded.due_at, opened_at = excluded.opened_at,
        updated_at = excluded.updated_at, numbers = excluded.numbers, to_link = r.to_link OR excluded.to_link
        AND (r.kind, r.category, r.contacts, r.numbers)
        <> (excluded.kind, excluded.category, excluded.contacts, excluded.numbers)
    RETURNING number, n
), revised AS (
    INSERT INTO record_revision (number, revision, body)
    SELECT * FROM unnest($1::text[], $2::bigint[], $17::bytea[])
)
UPDATE conversation c SET
    record = CASE WHEN closed THEN greatest(coalesce(c.record, 0), written.n) ELSE written.n END,
    number = CASE WHEN NOT closed THEN written.number WHEN c.number = written.number THEN '' ELSE c.number END,
    rank = CASE WHEN closed THEN c.rank ELSE k.rank END,
    due_at = CASE WHEN closed THEN c.due_at ELSE coalesce(k.due_at, {rows.NEVER}) END
FROM unnest($1::text[], $16::bigint[], $11::bigint[], $18::smallint[], $19::boolean[]) k (number, conv, due_at, rank, closed)
    JOIN written ON written.number = k.number
WHERE c.n = k.conv
"""  # noqa: S608 - our own columns


async def write_all(c: Connection, revised: Sequence[tuple[int, ComplaintRecord]]) -> dict[str, str]:
    """Add revisions of different records, each with its conversation, which follows it; the bodies' sha256 (hex) by number.

    A closed record stays shown; the open number is emptied when it was this one.
    """
    if not revised:
        return {}
    bodies = [rows.encode(record) for _, record in revised]
    made = [(*cases.columns(record), conv) for conv, record in revised]
    await c.execute(
        _WRITE,
        *zip(*([kept(value) if isinstance(value, str) else value for value in row] for row in made), strict=True),
        bodies,
        [cases.rank(record) for _, record in revised],
        [record.standing.status in cases.CLOSED for _, record in revised],
    )
    return {record.number: hashlib.sha256(body).hexdigest() for (_, record), body in zip(revised, bodies, strict=True)}


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
    """Chain the lines to their complaints' journals, which nobody else goes on with before this transaction ends."""
    if not lines:
        return
    numbers = list({line.number for line in lines})
    await c.execute(
        f"SELECT pg_advisory_xact_lock({JOURNAL}, h)"  # noqa: S608 - a number of ours
        " FROM (SELECT DISTINCT hashtext(number) AS h FROM unnest($1::text[]) AS l(number) ORDER BY h) AS ordered",
        numbers,
    )
    last = await c.fetch(
        "SELECT j.number, j.n, j.hash FROM unnest($1::text[]) AS l(number) CROSS JOIN LATERAL"
        " (SELECT number, n, hash FROM journal WHERE journal.number = l.number ORDER BY n DESC LIMIT 1) j",
        numbers,
    )
    sealed = cases.sealed(lines, {r[0]: (r[1], r[2]) for r in last})
    await c.execute(
        f"INSERT INTO journal ({cases.JOURNAL}) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[],"  # noqa: S608
        " $5::text[], $6::bytea[], $7::text[], $8::text[])",
        *zip(*(cases.journal_row(line) for line in sealed), strict=True),
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
