"""Jobs in hand: advisory locks of the node's own connection, so that a dead node's are free at once and no row remembers them."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from gateway.store.base import StoreUnavailable
from gateway.store.postgres.session import Session

#: First half of the locks; the second is the name's hash. Two names that share one are done one after the other, no more.
JOB = 25532775

_TRY = f"SELECT pg_try_advisory_lock({JOB}, hashtext($1))"
_GIVE = f"SELECT pg_advisory_unlock({JOB}, hashtext(n)) FROM unnest($1::text[]) n"  # noqa: S608 - a number of ours


class Jobs:
    """The jobs that this node has in hand; it goes on with them when its connection is lost, and does not begin them twice."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: set[str] = set()

    async def take(self, names: Sequence[str], most: int) -> tuple[str, ...]:
        """See :meth:`gateway.store.base.Store.take_jobs`."""
        got: list[str] = []

        async def work(c: asyncpg.Connection[asyncpg.Record]) -> tuple[str, ...]:
            for name in dict.fromkeys(names):
                if len(got) == most:
                    break
                if name not in self._held and await c.fetchval(_TRY, name):
                    self._held.add(name)
                    got.append(name)
            return tuple(got)

        try:
            return await self._session.ask(work) if names and most > 0 else ()
        except BaseException:
            await self.free(got)  # who asked does not know of them and would never give them back
            raise

    async def free(self, names: Sequence[str]) -> None:
        """See :meth:`gateway.store.base.Store.free_jobs`."""

        async def give(c: asyncpg.Connection[asyncpg.Record]) -> None:
            if back := [name for name in names if name in self._held]:
                self._held.difference_update(back)
                await c.execute(_GIVE, back)

        try:
            await self._session.ask(give)
        except StoreUnavailable:
            self._held.difference_update(names)  # the locks ended with the connection
