"""Read-only connections: they see what is committed and never wait for the writer.

What is found by key in a few rows is read on the event loop's thread (tens of microseconds, less than handing it to
another thread costs); lists and searches go to a small pool, for they may look at many rows.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.store.base import StoreUnavailable
from gateway.store.sqlite import database

T = TypeVar("T")
THREADS = 2


class Readers:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._near = database.reading(path)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def near(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Read a few rows by key, here and now."""
        return _snapshot(self._near, read)

    async def far(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Read what may take longer, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = database.reading(self._path)
            self._opened.append(connection)
        return _snapshot(connection, read)

    def close(self) -> None:
        self._threads.shutdown()
        for connection in (*self._opened, self._near):
            connection.close()


def _snapshot(connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
    """All statements of one read see the same moment."""
    try:
        connection.execute("BEGIN")
        try:
            return read(connection)
        finally:
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as err:
        raise StoreUnavailable(f"the database cannot read: {err}") from err
