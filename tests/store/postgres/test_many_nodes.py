"""What only many nodes can show: they accept the same, work side by side, die and stand still, and nobody is in the way."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store.base import Work
from gateway.store.postgres import PostgresStore
from tests.store.scene import PostgresHome, fill, message, outcome

ROOT = Path(__file__).parents[3]
Nodes = tuple[PostgresStore, PostgresStore]
Process = subprocess.Popen[str]


@contextmanager
def node(home: PostgresHome, *what: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "tests.store.postgres.node", home.url, *what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def told(process: Process) -> None:
    assert process.stdin is not None
    print(file=process.stdin, flush=True)


async def together(processes: Sequence[Process]) -> list[list[str]]:
    """Let them begin when all are ready; the lines of each."""
    for process in processes:
        assert heard(process) == "ready"
    for process in processes:
        told(process)
    outs = await asyncio.gather(*(asyncio.to_thread(p.communicate, timeout=100) for p in processes))
    assert [p.returncode for p in processes] == [0] * len(processes)
    return [out.splitlines() for out, _ in outs]


async def test_nodes_accept_the_same_messages_at_once(home: PostgresHome, store: PostgresStore) -> None:
    count, conversations = 400, 8
    with (
        node(home, "accept", str(count), str(conversations)) as one,
        node(home, "accept", str(count), str(conversations)) as other,
    ):
        answers = [dict(map(str.split, lines)) for lines in await together([one, other])]
    assert answers[0] == answers[1]
    assert len(answers[0]) == count
    ids = {line.conversation.id for line in (await store.conversations("all", limit=100)).items}
    assert len(ids) == conversations
    for id in ids:
        lines = await store.timeline(id, limit=1000)
        assert [e.seq for e in lines] == list(range(1, count // conversations + 1))
        came = [int(e.external_id) for e in lines]
        assert came == sorted(came)
    assert len((await store.inbox(limit=1000)).items) == count


async def test_nodes_work_side_by_side(home: PostgresHome, store: PostgresStore) -> None:
    for n in range(8):
        await fill(store, *(message(f"{n * 40 + m:03}", thread=f"t{m}", second=n) for m in range(40)))
    with node(home, "work") as one, node(home, "work") as other:
        lines = await together([one, other])
    assert all(lines), "both had something to do"
    pieces: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for conversation, began, ended, error, messages in map(str.split, itertools.chain(*lines)):
        assert error == "NoneType"
        pieces[conversation].append((float(began), float(ended), messages))
    for conversation, done in pieces.items():
        done.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(done)), "two had it at once"
        written = [e.external_id for e in await store.timeline(conversation) if e.kind == "inbound"]
        assert ",".join(messages for _, _, messages in done).split(",") == written
    assert sum(len(done) for done in pieces.values()) >= 40
    assert {r.state for r in (await store.inbox(limit=1000)).items} == {"done"}
    assert len((await store.outbox(limit=1000)).items) == 320


async def test_a_killed_nodes_conversations_are_free_at_once(home: PostgresHome, store: PostgresStore) -> None:
    await fill(store, *(message(n, thread=f"t{n}") for n in range(5)))
    with node(home, "hold") as process:
        assert heard(process) == "5"
        assert (await store.claim_work(9)).work == ()
        process.send_signal(signal.SIGKILL)
        assert len(await claimed(store)) == 5


async def claimed(store: PostgresStore) -> Sequence[Work]:
    """What is open, as soon as there is some."""
    async with asyncio.timeout(60):
        while not (batch := await store.claim_work(9)).work:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.001)
    await batch.release()
    return batch.work


async def test_a_node_that_stood_still_is_too_late(home: PostgresHome, store: PostgresStore) -> None:
    ids = {await fill(store, message(n, thread=f"t{n}")) for n in range(3)}
    with node(home, "hold") as process:
        assert heard(process) == "3"
        process.send_signal(signal.SIGSTOP)
        assert (await store.claim_work(9)).work == ()
        assert {w.conversation.id for w in await claimed(store)} == ids
        batch = await store.claim_work(9)
        assert list(await batch.settle([outcome(w) for w in batch.work])) == [None, None, None]
        process.send_signal(signal.SIGCONT)
        told(process)
        assert heard(process) == "Stale Stale Stale"


async def test_a_result_that_comes_late_is_refused_by_the_rows(nodes: Nodes) -> None:
    """Without its claim a node's result is judged by what stands there by now."""
    first, second = nodes
    id = await fill(first, message(1), message(2))
    late = await first.claim_work(1)
    assert (await second.claim_work(1)).work == ()
    session, convs = first._session, list(late._convs.values())  # type: ignore[attr-defined]
    await session.free(late)  # as when its connection ends, only that it does not know
    session._held.update(dict.fromkeys(convs, late))
    batch = await second.claim_work(1)
    assert list(await batch.settle([outcome(batch.work[0], done=(batch.work[0].items[0].inbox_id,))])) == [None]
    (error,) = await late.settle([outcome(late.work[0])])
    assert "settled already" in str(error)
    assert [i.seq for i in (await claimed(second))[0].items] == [2]
    assert (await second.conversation(id)).last_seq == 2


@pytest.mark.parametrize("limit", [1, 3, 20])
async def test_claims_of_one_moment_do_not_overlap(nodes: Nodes, limit: int) -> None:
    await fill(nodes[0], *(message(n, thread=f"t{n}") for n in range(20)))
    batches = await asyncio.gather(*(node.claim_work(limit) for node in nodes for _ in range(5)))
    got = [work.conversation.id for batch in batches for work in batch.work]
    assert len(got) == len(set(got))
    assert got
    for batch in batches:
        await batch.release()
    assert len((await nodes[1].claim_work(100)).work) == 20
