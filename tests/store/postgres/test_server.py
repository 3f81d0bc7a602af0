"""The server goes away, comes back, refuses us or is not fit: nothing is lost, all comes back by itself, and we say why."""

from __future__ import annotations

import asyncio
import functools
import random
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from gateway.store.base import Stale, Store, StoreError, StoreUnavailable
from gateway.store.postgres import PostgresStore, database
from tests.servers.postgres import Postgres
from tests.store.scene import START, Clock, PostgresHome, fill, message, outcome

SECRET = "Pa55-w0rd"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that can be stopped without others noticing."""
    # Not below pytest's own folder, where its user alone may look.
    with tempfile.TemporaryDirectory(prefix="allears-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        made = Postgres(Path(folder) / "server")
        made.create()
        yield made
        made.stop()


def opened(url: str) -> PostgresStore:
    return PostgresStore(url, connections=3, clock=Clock())


async def refused(url: str) -> StoreError:
    """What opening it says, all of it."""
    store = opened(url)
    with pytest.raises(StoreError) as told:
        await store.open()
    await store.close()
    return told.value


def printed(err: BaseException) -> str:
    """All that a log would show of it."""
    return "".join(traceback.format_exception(err))


# --- the server goes and comes --------------------------------------------------------------------------


async def back(store: Store) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await store.ping()
                break
            except StoreUnavailable:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["immediate", "fast"])
async def test_the_server_is_restarted(server: Postgres, how: str) -> None:
    store = opened(server.url)
    await store.open()
    (first,) = await store.append([message(f"{how} 1", second=1, thread=how)], received_at=START)
    batch = await store.claim_work(9)
    await asyncio.to_thread(server.stop, how)
    for attempt in (
        store.append([message(f"{how} 2", second=2, thread=how)], received_at=START),
        store.claim_work(1),
        store.conversation(first.conversation),
    ):
        with pytest.raises(StoreUnavailable, match="PostgreSQL does not answer"):
            await attempt
    assert not store.alive()
    await asyncio.to_thread(server.start)
    await back(store)
    # What was claimed before is not certain any more: it is decided again.
    assert [type(e) for e in await batch.settle([outcome(w) for w in batch.work])] == [Stale]
    await batch.release()
    accepted = await store.append([message(f"{how} {n}", second=n, thread=how) for n in (1, 2)], received_at=START)
    assert [(a.seq, a.duplicate) for a in accepted] == [(1, True), (2, False)]
    again = await store.claim_work(9)
    assert store.alive()
    assert [len(w.items) for w in again.work] == [2]
    assert list(await again.settle([outcome(w) for w in again.work])) == [None]
    await store.close()


async def test_connections_are_lost_while_idle(home: PostgresHome, store: PostgresStore) -> None:
    for n in range(3):
        id = await fill(store, message(n))
        assert await ended(home)
        await back(store)
    batch = await store.claim_work(1)
    assert [len(w.items) for w in batch.work] == [3]
    assert list(await batch.settle([outcome(w) for w in batch.work])) == [None]
    assert (await store.conversation(id)).last_seq == 3
    assert store.alive()


async def ended(home: PostgresHome) -> int:
    """End all connections to the database, as an operator can; how many there were."""
    connection = await asyncpg.connect(home.url)
    rows = await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    return len(rows)


async def test_a_claim_is_lost_with_its_connection(home: PostgresHome, store: PostgresStore) -> None:
    await fill(store, message(1))
    batch = await store.claim_work(1)
    await ended(home)
    await back(store)
    (error,) = await batch.settle([outcome(batch.work[0])])
    assert isinstance(error, Stale)
    assert len((await store.claim_work(1)).work) == 1


class Proxy:
    """Between a store and its server. ``cut`` looks at what the client says, and cuts the line after the answer to it."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self.url = ""
        self.cut: Callable[[bytes], bool] = lambda _: False
        self.cuts = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._to._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(self._to.hostname, self._to.port)
        dying = asyncio.Event()
        answers = asyncio.create_task(self._answers(behind, writer, dying))
        try:
            while said := await reader.read(65536):
                if self.cut(said):
                    dying.set()
                ahead.write(said)
                await ahead.drain()
        except OSError:
            pass
        ahead.close()
        await asyncio.gather(answers, return_exceptions=True)

    async def _answers(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter, dying: asyncio.Event) -> None:
        while answer := await behind.read(65536):
            if dying.is_set():
                self.cuts += 1
                break
            writer.write(answer)
            await writer.drain()
        writer.transport.abort()


