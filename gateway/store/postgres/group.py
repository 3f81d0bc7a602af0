"""Deliveries that wait at the same moment share one transaction, as in the embedded store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from channels.base import Accepted
from gateway.store.base import StoreUnavailable
from gateway.store.lines import Delivery
from gateway.store.postgres import intake, leases
from gateway.store.postgres.database import Connection, Database

#: Most deliveries in one transaction; the rest waits for the next one.
GROUP = 256

_Item: TypeAlias = "tuple[Delivery, leases.Lease | None]"
_Waiting: TypeAlias = "tuple[_Item, asyncio.Future[tuple[Accepted, ...]]]"


class Group:
    """Collects deliveries while a transaction is under way. One that fails does not fail its neighbours."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def add(self, delivery: Delivery, lease: leases.Lease | None = None) -> tuple[Accepted, ...]:
        """Write a delivery with whatever else waits; what became of its messages, after COMMIT.

        Raises Stale when another node has the lease by now.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[tuple[Accepted, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append(((delivery, lease), future))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="store-appends")
        return await future

    async def close(self) -> None:
        """Finish what waits, then stop."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            if len(group) == 1 or not await self._together(group):
                for item, future in group:
                    await self._alone(item, future)
        self._task = None

    async def _together(self, group: list[_Waiting]) -> bool:
        """False, and nothing written, when the group has to be taken apart."""
        try:
            results = await self._database.write("append", lambda c: _write(c, [item for item, _ in group]))
        except StoreUnavailable as err:  # alone nobody would fare better, but each would wait for it
            for _, future in group:
                if not future.done():
                    future.set_exception(err)
            return True
        except Exception:  # whose fault it is shows when each goes alone
            return False
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():  # its caller was cancelled; the work is done all the same
                future.set_result(result)
        return True

    async def _alone(self, item: _Item, future: asyncio.Future[tuple[Accepted, ...]]) -> None:
        try:
            (result,) = await self._database.write("append", lambda c: _write(c, [item]))
        except Exception as err:  # its waiter must always hear
            if not future.done():
                future.set_exception(err)
        else:
            if not future.done():
                future.set_result(result)


async def _write(c: Connection, items: Sequence[_Item]) -> Sequence[tuple[Accepted, ...]]:
    await leases.check(c, [lease for _, lease in items if lease is not None])
    return await intake.append(c, [delivery for delivery, _ in items])
