"""Several nodes send at once: each row goes out once, in its lane's order, and what a dead node had in hand comes back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.store.base import Send, SendResult, Store, StoreUnavailable
from gateway.store.postgres import PostgresStore
from gateway.store.postgres.session import NODE
from tests.store.scene import Clock, PostgresHome, fill, message, outcome, send, sent, settle

ROOT = Path(__file__).parents[3]
Nodes = tuple[PostgresStore, PostgresStore]


async def sql(home: PostgresHome, statement: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(home.url)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def without_one_head(home: PostgresHome) -> list[str]:
    """Lanes with open rows that have no head, or more than one."""
    found = await sql(
        home,
        "SELECT lane FROM outbox WHERE state IN ('waiting', 'sending') GROUP BY lane"
        " HAVING count(*) FILTER (WHERE state = 'sending' OR next_at IS NOT NULL) <> 1",
    )
    return [row[0] for row in found]


async def queue(store: Store, lanes: int, rows: int, *, shared: bool = False) -> None:
    """A conversation for each lane with so many rows; ``shared``: all in one lane."""
    await fill(store, *(message(n, thread=f"t{n}") for n in range(lanes)))
    batch = await store.claim_work(lanes)
    outcomes = []
    for work in batch.work:
        id = work.conversation.id
        sends = [send(f"{id}/{n:04}", id, lane="shared" if shared else "") for n in range(rows)]
        outcomes.append(outcome(work, sends=tuple(sends)))
    assert set(await batch.settle(outcomes)) == {None}
    await batch.release()


async def send_all(store: Store, clock: Clock, log: list[Send], *, most: int = 20) -> None:
    """Send what is due until nothing is left; another node may have some in hand, so it looks again."""
    while any(r.state in ("waiting", "sending") for r in (await store.outbox(state="waiting", limit=1)).items):
        got = await store.claim_sends(most, clock.now)
        log += got
        await store.settle_sends([sent(r, r.key) for r in got])


async def test_two_nodes_send_each_row_once_and_each_lane_in_order(nodes: Nodes, clock: Clock) -> None:
    await queue(nodes[0], lanes=50, rows=40)
    log: list[Send] = []
    await asyncio.gather(*(send_all(node, clock, log) for node in nodes))
    assert Counter(r.key for r in log) == Counter({r.key: 1 for r in log})
    assert len(log) == 2000
    by_lane: dict[str, list[str]] = defaultdict(list)
    for row in log:
        by_lane[row.lane].append(row.key)
    assert all(keys == sorted(keys) for keys in by_lane.values())
    for line in (await nodes[1].conversations("all", limit=100)).items:
        said = [e.text for e in await nodes[1].timeline(line.conversation.id) if e.kind == "outbound"]
        assert said == by_lane[line.conversation.id]
    (tally,) = await nodes[0].tally(since=clock.now - timedelta(days=1), until=clock.now + timedelta(days=1))
    assert (tally.replies, tally.delivered, tally.waiting) == (2000, 2000, 0)


async def test_a_lane_always_has_one_head(home: PostgresHome, nodes: Nodes, clock: Clock) -> None:
    """Two nodes add, send, try again, give up and replay in the same lanes."""
    conversations = [await fill(nodes[0], message(n, thread=f"t{n}")) for n in range(6)]
    await settle(nodes[0])
    died: set[int] = set()

    async def add(node: Store, name: str) -> None:
        for n in range(40):
            id = conversations[n % len(conversations)]
            rows = [send(f"{name}/{n}/{lane}", id, lane=f"lane {lane}") for lane in ((n + 1) % 3, n % 3)]
            await node.say(id, 0, rows)

    async def work(node: Store, adding: Sequence[asyncio.Task[None]]) -> None:
        while not all(task.done() for task in adding) or (await node.outbox(state="waiting", limit=1)).items:
            await node.settle_sends([result(r) for r in await node.claim_sends(3, clock.now)])
            if parked := (await node.outbox(state="dead")).items:
                await node.replay_sends([r.id for r in parked], clock.now)
            assert await without_one_head(home) == []

    def result(row: Send) -> SendResult:
        if row.id % 5 == 0 and row.tries == 1:
            return SendResult(id=row.id, state="waiting", error="again", next_at=clock.now)
        if row.id % 7 == 0 and row.id not in died:
            died.add(row.id)
            return SendResult(id=row.id, state="dead", error="no")
        return sent(row)

    adding = [asyncio.create_task(add(node, name)) for node, name in zip(nodes, "ab", strict=True)]
    await asyncio.gather(*adding, *(work(node, adding) for node in nodes))
    rows = (await nodes[0].outbox(limit=1000)).items
    assert Counter(r.state for r in rows) == {"sent": 160}
    assert len(died) > 10


async def test_two_nodes_replay_at_once(home: PostgresHome, nodes: Nodes, clock: Clock) -> None:
    await queue(nodes[0], lanes=2, rows=10, shared=True)
    for _ in range(20):
        (row,) = await nodes[0].claim_sends(5, clock.now)
        await nodes[0].settle_sends([SendResult(id=row.id, state="dead", error="no")])
    ids = [r.id for r in (await nodes[0].outbox(state="dead")).items]
    replayed = await asyncio.gather(*(node.replay_sends(ids, clock.now) for node in (*nodes, *nodes)))
    assert sorted(replayed) == [0, 0, 0, 20]
    assert await without_one_head(home) == []
    log: list[Send] = []
    await asyncio.gather(*(send_all(node, clock, log) for node in nodes))
    assert [r.id for r in log] == sorted(ids)


# --- nodes that die --------------------------------------------------------------------------------------

_HOLDER = """
import asyncio, sys
from tests.store.scene import at, Clock

