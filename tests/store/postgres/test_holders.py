"""Leases of nodes that die, stand still, are cut off and come back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store.base import Stale, StoreError
from gateway.store.postgres import PostgresStore
from tests.store.scene import START, PostgresHome, message

ROOT = Path(__file__).parents[3]
NAME = "watch:webchat/main"

Nodes = tuple[PostgresStore, PostgresStore]


@contextmanager
def holder(home: PostgresHome) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process with the lease, and its token."""
    command = [sys.executable, "-m", "tests.store.postgres.holder", home.url, NAME]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def ask(process: subprocess.Popen[str], n: int) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    print(n, file=process.stdin, flush=True)
    return process.stdout.readline().strip()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


async def live(store: PostgresStore, nodes: int) -> None:
    """Until so many nodes live."""

    async def holds() -> bool:
        return await store.nodes() == nodes

    await until(holds)


async def taken(store: PostgresStore) -> int:
    """Its token as soon as it is free."""
    got: list[int] = []

    async def holds() -> bool:
        if (token := await store.take_lease(NAME)) is not None:
            got.append(token)
        return bool(got)

    await until(holds)
    return got[0]


async def test_one_of_two_nodes_gets_it(nodes: Nodes) -> None:
    told = await asyncio.gather(*(store.take_lease(NAME) for store in nodes for _ in range(10)))
    first, second = set(told[:10]), set(told[10:])
    assert {None} in (first, second)
    assert [len(first), len(second)] == [1, 1]


async def test_who_waits_gets_it_when_it_is_given_back(nodes: Nodes) -> None:
    first, second = nodes
    token = await first.take_lease(NAME)
    assert token is not None
    assert await second.take_lease(NAME) is None
    await second.free_lease(NAME)  # it was never theirs
    assert await second.take_lease(NAME) is None
    await first.free_lease(NAME)
    later = await second.take_lease(NAME)
    assert later is not None
    assert later > token
    assert await first.take_lease(NAME) is None
    with pytest.raises(Stale):
        await first.append([message(1)], received_at=START, lease=(NAME, token))


async def test_a_delivery_under_way_holds_up_who_takes_over(nodes: Nodes) -> None:
    """Whatever order they come in: a message is written under the lease of its time or not at all."""
    first, second = nodes
    for n in range(30):
        token = await first.take_lease(NAME)
        assert token is not None
        told = await asyncio.gather(
            first.append([message(n)], received_at=START, cursor=("webchat", "main", str(n)), lease=(NAME, token)),
            first.free_lease(NAME),
            taken(second),
            return_exceptions=True,
        )
        is_written = not isinstance(told[0], Stale)
        assert (await second.cursor("webchat", "main") == str(n)) is is_written
        await second.free_lease(NAME)


async def test_neighbours_of_a_stale_delivery_are_written(nodes: Nodes) -> None:
    first, second = nodes
    token = await first.take_lease(NAME)
    assert token is not None
    stale = (NAME, token - 1)
    told = await asyncio.gather(
        *(
            first.append([message(n, thread=f"t{n}")], received_at=START, lease=stale if n == 2 else (NAME, token))
            for n in range(5)
        ),
        return_exceptions=True,
    )
    assert [isinstance(t, Stale) for t in told] == [False, False, True, False, False]
    assert len((await second.inbox()).items) == 4


async def test_a_killed_nodes_lease_is_free_at_once(home: PostgresHome, nodes: Nodes) -> None:
    with holder(home) as (process, token):
        assert await nodes[0].nodes() == 3
        assert await nodes[0].take_lease(NAME) is None
        process.send_signal(signal.SIGKILL)
        assert await taken(nodes[0]) > token
        assert await nodes[0].nodes() == 2


async def test_a_frozen_nodes_lease_is_free_after_its_time(home: PostgresHome, nodes: Nodes) -> None:
    with holder(home) as (process, token):
        assert ask(process, 1) == "written"
        process.send_signal(signal.SIGSTOP)
        assert await nodes[0].take_lease(NAME) is None
        later = await taken(nodes[0])
        assert later > token
        process.send_signal(signal.SIGCONT)
        assert (await asyncio.to_thread(ask, process, 2)).startswith("stale")
        assert len((await nodes[0].inbox()).items) == 1
        assert await nodes[0].take_lease(NAME) == later


async def test_who_comes_back_before_anybody_took_it_keeps_it(home: PostgresHome, nodes: Nodes) -> None:
    with holder(home) as (process, _):
        process.send_signal(signal.SIGSTOP)
        await live(nodes[0], 2)
        process.send_signal(signal.SIGCONT)
        assert await asyncio.to_thread(ask, process, 1) == "written"
        await live(nodes[0], 3)
        assert await nodes[0].take_lease(NAME) is None


async def test_a_node_that_lost_its_connection_keeps_its_lease(nodes: Nodes) -> None:
    first, second = nodes
    token = await first.take_lease(NAME)
    connection = first._session._connection
    assert connection is not None
    connection.terminate()
    await live(second, 1)
    assert await second.take_lease("another") is not None
    await live(second, 2)
    assert await taken(first) == token
    assert await second.take_lease(NAME) is None


async def test_what_was_not_told_is_in_nobodys_hand(nodes: Nodes) -> None:
    first, second = nodes
    assert await first.take_jobs(["kept"], 1) == ("kept",)
    with pytest.raises(StoreError):  # a name that no server takes ends the session in the middle
        await first.take_jobs(["a", "b\0"], 2)
    assert await first.take_jobs(["a", "kept"], 2) == ("a",), "what it still does is not begun twice"
    asking = asyncio.create_task(first.take_jobs(["c"], 1))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await second.take_jobs(["c"], 1) == ("c",)
    await first.close()
    await first.open()
    assert await first.take_jobs(["a", "kept"], 2) == ("a", "kept")
