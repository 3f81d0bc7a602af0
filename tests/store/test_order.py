"""Whatever happens in whatever order: every message is worked off once, in order, and every reply goes out once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.base import Batch, Store
from tests.store.scene import HOMES, START, Clock, Home, message, outcome, send, sent

Step = Literal[
    "append", "repeat", "claim", "settle", "release", "fail", "hand_over", "claim_sends", "settle_sends", "reopen"
]
STEPS: tuple[Step, ...] = (
    "append", "append", "append", "repeat", "claim", "claim", "settle", "settle", "release", "fail",
    "hand_over", "claim_sends", "claim_sends", "settle_sends", "settle_sends", "reopen",
)  # fmt: skip


class Model:
    """Drives a store and remembers what it promised."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self.home, self.clock = home, clock
        self.store: Store = home.store()
        self.count = 0
        self.accepted: dict[str, list[str]] = defaultdict(list)
        self.done: dict[str, list[str]] = defaultdict(list)
        self.out: dict[str, list[str]] = defaultdict(list)
        self.batches: list[Batch] = []
        self.sends: list[object] = []

    async def step(self, step: Step, pick: int) -> None:
        await getattr(self, step)(pick)

    async def append(self, pick: int) -> None:
        self.count += 1
        (accepted,) = await self.store.append([message(self.count, thread=f"t{pick % 3}")], received_at=START)
        assert not accepted.duplicate
        self.accepted[accepted.conversation].append(str(self.count))
        assert accepted.seq > len(self.accepted[accepted.conversation]) - 1

    async def repeat(self, pick: int) -> None:
        for conversation, ids in self.accepted.items():
            again = message(ids[pick % len(ids)], thread=(await self.store.conversation(conversation)).thread)
            (accepted,) = await self.store.append([again], received_at=START)
            assert accepted.duplicate

    async def claim(self, pick: int) -> None:
        self.batches.append(await self.store.claim_work(1 + pick % 3))

    async def settle(self, pick: int) -> None:
        if not self.batches:
            return
        batch = self.batches.pop(pick % len(self.batches))
        for work in batch.work:
            id, ids = work.conversation.id, [i.message.external_id for i in work.items]
            fence = None if pick % 2 else work.conversation.fence
            replies = tuple(send(f"reply to {i}", id, fence=fence) for i in ids)
            (error,) = await batch.settle([outcome(work, sends=replies)])
            if error is None:
                self.done[id] += ids
        await batch.release()

    async def release(self, pick: int) -> None:
        if self.batches:
            await self.batches.pop().release()

    async def fail(self, pick: int) -> None:
        if self.batches:
            batch = self.batches.pop()
            for work in batch.work:
                await batch.fail(work.conversation.id, work.items[0].inbox_id, "no", give_up=False)
            await batch.release()

    async def hand_over(self, pick: int) -> None:
        for conversation in list(self.accepted)[: pick % 3]:
            await self.store.claim(conversation, f"agent-{pick}", lease_until=START, now=START, force=True)

    async def claim_sends(self, pick: int) -> None:
        self.sends += await self.store.claim_sends(1 + pick % 3, self.clock.turn(seconds=1))

    async def settle_sends(self, pick: int) -> None:
        if self.sends:
            row = self.sends.pop(pick % len(self.sends))
            await self.store.settle_sends([sent(row, row.key)])  # type: ignore[arg-type,attr-defined]

    async def reopen(self, pick: int) -> None:
        await self.store.close()
        self.store, self.batches, self.sends = self.home.store(), [], []
        await self.store.open()

    async def finish(self) -> None:
        """Work everything off, then look."""
        for batch in self.batches:
            await batch.release()
        await self.reopen(0)
        while True:
            await self.claim(3)
            if not self.batches[0].work:
                break
            await self.settle(1)
        while rows := await self.store.claim_sends(9, self.clock.turn(seconds=1)):
            await self.store.settle_sends([sent(r, r.key) for r in rows])
        for conversation, ids in self.accepted.items():
            assert self.done[conversation] == ids
            lines = await self.store.timeline(conversation, limit=1000)
            assert [e.seq for e in lines] == list(range(1, len(lines) + 1))
            assert [e.external_id for e in lines if e.kind == "inbound"] == ids
            replies = [e.text for e in lines if e.kind == "outbound"]
            left_out = {s.key for s in (await self.store.outbox(state="superseded", limit=1000)).items}
            assert replies == [f"reply to {i}" for i in ids if f"reply to {i}" not in left_out]


MOVES = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=40)


def follow(kind: str, steps: list[tuple[Step, int]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            model = Model(HOMES[kind](Path(folder), clock), clock)
            await model.store.open()
            try:
                for step, pick in steps:
                    await model.step(step, pick)
                await model.finish()
            finally:
                await model.store.close()

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(steps=MOVES)
def test_once_and_in_order_sqlite(steps: list[tuple[Step, int]]) -> None:
    follow("sqlite", steps)


@settings(max_examples=25, deadline=None)  # each makes a database
@given(steps=MOVES)
def test_once_and_in_order_postgres(steps: list[tuple[Step, int]]) -> None:
    follow("postgres", steps)
