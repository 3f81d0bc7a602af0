"""A node that stops its own process with SIGSTOP at a named commit, as a machine that stands still does.

``python -m tests.nodes.frozen CONFIG NAME:PHASE:COUNT`` stands still at the COUNT-th transaction of the operation NAME,
before or after it, until somebody sends SIGCONT.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from gateway import app, config, logs
from gateway.context import Gateway
from gateway.serve import serve
from gateway.store.postgres import PostgresStore
from tests.crash.server import Fuse


async def main(path: str, where: str) -> None:
    loaded = config.load(Path(path))
    store = PostgresStore(loaded.config.store.url, connections=5, on_commit=Fuse(where, signal.SIGSTOP))

    async def ready(gateway: Gateway) -> None:
        print(f"up with {', '.join(gateway.config.node.roles)}", flush=True)

    await serve(loaded, ready, assembled=app.assemble(loaded, store=store))


if __name__ == "__main__":
    logs.install("info")
    asyncio.run(main(*sys.argv[1:]))
