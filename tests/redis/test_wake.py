"""Several nodes, one Redis: work wakes one other, what is shown reaches all, and Redis may go and come as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from gateway import wake
from gateway.wake import Listener
from tests.redis.conftest import PREFIX, Node, beyond, eventually, node
from tests.servers.redis import Redis

CHAT = wake.conversation("c1")
TYPING = {"type": "typing", "who": "agent", "name": "梅"}


class Ear:
    """Counts what a listener is told."""

    def __init__(self, listener: Listener) -> None:
        self.count = 0
        self.hints: list[wake.Hint] = []
        self._listener = listener

    async def hear(self) -> None:
        while True:
            self.hints += await self._listener.next()
            self.count += 1


@contextlib.asynccontextmanager
async def ear(at: Node, topic: str) -> AsyncIterator[Ear]:
    """The first on its node that listens; what there is to hear at the beginning has been heard."""
    with at.wake.listen(topic) as listener:
        it = Ear(listener)
        task = asyncio.create_task(it.hear())
        try:
            if topic in wake.WORK:
                await at.reads()
            else:
                await eventually(lambda: it.count == 1)
            it.count = 0
            yield it
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_is_shown_reaches_all_who_show_it_and_nobody_else(server: Redis) -> None:
    async with (
        node(server.url) as a,
        node(server.url) as b,
        node(server.url) as c,
        ear(a, CHAT) as own,
        ear(b, CHAT) as first,
        ear(c, CHAT) as second,
        ear(c, "conversation:c2") as other,
    ):
        a.wake.signal(CHAT, TYPING)
        assert own.count == 0, "listeners here are told at once and hear it when they run"
        await eventually(lambda: bool(first.hints and second.hints))
        b.wake.signal(CHAT)
        await eventually(lambda: own.count == 2 and second.count == 2)
        assert [own.hints, first.hints, second.hints] == [[TYPING]] * 3, "an own signal does not come back"
        assert (first.count, other.count) == (2, 0)


async def test_who_begins_to_listen_looks_once_more_when_signals_reach_it(server: Redis) -> None:
    async with node(server.url) as a:
        with a.wake.listen(CHAT) as listener:
            async with asyncio.timeout(20):
                await asyncio.create_task(listener.next())


async def test_nobody_is_subscribed_to_what_nobody_looks_at(server: Redis) -> None:
    async with node(server.url) as a:
        async with ear(a, CHAT):
            with a.wake.listen(CHAT):
                pass
            assert f"{PREFIX}:{CHAT}" in server.run("pubsub", "channels")
        await eventually(lambda: f"{PREFIX}:{CHAT}" not in server.run("pubsub", "channels"))


async def test_work_wakes_one_other_node(server: Redis) -> None:
    async with (
        node(server.url) as a,
        node(server.url) as b,
        node(server.url) as c,
        ear(a, wake.INBOX) as own,
        ear(b, wake.INBOX) as first,
        ear(c, wake.INBOX) as second,
    ):
        for n in range(10):
            a.wake.signal(wake.INBOX)
            await beyond(n, lambda: own.count)
            await beyond(n, lambda: first.count + second.count)
        await asyncio.sleep(0.05)
        assert (own.count, first.count + second.count) == (10, 10)


async def test_work_is_not_given_to_a_node_that_does_none_of_this_kind(server: Redis) -> None:
    async with (
        node(server.url) as web,
        node(server.url) as other,
        node(server.url) as worker,
        ear(other, wake.HEARING) as hearing,
        ear(worker, wake.OUTBOX) as sending,
    ):
        for n in range(5):
            web.wake.signal(wake.OUTBOX)
            await beyond(n, lambda: sending.count)
        assert hearing.count == 0


async def test_many_signals_of_a_moment_are_few(server: Redis) -> None:
    async with node(server.url) as a, node(server.url) as b, ear(b, wake.INBOX) as work, ear(b, CHAT) as chat:
        before = int(server.run("info", "commandstats").partition("cmdstat_xadd:calls=")[2].partition(",")[0] or 0)
        for _ in range(5000):
            a.wake.signal(wake.INBOX)
            a.wake.signal(CHAT)
        await eventually(lambda: bool(work.count and chat.count))
        after = int(server.run("info", "commandstats").partition("cmdstat_xadd:calls=")[2].partition(",")[0])
        assert after - before < 5
        assert chat.count < 5


async def test_signals_cross_processes(server: Redis, tmp_path: Path) -> None:
    program = f"""
import asyncio
from tests.redis.conftest import node

async def main():
    async with node({server.url!r}) as far:
        with far.wake.listen({CHAT!r}) as listener:
            await listener.next()
            far.wake.signal("inbox")
            while not (hints := await listener.next()):
                pass
            print(hints[0]["name"])

