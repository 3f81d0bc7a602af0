"""The chain: whole, in order, untouched, and whole after an erasure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from gateway.store.base import JournalLine, Store
from gateway.store.journal import erased, seal, verify
from tests.store.scene import START, Home, fill, line, message, settle

replace = msgspec.structs.replace


def chain() -> list[JournalLine]:
    lines: list[JournalLine] = []
    bodies: tuple[dict[str, Any], ...] = ({"text": "hello", "n": 1}, {"b": [1.5, None], "a": {"z": 1, "y": "投诉"}}, {})
    for n, body in enumerate(bodies, start=1):
        lines.append(seal(line("A-1", f"step {n}", **body), n, lines[-1].hash if lines else ""))
    return lines


def test_a_whole_chain() -> None:
    assert verify(chain()) == ""
    assert verify([]) == ""


@pytest.mark.parametrize(
    "tamper",
    [
        lambda c: [replace(c[0], body={"text": "bye", "n": 1}), *c[1:]],
        lambda c: [c[0], replace(c[1], what="step two"), c[2]],
        lambda c: [c[0], replace(c[1], by="someone"), c[2]],
        lambda c: [c[0], replace(c[1], at=START + timedelta(seconds=1)), c[2]],
        lambda c: [c[0], c[2]],
        lambda c: c[1:],
        lambda c: [c[1], c[0], c[2]],
        lambda c: [c[0], c[1], seal(replace(c[2], number="A-2"), 3, c[1].hash)],
        lambda c: [c[0], seal(c[1], 2, "0" * 64), c[2]],
        lambda c: [c[0], seal(replace(c[1], what="forged"), 2, c[0].hash), c[2]],
    ],
)
def test_tampering_is_seen(tamper: Callable[[list[JournalLine]], list[JournalLine]]) -> None:
    assert verify(tamper(chain())) != ""


def test_erased_bodies_still_verify() -> None:
    lines = [replace(one, body=erased(one.body)) for one in chain()]
    assert verify(lines) == ""
    assert [erased(one.body) for one in lines] == [one.body for one in lines]
    assert "hello" not in repr(lines)
    assert verify([replace(lines[0], body=erased({"text": "other"})), *lines[1:]]) != ""


def test_the_zone_of_a_time_does_not_matter() -> None:
    east = datetime(2026, 11, 20, 18, 0, tzinfo=timezone(timedelta(hours=8)))
    assert (
        seal(replace(line("A-1"), at=east), 1, "").hash
        == seal(replace(line("A-1"), at=east.astimezone(UTC)), 1, "").hash
    )


async def test_the_store_chains_each_complaint(home: Home) -> None:
    store = home.store()
    await store.open()
    east = datetime(2026, 11, 20, 18, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    await fill(store, message(1))
    await settle(store, journal=(line("A-1", "opened", x=1.0, when=START), line("A-2"), replace(line("A-1"), at=east)))
    await store.close()
    again: Store = home.store()
    await again.open()
    lines = await again.journal("A-1")
    assert verify(lines) == ""
    assert verify(await again.journal("A-2")) == ""
    assert [(j.n, j.what) for j in lines] == [(1, "opened"), (2, "opened")]
    assert lines[1].at == east
    await again.close()
