"""Lists come from a streaming replica as long as it answers and keeps up; without it from the main server."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.store.base import StoreError
from gateway.store.postgres import PostgresStore, replica
from tests.servers.postgres import Postgres
from tests.store.scene import START, Clock, message


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Postgres, Postgres]]:
    """A server and its standby."""
    folder = Path(tempfile.mkdtemp(prefix="allears-replica-"))
    folder.chmod(0o755)
    main, standby = Postgres(folder / "main"), Postgres(folder / "standby")
    main.create()
    standby.follow(main)
    yield main, standby
    for server in (standby, main):
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def store(
    servers: tuple[Postgres, Postgres], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgresStore]:
    monkeypatch.setattr(replica, "LOOK", 0.1)
    main, standby = servers
    opened = PostgresStore(main.url, replica=standby.url, connections=4, clock=clock)
    await opened.open()
    yield opened
    await opened.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


async def fill(store: PostgresStore, name: str) -> None:
    await store.append([message(name, thread=name, second=1)], received_at=START)


async def listed(store: PostgresStore, name: str) -> bool:
    return any(row.external_id == name for row in (await store.inbox(limit=1000)).items)


async def comes(store: PostgresStore, name: str) -> None:
    """Until the list has the message."""
    await until(lambda: listed(store, name))


def hold_back(standby: Postgres, held: bool) -> None:
    """Let the standby answer, but not come along."""
    standby.sql(f"SELECT pg_wal_replay_{'pause' if held else 'resume'}()")


async def test_lists_come_from_the_replica(store: PostgresStore, servers: tuple[Postgres, Postgres]) -> None:
    await fill(store, "before")
    await comes(store, "before")
    hold_back(servers[1], True)
    try:
        await fill(store, "behind")
        assert not await listed(store, "behind")
        assert await store.take_once("what", "is read elsewhere", START) is None
        (work,) = [w for w in (await store.claim_work(9)).work if w.conversation.thread == "behind"]
        assert await store.timeline(work.conversation.id)
    finally:
        hold_back(servers[1], False)
    await comes(store, "behind")


async def test_one_that_is_behind_is_not_asked(
    store: PostgresStore, servers: tuple[Postgres, Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_back(servers[1], True)
    try:
        await fill(store, "late")
        assert not await listed(store, "late")
        monkeypatch.setattr(replica, "BEHIND", 0.3)
        await comes(store, "late")
        monkeypatch.setattr(replica, "BEHIND", 30.0)
    finally:
        hold_back(servers[1], False)
    await until(lambda: near(store))


async def near(store: PostgresStore) -> bool:
    found = store._database._replica
    assert found is not None
    return found._is_near


async def test_one_that_is_stopped_costs_nothing_and_comes_back(
    store: PostgresStore, servers: tuple[Postgres, Postgres]
) -> None:
    await until(lambda: near(store))
    servers[1].stop()
    await fill(store, "stopped")
    assert await listed(store, "stopped")
    assert all(await asyncio.gather(*(listed(store, "stopped") for _ in range(20))))
    await asyncio.to_thread(servers[1].start)
    await until(lambda: near(store))
    assert await listed(store, "stopped")


async def test_a_node_starts_without_it(servers: tuple[Postgres, Postgres], clock: Clock) -> None:
    servers[1].stop()
    store = PostgresStore(servers[0].url, replica=servers[1].url, clock=clock)
    await store.open()
    await fill(store, "alone")
    assert await listed(store, "alone")
    await store.close()
    servers[1].start()


async def test_who_asked_one_that_froze_is_answered_by_the_main_server(
    store: PostgresStore, servers: tuple[Postgres, Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "ANSWER", 0.5)
    await until(lambda: near(store))
    servers[1].send_signal(signal.SIGSTOP)
    try:
        await fill(store, "frozen")
        assert all(await asyncio.gather(*(listed(store, "frozen") for _ in range(20))))
        assert not await near(store)
    finally:
        servers[1].send_signal(signal.SIGCONT)
    await until(lambda: near(store))


async def test_what_it_replays_may_end_a_question(
    store: PostgresStore, servers: tuple[Postgres, Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table is cleaned or dropped while a list is read: the list is read again, on the main server."""
    main, standby = servers
    standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    standby.sql("SELECT pg_reload_conf()")
    main.sql("CREATE TABLE brief AS SELECT generate_series(1, 10) n")
    await until(lambda: asyncio.to_thread(lambda: bool(standby.sql("SELECT to_regclass('brief')").strip())))
    asked: list[bool] = []

    async def slow(c: object) -> bool:
        asked.append(await c.fetchval("SELECT pg_is_in_recovery()"))  # type: ignore[attr-defined]
        if asked[-1]:
            await asyncio.to_thread(main.sql, "DROP TABLE IF EXISTS brief")
            await c.fetchval("SELECT pg_sleep(30), (SELECT count(*) FROM brief)")  # type: ignore[attr-defined]
        return asked[-1]

    async def held(c: object) -> bool:
        async with c.transaction(isolation="repeatable_read", readonly=True):  # type: ignore[attr-defined]
            await c.fetchval("SELECT count(*) FROM brief") if not asked else None  # type: ignore[attr-defined]
            return await slow(c)

    await until(lambda: near(store))
    assert await store._database.report(held) is False
    assert asked == [True, False]


async def test_a_url_that_is_none_is_told(servers: tuple[Postgres, Postgres]) -> None:
    with pytest.raises(StoreError, match="no URL of a PostgreSQL server"):
        await PostgresStore(servers[0].url, replica="postgresql://a:b@[oops").open()
