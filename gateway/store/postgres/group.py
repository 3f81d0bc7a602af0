"""Operations that wait at the same moment share one transaction, as in the embedded store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.store.base import StoreUnavailable
from gateway.store.postgres.database import Connection, Database

#: Most operations in one transaction; the rest waits for the next one.
GROUP = 256

Item = TypeVar("Item")
Result = TypeVar("Result")


class Group(Generic[Item, Result]):
    """Collects what is to be written while a transaction is under way. One that fails does not fail its neighbours.

    ``write`` writes several and gives the result of each; ``name`` names the commit.
    """

    def __init__(
        self, database: Database, name: str, write: Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Result]]]
    ) -> None:
        self._database = database
        self._name = name
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def add(self, item: Item) -> Result:
        """Write it with whatever else waits; its result, after COMMIT. Raises what writing it alone raises."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"store-{self._name}")
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

    async def _together(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> bool:
        """False, and nothing written, when the group has to be taken apart."""
        try:
            results = await self._database.write(self._name, lambda c: self._write(c, [item for item, _ in group]))
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

    async def _alone(self, item: Item, future: asyncio.Future[Result]) -> None:
        try:
            (result,) = await self._database.write(self._name, lambda c: self._write(c, [item]))
        except Exception as err:  # its waiter must always hear
            if not future.done():
                future.set_exception(err)
        else:
            if not future.done():
                future.set_result(result)
