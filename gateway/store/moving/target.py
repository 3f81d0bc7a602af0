"""The PostgreSQL side of a move: rows in, rows back, journals followed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from gateway.store import cases, journal
from gateway.store.base import StoreError
from gateway.store.moving.tables import TABLES, Row, Table
from gateway.store.postgres.database import MOVING, Connection, Database

#: Rows read back at once, and journals followed at once.
PIECE = 2000
JOURNALS = 500
#: What the triggers would count is copied as well.
_COUNTED = ("inbox", "outbox")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    """An empty database with the newest schema, that no gateway serves until :func:`finish`.

    Raises StoreError when there is something in it; what an interrupted move left is removed.
    """
    database = Database(url)
    await database.open(moving=True)
    try:
        connection = await database.connect()
        try:
            await _make_empty(connection)
            yield connection
        finally:
            await connection.close()
    finally:
        await database.close()


async def _make_empty(connection: Connection) -> None:
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", MOVING):
        for name in ("conversation", "inbox", "agent", "quarantine"):
            if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {name})"):  # noqa: S608 - our own names
                raise StoreError("that database has complaints or agents in it already: name an empty one")
        await connection.execute(f"CREATE TABLE {MOVING} ()")
    await connection.execute("TRUNCATE " + ", ".join(table.quoted for table in TABLES))
    for name in _COUNTED:
        await connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")


async def write(connection: Connection, table: Table, found: Sequence[Row], *, replace: bool) -> None:
    """Write rows, in place of those with the same keys with ``replace``."""
    if not found:
        return
    if not replace:
        await connection.copy_records_to_table(table.name, records=found, columns=table.columns)
        return
    same = " AND ".join(f"t.{column} = i.{column}" for column in table.columns[: table.key])
    columns = ", ".join(table.columns)
    async with connection.transaction():
        await connection.execute(
            f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM {table.quoted} LIMIT 0"  # noqa: S608
        )
        await connection.copy_records_to_table("incoming", records=found, columns=table.columns)
        await connection.execute(f"DELETE FROM {table.quoted} t USING incoming i WHERE {same}")  # noqa: S608
        await connection.execute(f"INSERT INTO {table.quoted} ({columns}) SELECT {columns} FROM incoming")  # noqa: S608


async def clear(connection: Connection, table: Table) -> None:
    await connection.execute(f"TRUNCATE {table.quoted}")


async def read(connection: Connection, table: Table) -> AsyncIterator[list[Row]]:
    """All rows of a table, in pieces."""
    async with connection.transaction():
        cursor = await connection.cursor(table.select_there)
        while piece := await cursor.fetch(PIECE):
            yield [tuple(row) for row in piece]


async def follow_journals(connection: Connection, tell: Callable[[int], None]) -> int:
    """Follow every case's hash chain and check its revisions; how many. Raises StoreError at the first that is broken."""
    numbers = [row[0] for row in await connection.fetch("SELECT number FROM record ORDER BY number")]
    for start in range(0, len(numbers), JOURNALS):
        await _follow(connection, numbers[start : start + JOURNALS])
        tell(start)
    return len(numbers)


async def _follow(connection: Connection, numbers: Sequence[str]) -> None:
    found = await connection.fetch(
        "SELECT number, n, what, at, by, body, prev, hash FROM journal WHERE number = ANY($1) ORDER BY number, n",
        numbers,
    )
    lines = {
        number: [cases.journal_line(tuple(r)) for r in group] for number, group in groupby(found, lambda r: str(r[0]))
    }
    digests: dict[str, dict[int, str]] = {number: {} for number in numbers}
    for number, revision, body in await connection.fetch(
        "SELECT number, revision, body FROM record_revision WHERE number = ANY($1)", numbers
    ):
        digests[number][revision] = hashlib.sha256(body).hexdigest()
    for number in numbers:
        own = lines.get(number, [])
        faults = [journal.verify(own), *journal.verify_revisions(own, digests[number])]
        if fault := next(filter(None, faults), ""):
            raise StoreError(f"the journal of {number}: {fault}")


async def finish(connection: Connection, now: int) -> None:
    """Make it a store that can be served: ids go on behind the copied ones, what was being sent waits again."""
    async with connection.transaction():
        for table in TABLES:
            if table.identity:
                key = table.columns[0]
                await connection.execute(
                    f"SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max({key}), 0) + 1, false) FROM {table.quoted}",  # noqa: S608
                    table.name,
                    key,
                )
        await connection.execute(
            "UPDATE outbox SET state = 'waiting', interrupted = true, next_at = $1 WHERE state = 'sending'", now
        )
        for name in _COUNTED:
            await connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        await connection.execute(f"DROP TABLE {MOVING}")
    await connection.execute("ANALYZE")
