"""A node's life in the database: a connection whose end, however it comes, frees all that the node held.

The node takes an advisory lock of its own number, and one for each conversation that it works on. PostgreSQL frees them
when the connection ends: at once when the process dies, after :data:`LEASE` seconds when the node stands still or is cut
off, because it beats no more. No clock of any machine is compared with another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Collection, Sequence
from typing import TypeVar

import asyncpg

from gateway.store.base import StoreUnavailable
from gateway.store.postgres.database import Connection, Database, translated

T = TypeVar("T")

#: Seconds after which a node that does not beat is given up.
LEASE = 15.0
#: Seconds between beats, and how long one may take.
BEAT = 3.0
#: A node counts on its lease this much shorter than the server does.
MARGIN = 3.0

#: First halves of the advisory locks: nodes, and conversations that somebody works on.
NODE = 25532771
CLAIM = 25532772

_HELD = (
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
    " AND classid = {kind} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
#: Nodes that live, and conversations that somebody works on.
ALIVE = _HELD.format(kind=NODE)
CLAIMED = _HELD.format(kind=CLAIM)


class Session:
    """The node's own connection. ``node`` is its number, new with every start, the same after a lost connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self._alive_until = 0.0
        self.life = 0
        """Rises with every new connection: what was claimed in an earlier life is claimed no more."""
        self.node = 0

    async def open(self) -> None:
        """Begin to live. Raises StoreUnavailable."""
        self.node = await self._database.read(lambda c: c.fetchval("SELECT nextval('node_id')::integer"))
        async with self._one_at_a_time:
            await self._connect()
        self._beating = asyncio.create_task(self._beat_for_ever(), name="store-session")

    async def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None
        connection, self._connection = self._connection, None
        self._alive_until = 0.0
        if connection is not None:
            connection.terminate()

    def alive(self) -> bool:
        """Whether nobody can have given this node up: asked right before something goes out that cannot be taken back.

        The clock runs on while the process stands still.
        """
        return time.monotonic() < self._alive_until

    async def claim(self, convs: Sequence[int]) -> tuple[int, list[int]]:
        """Those of the conversations that are this node's now, and the life they were claimed in."""
        async with self._one_at_a_time:
            connection = await self._connected()
            got = await self._run(
                connection.fetch(
                    f"SELECT n FROM unnest($1::bigint[]) n WHERE pg_try_advisory_lock({CLAIM}, n::integer)",  # noqa: S608
                    convs,
                )
            )
            return self.life, [row[0] for row in got]

    async def free(self, life: int, convs: Collection[int]) -> None:
        """Give conversations back that were claimed in ``life``; with a lost connection they are free already."""
        if not convs:
            return
        async with self._one_at_a_time:
            connection = self._connection
            if connection is None or life != self.life:
                return
            with contextlib.suppress(StoreUnavailable):
                await self._run(
                    connection.execute(
                        f"SELECT pg_advisory_unlock({CLAIM}, n::integer) FROM unnest($1::bigint[]) n",  # noqa: S608
                        list(convs),
                    )
                )

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            await self._connect()
        assert self._connection is not None
        return self._connection

    async def _connect(self) -> None:
        started = time.monotonic()
        self._connection = await self._database.connect(idle_session_timeout=str(int(LEASE * 1000)))
        self.life += 1
        # Another connection of ours that the server has not given up yet may still have it.
        await self._run(self._connection.execute(f"SELECT pg_advisory_lock_shared({NODE}, $1)", self.node))
        self._alive_until = started + LEASE - MARGIN

    async def _run(self, query: Awaitable[T]) -> T:
        """A query of the session. One that fails ends it: what was held is free then, and a new one begins clean."""
        try:
            with translated():
                async with asyncio.timeout(BEAT):
                    return await query
        except BaseException:
            if self._connection is not None:
                self._connection.terminate()
            self._connection = None
            raise

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            with contextlib.suppress(StoreUnavailable):
                await self._beat()

    async def _beat(self) -> None:
        async with self._one_at_a_time:
            connection = await self._connected()
            started = time.monotonic()
            await self._run(connection.execute("SELECT 1"))
            self._alive_until = started + LEASE - MARGIN


async def alive(connection: Connection) -> int:
    """How many nodes live."""
    return len(await connection.fetch(f"SELECT DISTINCT objid FROM ({ALIVE}) nodes (objid)"))  # noqa: S608
