"""A node's life in the database: a connection whose end, however it comes, frees all that the node held.

The node takes an advisory lock of its own number, and one for each conversation that it works on. PostgreSQL frees them
when the connection ends: at once when the process dies, after :data:`LEASE` seconds when the node stands still or is cut
off, because it beats no more. No clock of any machine is compared with another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

import asyncpg

from gateway.store.base import StoreUnavailable
from gateway.store.postgres.database import KNOWN, PROGRAM, Connection, Database
from gateway.store.postgres.errors import translated

T = TypeVar("T")
_Own: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

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
#: Nodes that live, and conversations that somebody works on (:data:`HALF` of their n).
ALIVE = _HELD.format(kind=NODE)
CLAIMED = _HELD.format(kind=CLAIM)
#: A conversation's second half of its lock. Two that share one are worked on one after the other, no more.
HALF = "({n} % 2147483648)"

_LIVE = f"SELECT pg_advisory_lock_shared({NODE}, $1), pg_advisory_lock_shared({PROGRAM}, $2)"
_TAKE = (
    f"SELECT n FROM unnest($1::bigint[]) n WHERE pg_try_advisory_lock({CLAIM}, {HALF.format(n='n')}::integer) LIMIT $2"  # noqa: S608
)
_GIVE = f"SELECT pg_advisory_unlock({CLAIM}, {HALF.format(n='n')}::integer) FROM unnest($1::bigint[]) n"  # noqa: S608

#: Runs on while the process, and where the system has one while the machine, stands still.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _clock() -> float:
    return time.clock_gettime(_CLOCK)


class Session:
    """The node's own connection. ``node`` is its number, new with every start, the same after a lost connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: _Own | None = None
        self._one_at_a_time = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self._alive_until = 0.0
        self._steady_from = 0.0
        self._held: dict[int, object] = {}
        """Who of this node works on a conversation; emptied when the connection ends."""
        self._closed = False
        self.node = 0

    async def open(self) -> None:
        """Begin to live. Raises StoreUnavailable."""
        self._closed = False
        self.node = await self._database.read(lambda c: c.fetchval("SELECT nextval('node_id')::integer"))
        await self._do(lambda c: c.execute("SELECT 1"))
        self._beating = asyncio.create_task(self._beat_for_ever(), name="store-session")

    async def close(self) -> None:
        self._closed = True
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None
        self._end(self._connection)

    def alive(self) -> bool:
        """Whether nobody can have given this node up: asked right before something goes out that cannot be taken back."""
        return _clock() < self._alive_until

    def steady(self) -> bool:
        """Whether this node may find that others live no more: what has cut it off may have cut them off, too."""
        return _clock() >= self._steady_from

    # --- conversations

    async def claim(self, convs: Sequence[int], most: int, holder: object) -> list[int]:
        """Those of the conversations, ``most`` at the most, that are the holder's now.

        Raises StoreUnavailable. Also then, and when cancelled, :meth:`free` is to be called.
        """

        async def take(c: _Own) -> list[int]:
            free = [conv for conv in convs if conv not in self._held]
            got = [row[0] for row in await c.fetch(_TAKE, free, most)]
            self._held.update((conv, holder) for conv in got)
            return got

        return await self._do(take)

    def holds(self, holder: object, conv: int) -> bool:
        """Whether a conversation is still the holder's: a lost connection loses all."""
        return self._held.get(conv) is holder

    async def free(self, holder: object, convs: Sequence[int] | None = None) -> None:
        """Give a holder's conversations back, or all it has. With a lost connection they are free already."""

        def held() -> list[int]:
            return [conv for conv, h in self._held.items() if h is holder and (convs is None or conv in convs)]

        async def give(c: _Own) -> None:
            if back := held():
                for conv in back:
                    del self._held[conv]
                await c.execute(_GIVE, back)

        # Without anything to free nobody has to wait, unless a claim that was cancelled is still under way.
        if held() or self._one_at_a_time.locked():
            with contextlib.suppress(StoreUnavailable):
                await self._do(give)

    # --- the connection

    async def ask(self, work: Callable[[_Own], Awaitable[T]]) -> T:
        """Run it on the node's own connection, which keeps the locks that it takes. Raises StoreUnavailable."""
        return await self._do(work)

    async def _do(self, work: Callable[[_Own], Awaitable[T]]) -> T:
        """Run it on the session, to its end even when the caller is cancelled: half a query would end the session."""
        return await asyncio.shield(asyncio.ensure_future(self._in_turn(work)))

    async def _in_turn(self, work: Callable[[_Own], Awaitable[T]]) -> T:
        async with self._one_at_a_time:
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = await self._connect()
            return await self._beat_with(connection, work)

    async def _beat_with(self, connection: _Own, work: Callable[[_Own], Awaitable[T]]) -> T:
        """Every answer is a beat. A query that fails ends the session: what was held is free, and a new one begins clean."""
        started = _clock()
        try:
            with translated():
                async with asyncio.timeout(BEAT):
                    result = await work(connection)
        except BaseException:
            self._end(connection)
            raise
        if self._connection is connection:
            self._alive_until = started + LEASE - MARGIN
        return result

    async def _connect(self) -> _Own:
        if self._closed:
            raise StoreUnavailable("the store is not open")
        self._end(self._connection)
        connection = await self._database.connect(idle_session_timeout=str(int(LEASE * 1000)))
        connection.add_termination_listener(self._ended)
        self._connection = connection
        if self._steady_from:
            self._steady_from = _clock() + LEASE
        # Shared: a connection of ours that the server has not given up yet may still have it.
        await self._beat_with(connection, lambda c: c.execute(_LIVE, self.node, KNOWN))
        return connection

    def _ended(self, connection: Connection) -> None:
        """What the driver calls when the server has ended a connection."""
        if connection is self._connection:
            self._end(self._connection)

    def _end(self, connection: _Own | None) -> None:
        """The connection is gone, and with it all that it held."""
        if connection is None or connection is not self._connection:
            return
        self._connection = None
        self._alive_until = 0.0
        self._steady_from = _clock() + LEASE
        self._held.clear()
        connection.terminate()

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            with contextlib.suppress(StoreUnavailable):
                await self._do(lambda c: c.execute("SELECT 1"))


async def alive(connection: Connection) -> int:
    """How many nodes live."""
    return len(await connection.fetch(f"SELECT DISTINCT objid FROM ({ALIVE}) nodes (objid)"))  # noqa: S608
