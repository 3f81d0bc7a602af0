"""A node that takes a lease, says its token, and writes a message under it for each line that it reads.

``python -m tests.store.postgres.holder <url> <name>`` prints the token, then ``written`` or ``stale`` for each line.
"""

from __future__ import annotations

import asyncio
import sys

from gateway.store.base import Stale, StoreUnavailable
from gateway.store.postgres import PostgresStore, session
from tests.store.scene import START, message

#: Seconds; a node that stands still is given up sooner than in earnest.
session.LEASE, session.MARGIN, session.BEAT = 2.0, 0.5, 0.4


async def hold(url: str, name: str) -> None:
    store = PostgresStore(url, connections=2)
    await store.open()
    token = await store.take_lease(name)
    assert token is not None
    print(token, flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        print(await written(store, int(line), (name, token)), flush=True)
    await store.close()


async def written(store: PostgresStore, n: int, lease: tuple[str, int]) -> str:
    while True:
        try:
            await store.append([message(n)], received_at=START, lease=lease)
        except Stale:
            return f"stale {store.alive()}"
        except StoreUnavailable:  # its connections were taken away, too
            continue
        return "written"


if __name__ == "__main__":
    asyncio.run(hold(*sys.argv[1:]))
