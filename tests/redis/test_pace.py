"""Nodes that send for the same account keep its rate together, and never more when Redis goes or comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from channels import base
from channels.base import Rate, Secret
from gateway.keys import Keys
from gateway.pace import Limits
from gateway.redis.pace import SharedPace
from tests.redis.conftest import Node, node, ticks
from tests.servers.redis import Redis

D, QUIET = "channel:chat/main", "channel:quiet/main"


class Account:
    limits: ClassVar[base.Limits] = base.Limits(text=100, per_account=Rate(40, 2.0), per_chat=Rate(1, 1.0))


class Clock:
    """Ours; what is shared runs on Redis's."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def two_nodes() -> int:
    return 2


def pace(of: Node, clock: Clock) -> SharedPace:
    channels: dict[tuple[str, str], Any] = {("chat", "main"): Account()}
    return SharedPace(of.link, Limits(channels), Keys(Secret("x" * 32)), clock, two_nodes)


@pytest.fixture
async def two(server: Redis) -> AsyncIterator[tuple[Node, Node]]:
    async with node(server.url) as a, node(server.url) as b:
        yield a, b


async def full(shared: SharedPace) -> None:
    """The first look begins with empty buckets."""
    async for _ in ticks():
        if (await shared.room()).at_most[D] == 40:
            return


async def test_two_nodes_never_exceed_the_rate(two: tuple[Node, Node]) -> None:
    a, b = (pace(one, Clock()) for one in two)
    await full(a)
    began = asyncio.get_running_loop().time()
    waits = await asyncio.gather(
        *(one.take([(D, f"{name}{n}-{m}") for m in range(5)]) for n in range(10) for name, one in (("a", a), ("b", b)))
    )
    took = asyncio.get_running_loop().time() - began
    due = sorted(wait for some in waits for wait in some)
    assert len(due) == 100
    # Token n beyond the bucket's 40 is there n/20 s later, less what was filled up while we took.
    for n, wait in enumerate(due[40:], 1):
        assert n / 20 - took - 0.05 <= wait <= n / 20 + 0.005
    assert (await b.room()).at_most == {D: 0}


async def test_a_chat_is_slow_wherever_it_is_answered(two: tuple[Node, Node]) -> None:
    a, b = (pace(one, Clock()) for one in two)
    await full(a)
    assert await a.take([(D, "chat/main:+8613800138000")]) == [0.0]
    (wait,) = await b.take([(D, "chat/main:+8613800138000")])
    assert 0.5 < wait <= 1.0
    assert await b.take([(D, "other"), (QUIET, "x")]) == [0.0, 0.0]


async def test_redis_does_not_learn_whom_we_write_to(two: tuple[Node, Node], server: Redis) -> None:
    shared = pace(two[0], Clock())
    await shared.room()
    await shared.take([(D, "chat/main:+8613800138000")])
    await shared.rest(D, 5)
    keys = server.run("keys", "*").split("\n")
    assert len(keys) == 4
    assert not any("8613800138000" in key for key in keys)
    assert all(int(server.run("pttl", key)) > 0 for key in keys), "every key ends by itself"


async def test_who_is_told_to_wait_tells_all(two: tuple[Node, Node]) -> None:
    a, b = (pace(one, Clock()) for one in two)
    await full(a)
    await a.rest(D, 60.0)
    await a.rest(D, 1.0)
    await a.rest("sink:tickets", 30.0)
    room = await b.room()
    assert room.at_most == {D: 0, "sink:tickets": 0}
    assert 29 < room.soonest <= 30


async def test_while_redis_is_away_each_has_its_share(two: tuple[Node, Node], server: Redis) -> None:
    clock = Clock()
    a, b = (pace(one, clock) for one in two)
    await full(a)
    await a.rest("sink:tickets", 60.0)
    await b.room()
    server.kill()
    for one in two:
        await one.is_away()
    for shared in (a, b):
        assert (await shared.room()).at_most == {D: 0, "sink:tickets": 0}, "somebody may just have used the tokens"
    clock.now = 1.0
    for shared in (a, b):
        assert (await shared.room()).at_most[D] == 10, "20 a second for two"
        assert await shared.take([(D, str(n)) for n in range(10)]) == pytest.approx([0.0] * 10)
        assert (await shared.room()).at_most[D] == 0
    await a.rest(D, 60.0)
    server.start()
    for one in two:
        await one.is_up()
    assert (await b.room()).at_most[D] == 0, "what was sent meanwhile Redis does not know"
    await a.room()
    assert (await b.room()).at_most == {D: 0, "sink:tickets": 0}
    assert 50 < (await b.room()).soonest <= 60, "who was told to wait meanwhile tells it now"


async def test_an_emptied_redis_does_not_fill_the_buckets(two: tuple[Node, Node], server: Redis) -> None:
    shared = pace(two[0], Clock())
    await full(shared)
    server.run("flushall")
    room = await shared.room()
    assert room.at_most[D] <= 1
    assert room.soonest <= 0.05
    await full(shared)
