"""A read replica: lists and reports come from it as long as it answers and is not far behind.

It is looked at now and then, apart from the calls: one that is away, frozen or cut off costs no call more than the moment
until that is found out, and it is used again when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg

from gateway.store.base import StoreUnavailable
from gateway.store.postgres.errors import AWAY, Again, translated

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds between looks, and how long one may take.
LOOK = 3.0
ANSWER = 2.0
#: A replica that has not come to where the main server was so many seconds ago is not asked.
BEHIND = 30.0

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
_Own: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_POSITION = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint"
#: Where the main server's log ends; nothing where that is a standby itself.
MAIN_POSITION = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_lsn() - '0/0')::bigint END"


class Replica:
    """``connect`` opens connections for the calls, ``watch`` one to look with (the calls may use up theirs); ``main_at`` tells
    where the main server's log ends.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Pool]],
        watch: Callable[[], Awaitable[_Own]],
        main_at: Callable[[], Awaitable[int | None]],
    ) -> None:
        self._connect, self._watch, self._main_at = connect, watch, main_at
        self._watcher: _Own | None = None
        self._pool: Pool | None = None
        self._is_near = False
        self._passed: deque[tuple[float, int]] = deque()
        """When the main server's log ended where, as far as the replica has not come there."""
        self._looking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect if it is there, and go on looking after it. Raises StoreError for a URL that is none."""
        await self._look()
        self._looking = asyncio.create_task(self._look_for_ever(), name="store-replica")

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        self._lose()

    async def read(self, run: Callable[[Any], Awaitable[T]]) -> T:
        """What ``run`` reads there. Raises StoreUnavailable where the main server is to be asked."""
        pool = self._pool
        if pool is None or not self._is_near:
            raise StoreUnavailable("the replica is away or behind")
        try:
            with translated():
                async with pool.acquire(timeout=ANSWER) as connection:
                    return await run(connection)
        except Again as err:  # what it replays was in the way of the question
            raise StoreUnavailable("the replica could not answer") from err

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._look()

    async def _look(self) -> None:
        was_near = self._is_near
        try:
            with translated():
                async with asyncio.timeout(ANSWER):
                    await self._ask()
        except (StoreUnavailable, Again) as err:
            self._lose()
            if was_near:
                log.warning("the replica is away, lists come from the main server: %s", err)
        else:
            if self._is_near != was_near:
                log.info("the replica is %s", "near" if self._is_near else "behind: lists come from the main server")

    async def _ask(self) -> None:
        if self._watcher is None or self._pool is None:
            self._lose()
            self._watcher = await self._watch()
            self._pool = await self._connect()
        now = time.monotonic()
        with contextlib.suppress(*AWAY, StoreUnavailable):  # without the main server lists are all there is
            async with asyncio.timeout(ANSWER / 2):
                if (end := await self._main_at()) is not None:
                    self._passed.append((now, end))
        replayed = await self._watcher.fetchval(_POSITION)
        while self._passed and (replayed is None or self._passed[0][1] <= replayed):
            self._passed.popleft()
        self._is_near = not self._passed or now - self._passed[0][0] < BEHIND

    def _lose(self) -> None:
        """Whoever waits for its answer waits no more."""
        pool, watcher, self._pool, self._watcher = self._pool, self._watcher, None, None
        self._is_near = False
        for lost in (pool, watcher):
            if lost is not None:
                lost.terminate()
