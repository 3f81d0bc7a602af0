"""Nobody is faster than a platform allows, people come before machines, and every conversation gets its turn."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from channels import base
from channels.base import Rate
from gateway.pace import MAX_LANES, Limits, LocalPace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Account:
    """A channel as far as its pace goes."""

    limits: ClassVar[base.Limits] = base.Limits(text=100, per_chat=Rate(1, 1.0), per_account=Rate(3, 1.0))


def limits() -> Limits:
    channels: dict[tuple[str, str], Any] = {("chat", "main"): Account()}
    return Limits(channels)


D = "channel:chat/main"


async def test_an_account_sends_as_many_as_its_rate_and_no_more() -> None:
    clock = Clock()
    pace = LocalPace(limits(), clock)
    assert await pace.room() == ({D: 3}, 0.0)
    assert await pace.take([(D, lane) for lane in "abc"]) == [0.0, 0.0, 0.0]
    room = await pace.room()
    assert room.at_most == {D: 0}
    assert 0.3 < room.soonest < 0.34
    clock.now = 0.7
    assert (await pace.room()).at_most == {D: 2}
    clock.now = 100.0
    assert (await pace.room()).at_most == {D: 3}, "what was not used does not add up"


async def test_what_goes_beyond_the_rate_waits() -> None:
    pace = LocalPace(limits(), Clock())
    waits = await pace.take([(D, lane) for lane in "abcde"])
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits[3:] == pytest.approx([1 / 3, 2 / 3])


async def test_a_chat_waits_for_its_own_turn_alone() -> None:
    clock = Clock()
    pace = LocalPace(limits(), clock)
    assert await pace.take([(D, "a"), (D, "a"), (D, "b")]) == [0.0, 1.0, 0.0]
    clock.now = 2.0
    assert await pace.take([(D, "a")]) == [0.0]


async def test_an_account_that_was_told_to_wait_rests_as_a_whole() -> None:
    clock = Clock()
    pace = LocalPace(limits(), clock)
    await pace.rest(D, 7.0)
    await pace.rest("sink:tickets", 2.0)
    assert await pace.room() == ({D: 0, "sink:tickets": 0}, 2.0)
    clock.now = 7.5
    assert await pace.room() == ({D: 3}, 0.0)


async def test_of_several_nodes_each_has_its_share() -> None:
    clock, nodes = Clock(), 3

    async def count() -> int:
        return nodes

    pace = LocalPace(limits(), clock, nodes=count)
    assert (await pace.room()).at_most == {D: 1}
    assert await pace.take([(D, "a"), (D, "b"), (D, "c")]) == pytest.approx([0.0, 1.0, 2.0])
    nodes, clock.now = 1, 10.0
    assert (await pace.room()).at_most == {D: 3}, "the others have gone"


async def test_who_begins_empty_waits_for_the_first_token() -> None:
    clock = Clock()
    pace = LocalPace(limits(), clock, empty=True)
    assert (await pace.room()).at_most == {D: 0}
    clock.now = 0.4
    assert (await pace.room()).at_most == {D: 1}


async def test_lanes_that_have_long_been_free_are_forgotten() -> None:
    pace = LocalPace(limits(), Clock())
    await pace.take([(D, "first"), *((D, str(n)) for n in range(MAX_LANES))])
    pace._limits.accounts.clear()
    assert await pace.take([(D, "first")]) == [0.0]
