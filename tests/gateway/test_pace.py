"""Nobody is faster than a platform allows, people come before machines, and every conversation gets its turn."""

from __future__ import annotations

from typing import Any, ClassVar

from channels.base import Limits, Rate
from gateway.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Account:
    """A channel as far as its pace goes."""

    limits: ClassVar[Limits] = Limits(text=100, per_chat=Rate(1, 1.0), per_account=Rate(3, 1.0))


def pace(clock: Clock) -> Pace:
    channels: dict[tuple[str, str], Any] = {("chat", "main"): Account()}
    return Pace(channels, clock)


D = "channel:chat/main"


def test_an_account_sends_as_many_as_its_rate_and_no_more() -> None:
    clock = Clock()
    bucket = pace(clock)
    assert bucket.at_most() == {D: 3}
    for lane in "abc":
        assert bucket.take(D, lane) == 0.0
    assert bucket.at_most() == {D: 0}
    assert 0.3 < bucket.soonest() < 0.34
    clock.now = 0.7
    assert bucket.at_most() == {D: 2}
    clock.now = 100.0
    assert bucket.at_most() == {D: 3}, "what was not used does not add up"


def test_a_chat_waits_for_its_own_turn_alone() -> None:
    clock = Clock()
    bucket = pace(clock)
    assert bucket.take(D, "a") == 0.0
    assert bucket.take(D, "a") == 1.0
    assert bucket.take(D, "b") == 0.0
    clock.now = 2.0
    assert bucket.take(D, "a") == 0.0


def test_an_account_that_was_told_to_wait_rests_as_a_whole() -> None:
    clock = Clock()
    bucket = pace(clock)
    bucket.rest(D, 7.0)
    bucket.rest("sink:tickets", 2.0)
    assert bucket.at_most() == {D: 0, "sink:tickets": 0}
    assert bucket.soonest() == 2.0
    clock.now = 7.5
    assert bucket.at_most() == {D: 3}
    assert bucket.soonest() == 0.0
