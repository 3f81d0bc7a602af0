"""Mailboxes and pollers: each is watched by one node, and by another when that one dies, stands still or leaves."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels._platforms.telegram import Telegram
from gateway.simulate.platforms import toml
from tests.nodes.town import Node, Town, town, until

WATCH = "watch:telegram/main"


@pytest.fixture
async def platform() -> AsyncIterator[Telegram]:
    async with Telegram(pace=0.02) as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, database: str, platform: Telegram) -> AsyncIterator[Town]:
    """A town whose bot is asked for its messages."""
    async with town(tmp_path, database, more=account(platform, "main")) as made:
        yield made


def account(platform: Telegram, name: str) -> str:
    settings = {**platform.settings, "updates": "polling"}
    lines = [f"{key} = {toml(value)}" for key, value in settings.items()]
    return f"[channels.telegram.{name}]\n" + "\n".join(lines) + "\n"


async def watcher(place: Town, nodes: dict[str, Node], besides: str = "") -> str:
    """The name of the node that watches, once one but ``besides`` does; its log says so."""
    found = ""

    async def told() -> bool:
        nonlocal found
        said = {name: node.log.read_text().count(f"{WATCH}: this node watches\n") for name, node in nodes.items()}
        found = next((name for name, count in said.items() if count and name != besides), "")
        return bool(found)

    await until(told, "nobody watches")
    return found


async def said(place: Town, platform: Telegram, count: int) -> None:
    """So many messages were taken, each once and in order, and each was answered once."""
    await place.worked_on(count)
    rows = await place.inbox()
    texts = [(await place.store.inbox_message(row.id)).text for row in sorted(rows, key=lambda row: row.id)]
    assert texts == [f"Where is order {n}?" for n in range(count)]
    await place.all_said()
    assert {row.state for row in await place.outbox()} == {"sent"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_another_node_takes_over_a_mailbox(place: Town, platform: Telegram, how: signal.Signals) -> None:
    nodes = {name: place.node(name) for name in ("one", "two")}
    first = await watcher(place, nodes)
    await platform.say("Where is order 0?", person="Wang Fang")
    await place.worked_on(1)
    await place.all_said()  # what is on its way when a node dies is in doubt, and rightly not said again
    nodes[first].signal(how)
    await platform.say("Where is order 1?", person="Wang Fang")
    second = await watcher(place, nodes, besides=first)
    await platform.say("Where is order 2?", person="Wang Fang")
    await said(place, platform, 3)
    assert second != first


async def test_a_frozen_watcher_writes_nothing_when_it_thaws(place: Town, platform: Telegram) -> None:
    """It stands still with a delivery in its hands, longer than its lease; another takes it, and once is enough."""
    program = ("-m", "tests.nodes.frozen", str(place.file), "append:before:2")
    frozen = place.node("frozen", program=(sys.executable, *program))
    await watcher(place, {"frozen": frozen})
    await platform.say("Where is order 0?", person="Wang Fang")
    await place.worked_on(1)
    await platform.say("Where is order 1?", person="Wang Fang")
    other = place.node("other")
    await watcher(place, {"other": other})
    await place.worked_on(2)
    frozen.signal(signal.SIGCONT)
    await frozen.ready()
    await platform.say("Where is order 2?", person="Wang Fang")
    await said(place, platform, 3)
    assert "another node has" in frozen.log.read_text() or "no more" in frozen.log.read_text()


async def test_accounts_are_shared_with_a_node_that_joins(tmp_path: Path, database: str) -> None:
    platforms = [Telegram(pace=0.02) for _ in range(4)]
    for platform in platforms:
        await platform.__aenter__()
    more = "".join(account(platform, f"bot{n}") for n, platform in enumerate(platforms))
    try:
        async with town(tmp_path, database, more=more) as place:

            async def shares() -> list[int]:
                return sorted(Counter(h.node for h in await place.store.held_leases("watch:")).values())

            async def alone() -> bool:
                return await shares() == [4]

            async def evenly() -> bool:
                return await shares() == [2, 2]

            await place.node("one").ready()
            await until(alone, "one node watches all")
            two = await place.node("two").ready()
            await until(evenly, "two nodes share")
            await two.stop()
            await until(alone, "one node watches all again")
            await asyncio.gather(*(p.say("Where is my order?", person="Li Na") for p in platforms))
            await place.worked_on(4)
    finally:
        for platform in platforms:
            await platform.__aexit__(None, None, None)
