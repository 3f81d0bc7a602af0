"""Where a simulated day takes place: what runs there, what happens to it, and how its books are read."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any, Protocol

from gateway import config
from gateway.cli.operate import perform_anywhere
from gateway.operations import OperationError
from gateway.store.base import Store, StoreError
from gateway.store.sqlite import SqliteStore
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


class House(Protocol):
    """A set-up of Allears. ``address`` (host:port) is where customers, platforms and desks reach it."""

    address: str

    async def furnish(self, text: str) -> None:
        """Write the configuration."""
        ...

    async def start(self) -> None: ...

    async def disturb(self) -> str:
        """Let the next thing happen to it; what it was."""
        ...

    async def stop(self) -> None:
        """End everything but the rows."""
        ...

    def store(self) -> Store:
        """The rows, once everything has stopped."""
        ...

    async def rows(self, asked: str) -> list[tuple[Any, ...]]:
        """What a query finds, past the store, while it runs."""
        ...

    async def ask(self, operation: str, params: dict[str, object]) -> list[dict[str, object]]:
        """An operator's command."""
        ...


class OneServer:
    """One process on the embedded store, killed again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "allears.toml"
        self._server: asyncio.subprocess.Process | None = None
        self.address = f"127.0.0.1:{free_port()}"

    async def furnish(self, text: str) -> None:
        self._file.write_text(text)

    async def start(self) -> None:
        self._server = await served(self._file, self._folder / "log.txt")

    async def disturb(self) -> str:
        await self._end(signal.SIGKILL)
        await self.start()
        return "kill -9"

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self._server is not None and self._server.returncode is None:
            self._server.send_signal(how)
            await self._server.wait()

    def store(self) -> Store:
        return SqliteStore(config.load(self._file, env={}).data / "allears.db")

    async def rows(self, asked: str) -> list[tuple[Any, ...]]:
        file = config.load(self._file, env={}).data / "allears.db"
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            return database.execute(asked).fetchall()
        finally:
            database.close()

    async def ask(self, operation: str, params: dict[str, object]) -> list[dict[str, object]]:
        loaded = config.load(self._file, env={})
        for _ in range(100):
            try:
                return await perform_anywhere(loaded, operation, params)
            except (OperationError, StoreError):  # it is just coming up again
                await asyncio.sleep(0.3)
        raise TimeoutError("the server does not come up")


async def served(file: Path, log: Path, **environment: str) -> asyncio.subprocess.Process:
    """``allears serve`` as a process of its own."""
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(file), cwd=ROOT, stdout=out,
            stderr=out, env={**os.environ, **environment},
        )  # fmt: skip
