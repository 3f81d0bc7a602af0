"""The move itself: everything is copied while the gateway writes on, then it stops for what has changed meanwhile.

1. Every row is read and written to PostgreSQL; a fingerprint of each is kept (:mod:`prints`).
2. What stands there now is read back and compared with the fingerprints.
3. The gateway is stopped, the file is locked. Every row is read once more; what is new or changed is written, what is
   gone is removed. All is compared again, and every journal's hash chain is followed in PostgreSQL.
4. The file is marked as moved: no gateway opens it any more.

Interrupted at any moment, nothing has happened to the embedded store; a new move begins from the start.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.store import migrations, rows
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.moving import target
from gateway.store.moving.prints import Printer, Prints
from gateway.store.moving.tables import LEFT, TABLES, Row, Table
from gateway.store.postgres import keeping
from gateway.store.postgres.database import Connection
from gateway.store.postgres.errors import translated
from gateway.store.sqlite import database as embedded

#: Rows that are read and written at once.
PIECE = 2000
#: How often the gateway is looked for that is to stop, in seconds.
LOOK = 0.05


class Step(msgspec.Struct, frozen=True):
    """Where the move is: what it does, with which table, how many rows of how many."""

    what: str
    table: str = ""
    done: int = 0
    total: int = 0


Tell = Callable[[Step], None]


class Moved(msgspec.Struct, frozen=True):
    """What came of it: rows by table, and how many journals were followed."""

    rows: dict[str, int]
    journals: int
    changed: int
    """Rows that were written while the gateway stood still."""


class Move:
    """From the file ``source`` to the database at ``url``. ``tell`` hears every step."""

    def __init__(self, source: Path, url: str, *, clock: Callable[[], datetime], tell: Tell = lambda _: None) -> None:
        self._source, self._url, self._clock, self._tell = source, url, clock, tell
        self._prints: dict[str, Prints] = {}

    async def run(self, stop: Callable[[int], None]) -> Moved:
        """Move. ``stop`` is told the process that still has the file open, and is to end it or ask for it.

        Raises:
            StoreUnavailable: the file cannot be read, or PostgreSQL does not answer.
            StoreError: the target is not empty, or what arrived is not what was sent.
        """
        if not self._source.exists():
            raise StoreUnavailable(f"there is no embedded store at {self._source}")
        _check_schema(self._source)
        with translated():
            async with target.opened(self._url) as connection:
                await keeping.make_months(connection, _oldest(self._source) or self._clock(), self._clock())
                await self._copy(connection)
                await self._compare(connection)
                lock = await self._stopped(stop)
                try:
                    changed = await self._copy(connection)
                    await self._compare(connection)
                    journals = await target.follow_journals(connection, lambda n: self._tell(Step("journals", done=n)))
                    await target.finish(connection, rows.micros(self._clock()))
                    embedded.mark_moved(self._source, self._clock())
                finally:
                    lock.free()
        return Moved({name: len(prints) for name, prints in self._prints.items()}, journals, changed)

    async def _copy(self, connection: Connection) -> int:
        """Bring the target up to what the file holds now; how many rows that were."""
        return sum([await self._copy_table(connection, table) for table in TABLES])

    async def _copy_table(self, connection: Connection, table: Table) -> int:
        known = self._prints.pop(table.name, Prints())
        printer, written, total = Printer(table.key, known), 0, 0
        async for piece in self._pieces(table):
            changed = await asyncio.to_thread(printer.changed, piece)
            await target.write(connection, table, changed, replace=len(known) > 0)
            total, written = total + len(piece), written + len(changed)
            self._tell(Step("copying", table.name, total))
        if printer.gone():  # rows that were removed meanwhile: seldom, and only in small tables
            await target.clear(connection, table)
            return await self._copy_table(connection, table)
        self._prints[table.name] = printer.prints()
        return written

    async def _pieces(self, table: Table) -> AsyncIterator[list[Row]]:
        source = await asyncio.to_thread(embedded.reading, self._source)
        try:
            found = await asyncio.to_thread(source.execute, table.select)
            while piece := await asyncio.to_thread(found.fetchmany, PIECE):
                yield [table.there(row) for row in piece]
        finally:
            source.close()

    async def _compare(self, connection: Connection) -> None:
        """Read back what stands in the target. Raises StoreError where it is not what was sent."""
        for table in TABLES:
            sent, printer, read = self._prints[table.name], Printer(table.key, Prints()), 0
            async for piece in target.read(connection, table):
                await asyncio.to_thread(printer.changed, piece)
                read += len(piece)
                self._tell(Step("comparing", table.name, read, len(sent)))
            if not printer.prints().same(sent):
                raise StoreError(
                    f"`{table.name}` in PostgreSQL is not what was copied: does anybody else write to that database?"
                )

    async def _stopped(self, stop: Callable[[int], None]) -> embedded.Lock:
        """The file's lock, once no gateway has it."""
        lock, told = embedded.Lock(self._source), 0
        while True:
            try:
                lock.take()
            except embedded.Held as err:
                if err.holder != told:
                    told = err.holder
                    stop(err.holder)
                await asyncio.sleep(LOOK)
            else:
                self._tell(Step("stopped"))
                return lock


def _oldest(source: Path) -> datetime | None:
    """When the first message came."""
    connection = embedded.reading(source)
    try:
        row = connection.execute("SELECT received_at FROM inbox ORDER BY id LIMIT 1").fetchone()
    finally:
        connection.close()
    return None if row is None else rows.when(row[0])


def _check_schema(source: Path) -> None:
    """Raises StoreError when the file is not of this program's schema, or has a table that nobody copies."""
    newest = max(step.version for step in migrations.read(embedded.MIGRATIONS))
    connection = embedded.reading(source)
    try:
        stored = connection.execute("SELECT max(version) FROM migration").fetchone()[0]
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as err:
        raise StoreError(f"{source} is no store of Allears: {err}") from err
    finally:
        connection.close()
    if stored != newest:
        raise StoreError(f"{source} has schema {stored}, not {newest}: start this version of Allears on it once, first")
    unknown = {n for n in names - LEFT if not n.startswith("sqlite_")} - {t.source or t.name for t in TABLES}
    if unknown:
        raise StoreError(f"nobody knows how to copy {', '.join(sorted(unknown))}")
