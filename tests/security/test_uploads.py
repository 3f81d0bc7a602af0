"""Strangers fill our disk: a visitor costs nothing to invent, so the address counts."""

from __future__ import annotations

import os
from typing import Any

import pytest

from gateway.web.visitor.allowance import REFILL, SWEEP_AT, Allowance


async def _upload(house: Any, size: int, address: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {await house.visitor()}", "X-File-Name": "a.bin", "X-Forwarded-For": address}
    data = os.urandom(size)
    status, _, answer = await house.call("POST", "/widget/v1/uploads?site=lantern", data=data, headers=headers)
    return status, answer.get("Retry-After")


async def test_an_address_may_bring_so_much_whoever_it_says_it_is(opening: Any) -> None:
    async with opening("trust_proxy = true\n") as house:
        room = house.gateway.config.limits.uploads // 190_000
        got = [await _upload(house, 190_000, "203.0.113.9") for _ in range(room + 2)]
        assert [status for status, _ in got] == [200] * room + [429] * 2
        assert int(got[-1][1]) > 0
        assert (await _upload(house, 190_000, "203.0.113.10"))[0] == 200
        kept = sum(file.stat().st_size for file in (house.folder / "data" / "blobs").rglob("*") if file.is_file())
        assert kept <= house.gateway.config.limits.uploads + 190_000


def test_an_allowance_comes_back_evenly() -> None:
    allowance = Allowance(3600)
    assert allowance.take("a", 3600, 0.0) == 0
    assert allowance.take("a", 100, 0.0) == pytest.approx(100 * REFILL / 3600)
    assert allowance.take("b", 3600, 0.0) == 0
    assert allowance.take("a", 100, 99.0) > 0
    assert allowance.take("a", 100, 101.0) == 0


def test_the_addresses_of_one_household_count_as_one() -> None:
    allowance = Allowance(100)
    assert allowance.take("2001:db8::1", 100, 0.0) == 0
    assert allowance.take("2001:db8::ffff:2", 1, 0.0) > 0
    assert allowance.take("2001:db8:0:1::1", 1, 0.0) == 0
    assert allowance.take("", 100, 0.0) == 0


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    allowance = Allowance(100)
    for n in range(SWEEP_AT + 500):
        allowance.take(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1, float(n) * 100)
    assert len(allowance._used) <= SWEEP_AT + 1
