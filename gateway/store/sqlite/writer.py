"""The one writer: whatever waits at a moment shares one transaction.

Statements run on the event loop's thread and only COMMIT, which waits for the disk, runs in another: sqlite3
lets go of the GIL at every step, and a thread that wants it back beside a busy loop waits up to the switch
interval (5 ms) each time. Measured with 64 waiting beside a loop that is never idle: a whole group in the thread
160-190 appends/s, one json_each statement set per group in the thread 600/s, this way 3,000-9,000/s. A group of 64
appends holds the loop for about a millisecond.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from gateway.store.base import StoreError, StoreUnavailable

T = TypeVar("T")
Phase = Literal["before", "after"]
Observer = Callable[[Sequence[str], Phase], None]

#: Most operations in one transaction; the rest waits for the next one.
GROUP = 256

#: How often a checkpoint is tried, a tenth of a second apart.
CHECKPOINT_TRIES = 50


@dataclass(slots=True, eq=False)
class _Operation:
    name: str
    run: Callable[[sqlite3.Connection], Any] | None
    merged: Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]] | None
    item: Any
    long: bool
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def settle(self) -> None:
        if self.future.done():  # its caller was cancelled; the work is done all the same
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs operations in groups. An operation must be repeatable: after a failure in its group it runs again."""

    def __init__(self, connection: sqlite3.Connection, on_commit: Observer | None = None) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._waiting: list[_Operation] = []
        self._checkpoints: list[asyncio.Future[bool]] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-commit")
        self._closed = False
        self._changes = 0

    def do(self, name: str, run: Callable[[sqlite3.Connection], T], *, long: bool = False) -> asyncio.Future[T]:
        """Run ``run`` in the next transaction; its result after COMMIT.

        ``name`` names the commit for the observer. ``long`` work (many rows) runs off the event loop.
        What ``run`` raises undoes this operation alone.
        """
        return self._add(name, run, None, None, long)

    def merge(
        self, name: str, run: Callable[[sqlite3.Connection, Sequence[Any]], Sequence[T]], item: Any
    ) -> asyncio.Future[T]:
        """As :meth:`do`, for a function that does all waiting items at once: one call per group, one result per item."""
        return self._add(name, None, run, item, False)

    async def checkpoint(self) -> None:
        """Empty the log into the file, so that nothing old stands in it.

        Raises StoreUnavailable when readers are in the way for seconds.
        """
        for _ in range(CHECKPOINT_TRIES):
            if self._closed:
                raise StoreUnavailable("the store is closed")
            asked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._checkpoints.append(asked)
            self._start()
            if await asked:
                return
            await asyncio.sleep(0.1)
        raise StoreUnavailable("the database's log could not be emptied: a reader keeps it open; try again")

    async def _checkpoint(self) -> None:
        asked, self._checkpoints = self._checkpoints, []
        try:
            busy, _, _ = await asyncio.get_running_loop().run_in_executor(self._thread, self._truncate)
        except sqlite3.Error:  # locked or full: tried again, and told in the end
            busy = 1
        for one in asked:
            if not one.done():
                one.set_result(not busy)

    def _truncate(self) -> tuple[int, int, int]:
        row: tuple[int, int, int] = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return row

    async def close(self) -> None:
        """Finish what waits, then stop."""
        self._closed = True
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    def _add(self, name: str, run: Any, merged: Any, item: Any, long: bool) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(StoreUnavailable("the store is closed"))
            return future
        self._waiting.append(_Operation(name, run, merged, item, long, future))
        self._start()
        return future

    def _start(self) -> None:
        if self._task is None:
            # The task starts at the loop's next turn, so everybody who is ready in this one joins the group.
            self._task = asyncio.create_task(self._work(), name="store-writer")

    async def _work(self) -> None:
        while self._waiting or self._checkpoints:
            if self._checkpoints:
                await self._checkpoint()
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            try:
                await self._together(group)
            except Exception as err:  # a group's waiters must always hear
                self._rollback()
                for operation in group:
                    operation.error = operation.error or _translated(err)
            for operation in group:
                operation.settle()
        self._task = None

    async def _together(self, group: list[_Operation]) -> None:
        if await self._off_loop(any(o.long for o in group), self._execute, group):
            await self._commit(group)
        else:
            await self._apart(group)

    async def _apart(self, group: list[_Operation]) -> None:
        """The group could not go together: each on its own, so that one bad operation fails alone."""
        for operation in group:
            operation.error = operation.result = None
            try:
                if await self._off_loop(operation.long, self._execute, [operation], True):
                    await self._commit([operation])
            except Exception as err:
                self._rollback()
                operation.error = _translated(err)

    async def _off_loop(self, away: bool, call: Callable[..., bool], *args: Any) -> bool:
        if not away:
            return call(*args)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    def _execute(self, group: list[_Operation], alone: bool = False) -> bool:
        """Run the statements; False (and rolled back) when the group has to be taken apart."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._changes = connection.total_changes
            for operation, peers in _calls(group):
                before = connection.total_changes
                try:
                    _run(connection, operation, peers)
                except StoreError as err:
                    operation.error = err
                    # Nothing was written, so there is nothing to undo and its neighbours go on.
                    if connection.total_changes != before or len(peers) > 1:
                        raise
        except Exception as err:
            self._rollback()
            if alone:
                group[0].error = _translated(err)
            return False
        return True

    async def _commit(self, group: list[_Operation]) -> None:
        if not self._connection.in_transaction:
            raise StoreUnavailable("the transaction was lost")
        if self._connection.total_changes == self._changes:  # nothing to make durable: no need to wait for a disk
            self._connection.execute("COMMIT")
            return
        names = [o.name for o in group]
        self._observe(names, "before")
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.execute, "COMMIT")
        except sqlite3.Error as err:
            self._rollback()
            if len(group) == 1:
                raise _translated(err) from err
            await self._apart(group)
            return
        self._observe(names, "after")

    def _observe(self, names: Sequence[str], phase: Phase) -> None:
        if self._on_commit is not None:
            self._on_commit(names, phase)

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _calls(group: list[_Operation]) -> list[tuple[_Operation, list[_Operation]]]:
    """Operations in order; those that merge stand together where the first of them stood."""
    calls: list[tuple[_Operation, list[_Operation]]] = []
    merged: dict[Any, list[_Operation]] = {}
    for operation in group:
        if operation.merged is not None and operation.merged in merged:
            merged[operation.merged].append(operation)
            continue
        peers = [operation]
        if operation.merged is not None:
            merged[operation.merged] = peers
        calls.append((operation, peers))
    return calls


def _run(connection: sqlite3.Connection, operation: _Operation, peers: list[_Operation]) -> None:
    if operation.merged is not None:
        for peer, result in zip(peers, operation.merged(connection, [p.item for p in peers]), strict=True):
            peer.result = result
    elif operation.run is not None:
        operation.result = operation.run(connection)


def _translated(err: Exception) -> Exception:
    """SQLite's errors in the store's words: the file's troubles pass, a refused row is the caller's."""
    if isinstance(err, sqlite3.OperationalError):
        return StoreUnavailable(f"the database cannot write: {err}")
    if isinstance(err, sqlite3.Error):
        return StoreError(f"the database refused it: {err}")
    return err
