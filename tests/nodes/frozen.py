"""A node that stops its own process with SIGSTOP at a named commit, as a machine that stands still does.

``python -m tests.nodes.frozen CONFIG NAME:PHASE:COUNT`` stands still at the COUNT-th transaction of the operation NAME,
before or after it, until somebody sends SIGCONT.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway import app, config, logs
from gateway.context import Gateway
from gateway.serve import serve
from gateway.store.postgres import PostgresStore
from gateway.store.postgres.database import Phase


class Freezer:
    """Counts the commits of its name and phase."""

    def __init__(self, text: str) -> None:
        self.name, self.phase, count = text.split(":")
        self.left = int(count)

    def __call__(self, names: Sequence[str], phase: Phase) -> None:
        if phase == self.phase and self.name in names:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)


async def main(path: str, where: str) -> None:
    loaded = config.load(Path(path))
    store = PostgresStore(loaded.config.store.url, connections=5, on_commit=Freezer(where))

    async def ready(gateway: Gateway) -> None:
        print(f"up with {', '.join(gateway.config.node.roles)}", flush=True)

    await serve(loaded, ready, assembled=app.assemble(loaded, store=store))


if __name__ == "__main__":
    logs.install("info")
    asyncio.run(main(*sys.argv[1:]))
