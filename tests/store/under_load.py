"""A process that accepts, works off and sends as fast as it can until it is killed.

It prints a line for each message it has acknowledged, after the store said so:
``python under_load.py <kind> <where> <first number> [<commit to die at>:<before|after>:<how many of them first>]``
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Literal

from gateway.store.base import Store
from tests.store.scene import START, at, message, outcome, send, sent

CONVERSATIONS = 8


async def accept(store: Store, lane: int, first: int) -> None:
    """One client: its messages in order, the next after the ack."""
    for n in range(first + lane, 10**9, CONVERSATIONS):
        await store.append([message(n, thread=f"t{lane}")], received_at=START)
        os.write(1, f"{n}\n".encode())


async def work(store: Store) -> None:
    while True:
        batch = await store.claim_work(4)
        outcomes = []
        for each in batch.work:
            id, fence = each.conversation.id, each.conversation.fence
            replies = tuple(send(f"reply to {i.message.external_id}", id, fence=fence) for i in each.items)
            outcomes.append(outcome(each, sends=replies))
        await batch.settle(outcomes)
        await batch.release()
        await asyncio.sleep(0)


async def deliver(store: Store) -> None:
    while True:
        rows = await store.claim_sends(16, START.replace(year=2100))
        await store.settle_sends([sent(r, r.key) for r in rows])
        await asyncio.sleep(0)


class Killer:
    """Kills this process at a named commit."""

    def __init__(self, where: str) -> None:
        self._name, self._phase, self._left = "", "", 0
        if where:
            self._name, self._phase, left = where.split(":")
            self._left = int(left)

    def __call__(self, names: Sequence[str], phase: Literal["before", "after"]) -> None:
        if self._name in names and phase == self._phase:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def main(kind: str, where: str, first: str, die: str = "") -> None:
    store = at(kind, where).store(on_commit=Killer(die))
    await store.open()
    clients = [accept(store, lane, int(first)) for lane in range(CONVERSATIONS)]
    await asyncio.gather(*clients, work(store), deliver(store))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