async def test_the_line_is_cut_in_commit(home: PostgresHome, clock: Clock) -> None:
    """Nobody hears that it was written: it is said to have failed, and its repeat is known."""
    async with Proxy(home.url).running() as proxy:
        store = PostgresStore(proxy.url, connections=2, clock=clock)
        await store.open()
        proxy.cut = lambda said: b"COMMIT" in said
        with pytest.raises(StoreUnavailable):
            await store.append([message(1), message(2)], received_at=START)
        assert proxy.cuts == 1
        proxy.cut = lambda _: False
        accepted = await store.append([message(1), message(2)], received_at=START)
        assert [(a.seq, a.duplicate) for a in accepted] == [(1, True), (2, True)]
        batch = await store.claim_work(1)
        proxy.cut = lambda said: b"COMMIT" in said
        (error,) = await batch.settle([outcome(batch.work[0])])
        assert isinstance(error, StoreUnavailable)
        proxy.cut = lambda _: False
        (error,) = await batch.settle([outcome(batch.work[0])])
        assert isinstance(error, Stale)
        await batch.release()
        assert (await store.claim_work(1)).work == ()
        await store.close()


def _says(statement: bytes, said: bytes) -> bool:
    return statement in said


@pytest.mark.parametrize("statement", [b"pg_try_advisory_lock", b"unnest", b"BEGIN", b"FROM conversation"])
async def test_the_line_is_cut_anywhere(home: PostgresHome, clock: Clock, statement: bytes) -> None:
    async with Proxy(home.url).running() as proxy:
        store = PostgresStore(proxy.url, connections=2, clock=clock)
        await store.open()
        for n in range(12):
            proxy.cut = functools.partial(_says, b"nothing like it" if n % 2 else statement)
            try:
                await store.append([message(n)], received_at=START)
                batch = await store.claim_work(1)
                assert set(map(type, await batch.settle([outcome(w) for w in batch.work]))) <= {
                    type(None),
                    StoreUnavailable,
                    Stale,
                }
                await batch.release()
            except StoreUnavailable:
                pass
        proxy.cut = lambda _: False
        await store.append([message(n) for n in range(12)], received_at=START)
        async with asyncio.timeout(30):
            while (batch := await store.claim_work(1)).work:
                assert list(await batch.settle([outcome(w) for w in batch.work])) == [None]
        assert {r.state for r in (await store.inbox(limit=100)).items} == {"done"}
        assert len((await store.inbox(limit=100)).items) == 12
        assert proxy.cuts
        await store.close()


# --- callers go away, connections run out ---------------------------------------------------------------


async def test_cancelled_callers_leave_nothing_behind(home: PostgresHome) -> None:
    store = opened(home.url)
    await store.open()
    chance = random.Random(7)

    async def work(n: int) -> None:
        await store.append([message(n, thread=f"t{n % 5}", second=0)], received_at=START)
        batch = await store.claim_work(2)
        try:
            await batch.settle([outcome(w) for w in batch.work])
        finally:
            await batch.release()

    for n in range(150):
        task = asyncio.create_task(work(n))
        await asyncio.sleep(chance.uniform(0, 0.03))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert store.alive(), "half a query would have ended the session"
    await store.append([message(n, thread=f"t{n % 5}", second=0) for n in range(150)], received_at=START)
    async with asyncio.timeout(30):
        while (batch := await store.claim_work(3)).work:
            assert set(await batch.settle([outcome(w) for w in batch.work])) == {None}
            await batch.release()
    rows = (await store.inbox(limit=1000)).items
    assert {r.state for r in rows} == {"done"}
    assert sorted(int(r.external_id) for r in rows) == list(range(150))
    await store.close()


async def test_all_connections_are_in_use(home: PostgresHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", 0.3)
    store = PostgresStore(home.url, connections=1, clock=Clock())
    await store.open()
    held = asyncio.create_task(store._database.read(lambda c: c.execute("SELECT pg_sleep(1)")))
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="connections to it are in use"):
        await store.append([message(1)], received_at=START)
    await held
    assert not (await store.append([message(1)], received_at=START))[0].duplicate
    await store.close()


# --- it is not fit, or refuses us -----------------------------------------------------------------------