async def hold() -> None:
    store = at("postgres", sys.argv[1]).store()
    await store.open()
    rows = await store.claim_sends(10, Clock().now)
    print(*(r.key for r in rows), flush=True)
    await asyncio.sleep(3600)

asyncio.run(hold())
"""


async def claim_soon(store: Store, clock: Clock) -> Sequence[Send]:
    """What can be claimed within some seconds: the server has to see first that a node is gone."""
    async with asyncio.timeout(10):
        while not (got := await store.claim_sends(10, clock.now)):  # noqa: ASYNC110 - polled as a node does
            await asyncio.sleep(0.02)
    return got


async def test_rows_of_a_killed_node_come_back_and_say_so(home: PostgresHome, nodes: Nodes, clock: Clock) -> None:
    await queue(nodes[0], lanes=3, rows=2)
    with subprocess.Popen(  # noqa: ASYNC220 - one line is read of it
        [sys.executable, "-c", _HOLDER, home.url], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        with closing(process.stdout):
            held = await asyncio.to_thread(process.stdout.readline)
            assert len(held.split()) == 3
            assert await nodes[0].claim_sends(10, clock.now) == []
            process.kill()
            got = await claim_soon(nodes[0], clock)
    assert sorted(r.key for r in got) == sorted(held.split())
    assert {(r.interrupted, r.tries) for r in got} == {(True, 2)}
    assert await without_one_head(home) == []


async def cut_off(home: PostgresHome, store: PostgresStore) -> None:
    """End the node's own connection, as a network does."""
    await sql(
        home,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2::oid",
        NODE,
        store._session.node,
    )


async def lost_row(home: PostgresHome, nodes: Nodes, clock: Clock) -> tuple[Send, Send]:
    """A row that the first node was sending when it was cut off, as it and as the second node got it."""
    await queue(nodes[0], lanes=1, rows=2)
    (mine,) = await nodes[0].claim_sends(10, clock.now)
    await cut_off(home, nodes[0])
    (theirs,) = await claim_soon(nodes[1], clock)
    assert (theirs.id, theirs.interrupted) == (mine.id, True)
    return mine, theirs


async def test_what_a_lost_node_did_send_is_written_once(home: PostgresHome, nodes: Nodes, clock: Clock) -> None:
    mine, theirs = await lost_row(home, nodes, clock)
    await nodes[0].settle_sends([sent(mine, "hello")])
    await nodes[1].settle_sends([sent(theirs, "hello")])
    lines = await nodes[0].timeline(mine.conversation)
    assert [e.text for e in lines if e.kind == "outbound"] == ["hello"]
    row = await nodes[0].find_send(mine.destination, key=mine.key)
    assert row is not None
    assert row.state == "sent"
    assert await without_one_head(home) == []


@pytest.mark.parametrize("state", ["waiting", "dead", "unknown", "superseded"])
async def test_nothing_else_of_a_lost_node_counts(home: PostgresHome, nodes: Nodes, clock: Clock, state: str) -> None:
    mine, theirs = await lost_row(home, nodes, clock)
    await nodes[0].settle_sends([SendResult(id=mine.id, state=state, error="no", next_at=clock.now)])  # type: ignore[arg-type]
    await nodes[0].settle_sends([replace(sent(mine, "hello"), left_the_house=False)])
    row = await nodes[0].find_send(mine.destination, key=mine.key)
    assert row is not None
    assert (row.state, row.error) == ("sending", "")
    await nodes[1].settle_sends([sent(theirs, "hello")])
    assert [r.state for r in (await nodes[0].outbox()).items] == ["waiting", "sent"]
    assert await without_one_head(home) == []


async def test_a_node_that_was_cut_off_takes_nothing_before_it_is_back(
    home: PostgresHome, nodes: Nodes, clock: Clock
) -> None:
    await queue(nodes[0], lanes=2, rows=1)
    await nodes[0].claim_sends(1, clock.now)
    await cut_off(home, nodes[1])
    async with asyncio.timeout(10):
        while nodes[1]._session.alive():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable):
            await nodes[1].claim_sends(10, clock.now)
        while not nodes[1]._session.alive():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    assert len(await nodes[1].claim_sends(10, clock.now)) == 1
