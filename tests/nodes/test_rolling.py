"""Nodes come and go while people write: every message is taken once and answered once, and no chat loses or doubles a line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter

import aiohttp
from aiohttp import WSCloseCode

from tests.nodes.town import Node, Town, Visitor, until


class Balancer:
    """What stands in front of the nodes: the next one that is ready."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes, self._turn = nodes, 0

    async def next(self) -> Node:
        while True:
            self._turn += 1
            node = self.nodes[self._turn % len(self.nodes)]
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                if (await node.get("/readyz"))[0] == 200:
                    return node
            await asyncio.sleep(0.1)


async def says(balancer: Balancer, visitor: Visitor, name: str, count: int) -> None:
    """Messages one after the other, each until it is accepted: as the page does."""
    for n in range(count):
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await visitor.say(
                    await balancer.next(), f"How long does delivery take? ({name}-{n})", f"message-{name}-{n}"
                )
                break
        await asyncio.sleep(0.3)


async def stays(balancer: Balancer, visitor: Visitor, closes: list[int]) -> None:
    """The window's live line: whenever it ends, it comes again."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            closes.append(await visitor.listen(await balancer.next()))
        await asyncio.sleep(0.05)


async def test_a_rolling_restart_with_chats_open(town: Town) -> None:
    balancer = Balancer([await town.node(name).ready() for name in ("one", "two")])
    visitors = {f"v{n}": Visitor(town) for n in range(4)}
    closes: list[int] = []
    for visitor in visitors.values():
        await visitor.open(await balancer.next())
    lines = [asyncio.create_task(stays(balancer, visitor, closes)) for visitor in visitors.values()]
    talk = [asyncio.create_task(says(balancer, visitor, name, 15)) for name, visitor in visitors.items()]
    for n, name in enumerate(("three", "four")):
        old = balancer.nodes[n]
        assert await old.stop() == 0
        balancer.nodes[n] = await town.node(name).ready()
    await asyncio.gather(*talk)
    await town.worked_on(15 * len(visitors))
    await town.all_said()

    async def all_shown() -> bool:
        return all(sum(line["type"] == "line" for line in v.lines) >= 30 for v in visitors.values())

    with contextlib.suppress(AssertionError):
        await until(all_shown, "not everything is shown")
    for task in lines:
        task.cancel()
    for name, visitor in visitors.items():
        seqs = [line["seq"] for line in visitor.lines]
        assert seqs == sorted(set(seqs)), "in order, and nothing twice"
        mine = [line["text"].partition("(")[2] for line in visitor.lines if line.get("author") == "me"]
        assert mine == [f"{name}-{n})" for n in range(15)]
        answers = [line for line in visitor.lines if line.get("author") == "bot"]
        assert len(answers) == len({line["seq"] for line in answers}) > 0
    assert set(closes) == {WSCloseCode.GOING_AWAY}


async def test_nodes_join_leave_and_die_under_load(town: Town) -> None:
    nodes = [await town.node(name).ready() for name in ("one", "two")]
    balancer, sent = Balancer(nodes), []

    async def caller(name: str) -> None:
        for n in range(12):
            mark = f"{name}-{n}"
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await (await balancer.next()).write(f"How long does delivery take? ({mark})", name, mark)
                    break
            sent.append(mark)
            await asyncio.sleep(0.1)

    calling = [asyncio.create_task(caller(f"c{n}")) for n in range(6)]
    nodes.append(await town.node("three").ready())
    nodes[0].kill()
    nodes.append(await town.node("four").ready())
    assert await nodes[1].stop() == 0
    await asyncio.gather(*calling)
    rows = await town.worked_on(len(sent))
    taken = [await town.store.inbox_message(row.id) for row in rows]
    assert Counter(message.external_id for message in taken) == Counter(sent)
    await town.all_said()
    keys = [row.key for row in await town.outbox()]
    assert len(keys) == len(set(keys))
    assert {row.state for row in await town.outbox()} <= {"sent", "superseded"}
    in_order: dict[str, list[int]] = {}
    for message in sorted(taken, key=lambda m: m.at):
        in_order.setdefault(message.sender.id, []).append(int(message.external_id.partition("-")[2]))
    assert all(numbers == sorted(numbers) for numbers in in_order.values())


async def test_a_node_says_that_it_goes_before_it_does(town: Town) -> None:
    node = await town.node("one", ALLEARS_NODE__DRAIN_SECONDS="60").ready()
    visitor = Visitor(town)
    await visitor.open(node)
    line = asyncio.create_task(visitor.listen(node))
    node.signal(signal.SIGTERM)

    async def red() -> bool:
        return (await node.get("/readyz"))[0] == 503

    await until(red, "it does not say so")
    await visitor.say(node, "How long does delivery take?", "late-message")
    await town.worked_on(1)
    await town.all_said()
    node.signal(signal.SIGTERM)  # told twice, it hurries
    assert await node.ended() == 0
    assert await line == WSCloseCode.GOING_AWAY
    assert [shown["text"] for shown in visitor.lines if shown.get("author") == "me"] == ["How long does delivery take?"]
