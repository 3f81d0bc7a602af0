"""The real server with a fuse: it kills itself with SIGKILL at a named commit, before or after it.

``python -m tests.crash.server CONFIG [NAME:PHASE:COUNT]`` dies at the COUNT-th transaction that holds the operation NAME.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from gateway import config
from gateway.app import application, assemble
from gateway.serve import address
from gateway.store.base import Store
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite.writer import Phase


class Fuse:
    """Burns down with every commit of its name and phase; at its end the process gets the signal."""

    def __init__(self, text: str, how: signal.Signals = signal.SIGKILL) -> None:
        self._how = how
        self.name, self.phase, count = text.split(":")
        self.left = int(count)

    def __call__(self, names: Sequence[str], phase: Phase) -> None:
        if phase == self.phase and self.name in names:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self._how)


def store_of(loaded: config.Loaded, fuse: Fuse | None) -> Store:
    """The configured store, with a fuse in its commits."""
    if url := loaded.config.store.url:
        return PostgresStore(url, on_commit=fuse)
    return SqliteStore(loaded.data / "allears.db", on_commit=fuse)


async def main(path: str, fuse: str = "") -> None:
    loaded = config.load(Path(path))
    store = store_of(loaded, Fuse(fuse) if fuse else None)
    runner = web.AppRunner(application(assemble(loaded, store=store)), access_log=None)
    await runner.setup()
    host, port = address(loaded)
    await web.TCPSite(runner, host, port).start()
    print("up", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(main(*sys.argv[1:]))