async def test_a_wrong_password(server: Postgres) -> None:
    rules = server.folder / "data/pg_hba.conf"
    rules.write_text("host all ann 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    server.sql(f"CREATE ROLE ann LOGIN PASSWORD '{SECRET}'; SELECT pg_reload_conf()")
    server.sql("CREATE DATABASE guarded")
    where = f"127.0.0.1:{server.port}/guarded"
    err = await refused(f"postgresql://ann:{SECRET}-not@{where}")
    assert isinstance(err, StoreUnavailable)
    assert "check user and password" in str(err)
    assert SECRET not in printed(err)
    err = await refused(f"postgresql://ann:{SECRET}@{where}")  # let in, but not to make tables
    assert "let the user own the database" in str(err)
    server.sql("GRANT CREATE, USAGE ON SCHEMA public TO ann", "guarded")
    store = opened(f"postgresql://ann:{SECRET}@{where}")
    await store.open()
    await store.close()


@pytest.mark.parametrize("password", ["p/w", "p:/w", "p w@", "[", "p#w?"])
async def test_a_url_that_cannot_be_read(password: str) -> None:
    err = await refused(f"postgresql://ann:{SECRET}{password}@127.0.0.1:1/x")
    assert SECRET not in printed(err)


async def test_no_such_database(server: Postgres) -> None:
    err = await refused(f"postgresql://postgres@127.0.0.1:{server.port}/nowhere")
    assert isinstance(err, StoreUnavailable)
    assert "make the database" in str(err)


async def test_nobody_there() -> None:
    err = await refused("postgresql://postgres@127.0.0.1:1/x")
    assert isinstance(err, StoreUnavailable)
    assert "start it, or correct host and port" in str(err)


async def test_a_database_that_cannot_hold_chinese(server: Postgres) -> None:
    server.sql("CREATE DATABASE latin ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    assert "ENCODING 'UTF8'" in str(await refused(f"postgresql://postgres@127.0.0.1:{server.port}/latin"))


async def test_a_server_that_would_lose_what_it_confirmed(server: Postgres) -> None:
    server.sql("ALTER SYSTEM SET full_page_writes = off")
    server.sql("SELECT pg_reload_conf()")
    try:
        async with asyncio.timeout(10):
            while server.sql("SHOW full_page_writes").strip() != "off":  # noqa: ASYNC110 - the server's own pace
                await asyncio.sleep(0.01)
        err = await refused(server.url)
    finally:
        server.sql("ALTER SYSTEM RESET full_page_writes")
        server.sql("SELECT pg_reload_conf()")
    assert not isinstance(err, StoreUnavailable), "trying again does not help"
    assert "full_page_writes = on" in str(err)


async def test_nodes_open_an_empty_database_at_once(server: Postgres) -> None:
    server.sql("CREATE DATABASE empty")
    stores = [opened(f"postgresql://postgres@127.0.0.1:{server.port}/empty") for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    accepted = await asyncio.gather(*(store.append([message(1)], received_at=START) for store in stores))
    assert sorted(a.duplicate for (a,) in accepted) == [False, True, True, True, True]
    for store in stores:
        await store.close()


# --- what is said of it ---------------------------------------------------------------------------------


async def test_errors_tell_no_values(store: PostgresStore) -> None:
    twice = "INSERT INTO cursor (channel, account, value) VALUES ($1, $1, $1)"
    name = "".join(["Wang", "Xiaoming"])  # not in the source, which a traceback shows
    await store._database.write("test", lambda c: c.execute(twice, name))
    with pytest.raises(StoreError, match="cursor_pkey") as told:
        await store._database.write("test", lambda c: c.execute(twice, name))
    assert name not in printed(told.value)
    big = 2**70
    with pytest.raises(StoreError) as told:
        await store.inbox_message(big)
    assert not isinstance(told.value, StoreUnavailable)
    assert str(big) not in printed(told.value)


async def test_a_closed_store_says_so(home: PostgresHome) -> None:
    store = opened(home.url)
    for attempt in (store.ping, lambda: store.claim_work(1), lambda: store.append([message(1)], received_at=START)):
        with pytest.raises(StoreUnavailable, match="not open"):
            await attempt()
    await store.open()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.append([message(1)], received_at=START)
    await store.open()
    assert not (await store.append([message(1)], received_at=START))[0].duplicate
    await store.close()
