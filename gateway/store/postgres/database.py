"""The PostgreSQL server: its connections, its schema, and transactions that are tried again where many write at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import asyncpg

from gateway.store import migrations
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.postgres.errors import AWAY, Again, translated
from gateway.store.postgres.replica import MAIN_POSITION, Replica

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Phase = Literal["before", "after"]
Observer = Callable[[Sequence[str], Phase], None]

MIGRATIONS = Path(__file__).parent / "migrations"
#: The newest schema that this program knows.
KNOWN = max(step.version for step in migrations.read(MIGRATIONS))
#: A table that stands while an embedded store is being copied here.
MOVING = "moving"
#: Connections of one process where nothing is said.
CONNECTIONS = 10
#: The first version that ends idle sessions by itself.
OLDEST = 14
#: Statements that a connection keeps prepared: all there are.
STATEMENTS = 500
#: Seconds to get a connection, and for one statement.
CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 60.0
#: A transaction of a process that stands still must not hold rows that others want.
IDLE_SECONDS = 15
#: How often an operation is tried that others were in the way of, and the first pause in seconds.
TRIES = 6
PAUSE = 0.005

#: How long a step of the schema may take, in seconds, and how long and how often it waits for a table's lock.
MIGRATING_SECONDS = 3600.0
LOCK_MILLISECONDS = 500
LOCK_TRIES = 60

#: Any one may bring the schema up to date, one at a time. ("Allears" on a telephone's keys.)
_MIGRATING = 2553277

#: First half of the advisory lock that each node holds; the second is the newest schema that its program knows.
PROGRAM = 25532776
_OLDEST_PROGRAM = (
    "SELECT min(objid::bigint) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"  # noqa: S608
    f" AND classid = {PROGRAM} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

#: What every connection says first: nothing is acknowledged that is not on the disk.
_SETTINGS = {
    "application_name": "allears",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": str(IDLE_SECONDS * 1000),
    "jit": "off",  # plans are short; compiling them costs more than running them
    "timezone": "UTC",
}


class Database:
    """The pool of connections, and the replica's. ``url`` may leave the password to PGPASSWORD or ~/.pgpass."""

    def __init__(
        self, url: str, replica: str = "", connections: int = CONNECTIONS, on_commit: Observer | None = None
    ) -> None:
        self._url, self._replica_url, self._connections = url, replica, connections
        self._on_commit = on_commit
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._replica: Replica | None = None

    async def open(self, *, moving: bool = False) -> None:
        """Connect and bring the schema up to date. ``moving``: for who brings an embedded store here.

        Raises StoreUnavailable (with what to do), or StoreError when the server would lose what it has confirmed, or a
        move into this database is not finished.
        """
        try:
            with translated():
                await self._open(moving=moving)
        except Again as err:
            raise err.given_up from None

    async def _open(self, *, moving: bool) -> None:
        self._pool = await self._connect_all(self._url)
        async with self._pool.acquire() as connection:
            await _check_server(connection)
            await migrate(connection, migrations.read(MIGRATIONS))
            if not moving and await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", MOVING):
                raise StoreError(
                    "an embedded store is being moved into this database: wait for `allears migrate`, or run it again"
                )
        if self._replica_url:
            url = self._replica_url
            self._replica = Replica(lambda: self._connect_all(url), lambda: self._connect_one(url), self._position)
            await self._replica.open()

    async def close(self) -> None:
        pool, replica, self._pool, self._replica = self._pool, self._replica, None, None
        if replica is not None:
            await replica.close()
        if pool is not None:
            with contextlib.suppress(TimeoutError, *AWAY):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await pool.close()

    async def connect(self, **settings: str) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own. Raises StoreUnavailable."""
        with translated():
            return await self._connect_one(self._url, **settings)

    async def _connect_one(self, url: str, **settings: str) -> asyncpg.Connection[asyncpg.Record]:
        with _readable_url():
            return await asyncpg.connect(
                url,
                server_settings={**_SETTINGS, **settings},
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
            )

    async def _connect_all(self, url: str) -> asyncpg.Pool[asyncpg.Record]:
        with _readable_url():
            return await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=self._connections,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                statement_cache_size=STATEMENTS,
                server_settings=_SETTINGS,
                reset=_nothing,
            )

    async def write(self, name: str, run: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``run`` in a transaction; its result after COMMIT. It must be repeatable: others may be in its way.

        ``name`` names the commit for the observer. Raises what ``run`` raises, StoreUnavailable when the server is away.
        """
        return await _tried(lambda: self._transaction(name, run))

    async def _transaction(self, name: str, run: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._opened(self._pool) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                result = await run(connection)
            except BaseException:
                with contextlib.suppress(*AWAY):
                    await transaction.rollback()
                raise
            self._observe(name, "before")
            await transaction.commit()
            self._observe(name, "after")
            return result

    async def read(self, run: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``run`` reads, as it is committed now. Raises StoreUnavailable."""
        return await _tried(lambda: self._read(run))

    async def report(self, run: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``run`` reads for a list or a report: from the replica where there is one and it answers."""
        if self._replica is not None:
            try:
                return await self._replica.read(run)
            except StoreUnavailable:
                pass  # lists are rather read from the main server than not at all
        return await self.read(run)

    async def _read(self, run: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._opened(self._pool) as connection:
            return await run(connection)

    async def _position(self) -> int | None:
        """Where the log ends."""
        async with self._opened(self._pool) as connection:
            end: int | None = await connection.fetchval(MAIN_POSITION)
            return end

    @contextlib.asynccontextmanager
    async def _opened(self, pool: asyncpg.Pool[asyncpg.Record] | None) -> AsyncIterator[Connection]:
        if pool is None:
            raise StoreUnavailable("the store is not open")
        try:
            async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except asyncpg.ReadOnlySQLTransactionError:
            await pool.expire_connections()  # the server has become a standby: who is the main one now is asked again
            raise

    def _observe(self, name: str, phase: Phase) -> None:
        if self._on_commit is not None:
            self._on_commit([name], phase)


async def changed(c: Connection, sql: str, *values: object) -> int:
    """Run an INSERT, UPDATE or DELETE; how many rows it touched."""
    status: str = await c.execute(sql, *values)
    return int(status.rpartition(" ")[2])


async def _tried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again and again while others are in the way, with pauses that grow."""
    for before in range(TRIES):
        try:
            with translated():
                return await attempt()
        except Again as err:
            if before == TRIES - 1:
                raise err.given_up from None
            await asyncio.sleep(PAUSE * 2**before * random.uniform(0.5, 1.5))  # noqa: S311 - spreads
    raise AssertionError


async def _nothing(connection: Connection) -> None:
    """What a connection is cleaned of before its next use: it holds nothing beyond its transactions."""


@contextlib.contextmanager
def _readable_url() -> Iterator[None]:
    try:
        yield
    except ValueError:  # what the driver says of it can be a part of the password
        raise StoreError(
            "`[store] url` is no URL of a PostgreSQL server: postgresql://user:password@host:5432/database,"
            " with %40 for an @ in the password, %2F for a /, %3A for a : and so on"
        ) from None


async def _check_server(connection: Connection) -> None:
    if connection.get_server_version().major < OLDEST:
        raise StoreError(f"this PostgreSQL server is too old: version {OLDEST} is the first that can be used")
    if await connection.fetchval("SHOW server_encoding") != "UTF8":
        raise StoreError("this database cannot hold every language: make it with ENCODING 'UTF8'")
    for setting in ("fsync", "full_page_writes"):
        if await connection.fetchval("SELECT current_setting($1)", setting) != "on":
            raise StoreError(
                f"`{setting}` is off on this PostgreSQL server: it would lose what it has confirmed when the machine"
                f" stops. Set `{setting} = on` in postgresql.conf and restart it."
            )


async def migrate(connection: Connection, steps: Sequence[migrations.Migration]) -> None:
    """Bring the schema up to date, one transaction per step; nodes that start together wait for one another.

    Raises StoreError when a newer program has written the database and this one cannot go on beside it, or when older ones
    run that could not go on.
    """
    # Who waits inside a statement would hold up an index that is made beside the work.
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _MIGRATING):  # noqa: ASYNC110
        await asyncio.sleep(LOCK_MILLISECONDS / 1000)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL,"
            " at BIGINT NOT NULL, works_from INTEGER)"
        )
        stored = await connection.fetch("SELECT version, works_from FROM migration")
        for step in migrations.to_do(steps, [(row["version"], row["works_from"]) for row in stored]):
            migrations.check_programs(step, await connection.fetchval(_OLDEST_PROGRAM))
            await _apply(connection, step)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _MIGRATING)


async def _apply(connection: Connection, step: migrations.Migration) -> None:
    """Other nodes work on meanwhile, so a step does not stand in line for a table's lock: all who came later would, too."""
    if step.is_beside:
        await _make_index(connection, step)
        return
    for left in range(LOCK_TRIES - 1, -1, -1):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                await connection.execute(step.sql, timeout=MIGRATING_SECONDS)
                await _write_down(connection, step)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            await asyncio.sleep(LOCK_MILLISECONDS / 1000)
        else:
            return


async def _make_index(connection: Connection, step: migrations.Migration) -> None:
    """One statement, in no transaction. One that was broken off has left an index that nobody can use."""
    broken = await connection.fetch("SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid")
    for row in broken:
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {row['name']}", timeout=MIGRATING_SECONDS)
    await connection.execute(step.sql, timeout=MIGRATING_SECONDS)
    await _write_down(connection, step)


async def _write_down(connection: Connection, step: migrations.Migration) -> None:
    await connection.execute(
        "INSERT INTO migration (version, name, sha256, at, works_from) VALUES ($1, $2, $3, $4, $5)",
        step.version,
        step.name,
        step.digest,
        time.time_ns() // 1000,
        step.works_from,
    )
