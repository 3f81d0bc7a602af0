"""Housekeeping: what the company wants to be kept stays, and the rest goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from gateway import housekeeping
from gateway.config import RetentionSettings
from gateway.context import Gateway
from gateway.housekeeping import Housekeeping
from tests.gateway.conftest import Clock, Town


async def keep_house(gateway: Gateway, until: Callable[[], Awaitable[bool]], **settings: int) -> None:
    """Run the worker with these settings until it has done that."""
    gateway.config = msgspec.structs.replace(gateway.config, retention=RetentionSettings(**settings))
    running = asyncio.create_task(Housekeeping(gateway).run())
    async with asyncio.timeout(60):
        while not await until():
            assert not running.done()
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_reasons_go_and_words_stay(town: Town, gateway: Gateway, clock: Clock) -> None:
    conversation = await town.write("my order 123456 is broken")
    assert await gateway.store.traces(conversation)

    async def forgotten() -> bool:
        return not await gateway.store.traces(conversation)

    clock.go(days=70)
    await keep_house(gateway, forgotten, trace_months=1)
    assert (await town.lines(conversation, "inbound"))[0].text == "my order 123456 is broken"
    (row,) = (await gateway.store.inbox()).items
    assert (await gateway.store.inbox_message(row.id)).raw


async def test_a_person_is_forgotten_after_years(town: Town, gateway: Gateway, clock: Clock) -> None:
    conversation = await town.write("hello")
    record = await gateway.store.record((await gateway.store.conversation(conversation)).number)
    closed = msgspec.structs.replace(
        record, revision=record.revision + 1, standing=msgspec.structs.replace(record.standing, status="closed")
    )
    await gateway.store.amend(conversation, None, closed, status="closed")

    async def erased() -> bool:
        return (await town.lines(conversation, "inbound"))[0].text == ""

    clock.go(days=800)
    await keep_house(gateway, erased, years=2)
    assert [line.by for line in await gateway.store.journal(record.number) if line.what == "erased"] == ["system"]


async def test_a_store_that_is_away_is_asked_again(
    town: Town, gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "EVERY", 0.01)
    conversation = await town.write("hello")
    clock.go(days=70)
    await gateway.store.close()

    async def refused() -> bool:
        return "not this time" in caplog.text

    await keep_house(gateway, refused, trace_months=1)
    await gateway.store.open()

    async def forgotten() -> bool:
        return not await gateway.store.traces(conversation)

    await keep_house(gateway, forgotten, trace_months=1)