asyncio.run(main())
"""
    async with node(server.url) as here, ear(here, wake.INBOX) as work:
        far = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        await eventually(lambda: work.count == 1)
        here.wake.signal(CHAT, TYPING)
        async with asyncio.timeout(30):
            said, _ = await far.communicate()
        assert said.decode().strip() == "梅"


async def test_emptied_redis_costs_nothing(server: Redis) -> None:
    async with node(server.url) as a, node(server.url) as b, ear(b, wake.INBOX) as work, ear(b, CHAT) as chat:
        server.run("flushall")
        await eventually(lambda: work.count >= 1)
        await b.reads()
        work.count = 0
        a.wake.signal(wake.INBOX)
        a.wake.signal(CHAT)
        await eventually(lambda: work.count == 1 and chat.count == 1)
        assert a.link.up
        assert b.link.up


async def test_redis_goes_and_comes(server: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with node(server.url) as a, node(server.url) as b, ear(b, wake.INBOX) as work, ear(b, CHAT) as chat:
        assert b.wake.poll == wake.CARRIED
        server.kill()
        await a.is_away()
        await b.is_away()
        await eventually(lambda: work.count >= 1)
        assert b.wake.poll == wake.MISSING
        assert [part.name for part in b.metrics.parts()] == ["redis"]
        a.wake.signal(CHAT)  # lost, and nothing waits for it
        server.start()
        await a.is_up()
        await b.is_up()
        assert list(b.metrics.parts()) == []
        await eventually(lambda: chat.count >= 1)
        await b.reads()
        work.count = 0
        a.wake.signal(wake.INBOX)
        a.wake.signal(CHAT, TYPING)
        await eventually(lambda: work.count >= 1 and chat.hints == [TYPING])
    assert len([r for r in caplog.records if "redis: away" in r.message]) == 2, "once for each node"


async def test_a_redis_that_refuses_is_said_once(server: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server.run("config", "set", "maxmemory", "1")
    async with node(server.url) as a:
        for _ in range(3):
            a.wake.signal(wake.INBOX)
            await a.is_away()
            await a.is_up()
        server.run("config", "set", "maxmemory", "0")
        async with ear(a, CHAT):
            pass
    assert [r.levelname for r in caplog.records if "redis:" in r.message] == ["INFO", "WARNING"]


async def test_many_windows_look_again_after_an_outage(server: Redis) -> None:
    async with node(server.url) as a, AsyncExitStack() as house:
        ears = [await house.enter_async_context(ear(a, f"conversation:{n}")) for n in range(2)]
        with ExitStack() as windows:
            for n in range(250):
                windows.enter_context(a.wake.listen(f"conversation:w{n}"))
            server.kill()
            await a.is_away()
            server.start()
            await eventually(lambda: all(one.count >= 1 for one in ears))
            await eventually(lambda: len(server.run("pubsub", "channels").split("\n")) == 253)


async def test_a_redis_that_hangs_holds_nobody_up(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.redis.link.ANSWER", 0.3)
    monkeypatch.setattr("gateway.redis.link.CONNECT", 0.3)
    async with node(server.url) as a, node(server.url) as b, ear(b, wake.INBOX) as work:
        with server.frozen():
            a.wake.signal(wake.INBOX)
            await a.is_away()
            await b.is_away()
        await a.is_up()
        await b.is_up()
        await b.reads()
        work.count = 0
        a.wake.signal(wake.INBOX)
        await eventually(lambda: work.count >= 1)


async def test_strange_words_on_a_channel_are_a_signal_and_no_more(server: Redis) -> None:
    async with node(server.url) as a, ear(a, CHAT) as chat:
        for words in ("", "x", '0123456789ab{"type": 3}', "0123456789ab" + "[" * 5000, '0123456789ab["typing"]'):
            before = chat.count
            server.run("publish", f"{PREFIX}:{CHAT}", words)
            await beyond(before, lambda: chat.count)
        assert chat.hints == []


async def test_the_last_words_of_a_node_are_heard(server: Redis) -> None:
    async with node(server.url) as b, ear(b, CHAT) as chat:
        async with node(server.url) as a, ear(a, CHAT):
            a.wake.signal(CHAT, TYPING)
        await eventually(lambda: TYPING in chat.hints)


async def test_without_a_server_a_node_works_alone(server: Redis) -> None:
    server.kill()
    it = Node(server.url)
    worker = asyncio.create_task(it.wake.run())
    with it.wake.listen(wake.INBOX) as listener:
        it.wake.signal(wake.INBOX)
        assert await listener.next(5) == ()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
