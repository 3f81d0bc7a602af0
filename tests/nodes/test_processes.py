"""Several processes on one port: all take connections, one that falls is started again, and all end with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.nodes.town import Node, Town, until
from tests.ports import free_port


@pytest.fixture
async def pair(town: Town) -> Node:
    node = town.node("pair", "--processes", "2")
    await up(town, 2)
    await node.ready()
    return node


async def up(town: Town, count: int) -> None:
    async def there() -> bool:
        return await town.store.nodes() == count + 1  # and the test's own

    await until(there, f"there are not {count} nodes")


def children(node: Node) -> list[int]:
    """The processes of a parent."""
    assert node.process is not None
    listed = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def two_ports() -> int:
    """A free port whose neighbour is free, too."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port + 1))
            return port


async def test_both_take_connections(town: Town) -> None:
    """Each has its own figures; the kernel deals the connections out."""
    watch = two_ports()
    pair = town.node("pair", "--processes", "2", ALLEARS_NODE__WATCH=f"127.0.0.1:{watch}")
    await up(town, 2)
    await pair.ready()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        for n in range(40):
            await pair.write("How long does delivery take?", sender=f"c{n}", id=f"m{n}", http=http)
    await town.worked_on(40)
    took = []
    for port in (watch, watch + 1):
        async with town.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        took.append(
            sum(float(line.split()[1]) for line in lines if line.startswith("allears_messages_accepted_total{"))
        )
    assert sum(took) == 40
    assert min(took) > 0


async def test_one_that_falls_is_started_again(town: Town, pair: Node) -> None:
    first = children(pair)
    os.kill(first[0], signal.SIGKILL)

    async def again() -> bool:
        return len(children(pair)) == 2 and set(children(pair)) != set(first)

    await until(again, "the fallen one is not started again")
    await up(town, 2)
    await pair.write("How long does delivery take?")
    await town.worked_on(1)


async def test_they_are_renewed_one_after_another(town: Town, pair: Node) -> None:
    """With the configuration as it is now, and always one that answers."""
    first = set(children(pair))
    town.furnish("[company]\nname = 'Lantern'\n")
    pair.signal(signal.SIGHUP)
    answers: list[int] = []

    async def renewed() -> bool:
        with contextlib.suppress(aiohttp.ClientConnectionError):  # a connection that was taken as the listener closed
            answers.append((await pair.get("/healthz"))[0])
        return len(children(pair)) == 2 and not first & set(children(pair)) and await town.store.nodes() == 3

    await until(renewed, "they are not renewed")
    assert set(answers) == {200}
    assert b"Lantern" in (await pair.get("/widget/v1/settings?site=lantern"))[1]


async def test_all_end_with_their_parent(town: Town, pair: Node) -> None:
    assert await pair.stop() == 0
    assert await town.store.nodes() == 1


async def test_nobody_is_left_when_the_parent_is_killed(town: Town, pair: Node) -> None:
    pids = children(pair)
    pair.signal(signal.SIGKILL)
    await pair.ended()
    await up(town, 0)

    async def gone() -> bool:
        return not any(map(lives, pids))

    await until(gone, "processes are left")


async def test_a_fault_in_the_configuration_ends_them_all(town: Town) -> None:
    town.furnish("[bot]\nknowledge = 'nowhere'\n")
    node = town.node("bad", "--processes", "2")
    assert await node.ended() == 1
    assert "nowhere" in node.log.read_text()


async def test_a_port_in_use_is_told(town: Town, pair: Node) -> None:
    node = town.node("second", "--processes", "2", ALLEARS_LISTEN=f"127.0.0.1:{pair.port}")
    assert await node.ended() == 1
    assert "cannot listen" in node.log.read_text()
