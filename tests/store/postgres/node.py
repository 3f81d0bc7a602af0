"""A node of its own: it accepts the same messages as the others, or works off what is open, and tells what it did.

``python -m tests.store.postgres.node <database> accept <messages> <conversations>`` accepts all messages, each after the
answer to its conversation's last; it prints ``<n> <seq>`` for each.

``... work`` works off what it can get. It prints ``<conversation> <from> <until> <settled or not> <messages>`` for each piece
of work, with the machine's monotonic clock before it had it for certain and after it let go.

``... hold`` claims all there is, prints how much, settles it when a line comes in, and prints what came of it.
"""

from __future__ import annotations

import asyncio
import sys
import time

from gateway.store.base import Store
from gateway.store.postgres import PostgresStore, session
from tests.store.scene import START, Clock, line, message, notice, outcome, record, send

# As everywhere, but for people who wait.
session.LEASE, session.MARGIN, session.BEAT = 2.0, 0.5, 0.4


async def accept(store: Store, messages: str, conversations: str) -> None:
    async def client(lane: int) -> None:
        for n in range(lane, int(messages), int(conversations)):
            (got,) = await store.append([message(n, thread=f"t{lane}")], received_at=START)
            print(n, got.seq)

    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(client(lane) for lane in range(int(conversations))))


async def work(store: Store) -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    idle = 0
    while idle < 20:
        batch = await store.claim_work(4)
        idle = 0 if batch.work else idle + 1
        began = time.monotonic()
        await asyncio.sleep(0.002)
        outcomes = []
        for each in batch.work:
            id = each.conversation.id
            first = record(f"A-{id}", id) if each.record is None else None
            replies = tuple(send(f"reply to {i.message.external_id}", id) for i in each.items)
            made = (line(first.number),) if first else ()
            outcomes.append(
                outcome(each, sends=replies, record=first or each.record, journal=made, notices=(notice("opened"),))
            )
        ended = time.monotonic()
        for each, error in zip(batch.work, await batch.settle(outcomes), strict=True):
            told = ",".join(i.message.external_id for i in each.items)
            print(each.conversation.id, began, ended, type(error).__name__, told)
        await batch.release()
        await asyncio.sleep(0.002)


async def hold(store: Store) -> None:
    batch = await store.claim_work(100)
    print(len(batch.work), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    errors = await batch.settle([outcome(each) for each in batch.work])
    await batch.release()
    print(*(type(error).__name__ for error in errors), flush=True)


async def main(url: str, what: str, *rest: str) -> None:
    store = PostgresStore(url, connections=4, clock=Clock())
    await store.open()
    try:
        if what == "accept":
            await accept(store, *rest)
        else:
            await (work(store) if what == "work" else hold(store))
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
