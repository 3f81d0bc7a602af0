"""What follows a failed attempt to send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from channels.base import ChannelError, Expired, Refused, Retry, Unauthorized, Unknown
from gateway.retry import JITTER, REST, Next, after_error

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LADDER = (5.0, 300.0)


def after(err: ChannelError, *, tries: int = 1, repeat: bool = True, key: str = "k") -> Next:
    return after_error(err, key=key, tries=tries, now=NOW, ladder=LADDER, repeat=repeat)


def seconds(following: Next) -> float:
    assert following.at is not None
    return (following.at - NOW).total_seconds()


def test_the_ladder_is_climbed_with_bounded_jitter() -> None:
    for tries, base in enumerate(LADDER, 1):
        waits = {seconds(after(Retry(), tries=tries, key=str(n))) for n in range(50)}
        assert min(waits) >= base
        assert max(waits) <= base * (1 + JITTER)
        assert len(waits) > 10, "rows that failed together must not come back together"


def test_after_the_last_rung_it_is_a_dead_letter() -> None:
    assert after(Retry(), tries=len(LADDER) + 1).state == "dead"


def test_the_platform_may_ask_for_more_or_less_time() -> None:
    for asked in (1.0, 3600.0):
        assert asked <= seconds(after(Retry("HTTP 429", asked))) <= asked * (1 + JITTER)


def test_bad_credentials_rest_without_counting() -> None:
    following = after(Unauthorized(), tries=99)
    assert (following.state, seconds(following)) == ("waiting", REST)


@pytest.mark.parametrize("err", [Refused(), Expired()])
def test_a_no_is_final(err: ChannelError) -> None:
    assert after(err).state == "dead"


@pytest.mark.parametrize(("repeat", "state"), [(True, "waiting"), (False, "unknown")])
def test_in_doubt_only_what_may_come_twice_is_repeated(repeat: bool, state: str) -> None:
    assert after(Unknown(), repeat=repeat).state == state


def test_the_same_attempt_always_gets_the_same_answer() -> None:
    assert after(Retry()).at == after(Retry()).at
    assert after(Retry()).at != NOW + timedelta(seconds=LADDER[0]) or JITTER == 0
