"""The file: one process, every schema since the first, full disks, and one group that does not share its troubles."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.store import migrations
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.sqlite import SqliteStore, database
from gateway.store.sqlite.writer import Writer
from tests.store.scene import START, fill, message, outcome, settle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.db"


def schema(path: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
    return found.fetchall()


async def test_it_is_durable_and_whole(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await fill(store, message(1))
    connection = store._connection
    assert connection is not None
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    await store.close()
    assert sorted(p.name for p in path.parent.iterdir()) == ["store.db", "store.db.lock"]


async def test_one_process_per_file(path: Path) -> None:
    first, second = SqliteStore(path), SqliteStore(path)
    await first.open()
    with pytest.raises(StoreUnavailable, match=r"process \d+ has the database .* open; stop it first"):
        await second.open()
    code = (
        "import asyncio, sys; from pathlib import Path; from gateway.store.sqlite import SqliteStore;"
        "asyncio.run(SqliteStore(Path(sys.argv[1])).open())"
    )
    other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)  # noqa: ASYNC221
    assert "Held: process" in other.stderr
    await fill(first, message(1))
    await first.close()
    await second.open()
    assert len((await second.inbox()).items) == 1
    await second.close()


async def test_a_closed_store_says_so(path: Path) -> None:
    store = SqliteStore(path)
    for question in (store.ping(), store.gauges(START), store.append([message(1)], received_at=START)):
        with pytest.raises(StoreUnavailable):
            await question


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreUnavailable):
        await SqliteStore(tmp_path / "data" / "store.db").open()


@pytest.fixture
def garbage(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(b"x" * 5000)
    return path


async def test_what_is_no_database(garbage: Path) -> None:
    store = SqliteStore(garbage)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.open()
    await store.close()


# --- schemas --------------------------------------------------------------------------------------------


async def test_a_newer_file_is_refused(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO migration (version, name, sha256, at) VALUES (9000, 'later', '', 0)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"schema 9000.*start the newer program again"):
        await store.open()


STEPS = migrations.read(database.MIGRATIONS)


@pytest.mark.parametrize("version", range(len(STEPS) + 1))
async def test_every_older_file_opens_and_ends_with_the_same_schema(tmp_path: Path, version: int) -> None:
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    connection = database.writing(old)
    database.migrate(connection, STEPS[:version])
    connection.close()
    for path in (old, fresh):
        store = SqliteStore(path)
        await store.open()
        await fill(store, message(1))
        await settle(store)
        await store.close()
    assert schema(old) == schema(fresh)


async def test_rows_come_through_the_next_migration(path: Path, tmp_path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    conversation = await fill(store, message(1))
    await store.close()
    folder = tmp_path / "steps"
    shutil.copytree(database.MIGRATIONS, folder)
    last = STEPS[-1].version
    (folder / f"{last + 1:04d}_colour.sql").write_text("ALTER TABLE inbox ADD colour TEXT NOT NULL DEFAULT 'red';\n")
    (folder / f"{last + 2:04d}_broken.sql").write_text("CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);\n")
    connection = database.writing(path)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        database.migrate(connection, migrations.read(folder))
    assert connection.execute("SELECT colour FROM inbox").fetchall() == [("red",)]
    assert connection.execute("SELECT max(version) FROM migration").fetchone() == (last + 1,)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    connection.execute("DELETE FROM migration WHERE version > ?", (last,))
    connection.close()
    await store.open()
    assert len(await store.timeline(conversation)) == 1
    await store.close()


# --- troubles -------------------------------------------------------------------------------------------


async def test_a_full_disk_is_told_and_passes(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await fill(store, message(1))
    connection = store._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    small, big = message(2), message(3, thread="t3", raw=b"x" * 100_000)
    told = await asyncio.gather(
        *(store.append([m], received_at=START) for m in (small, big)), store.ping(), return_exceptions=True
    )
    assert isinstance(told[1], StoreUnavailable)
    assert "full" in str(told[1])
    assert not isinstance(told[0], BaseException)
    assert told[2] is None
    connection.execute("PRAGMA max_page_count = 1000000")
    (accepted,) = await store.append([big], received_at=START)
    assert not accepted.duplicate
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    await store.close()


async def test_another_programs_lock_is_told_and_passes(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.append([message(1)], received_at=START)
    other.execute("ROLLBACK")
    other.close()
    await store.append([message(1)], received_at=START)
    await store.close()


# --- the writer -----------------------------------------------------------------------------------------


class Table:
    """A writer on a bare table, and the commits it tells of."""

    def __init__(self, folder: Path) -> None:
        self.connection = database.writing(folder / "bare.db")
        self.connection.execute("CREATE TABLE row (n INTEGER PRIMARY KEY)")
        self.commits: list[tuple[tuple[str, ...], str]] = []
        self.writer = Writer(self.connection, self.note)

    def note(self, names: Sequence[str], phase: str) -> None:
        self.commits.append((tuple(names), phase))

    async def add(self, n: int, *, then: Exception | None = None, long: bool = False) -> int:
        def run(connection: sqlite3.Connection) -> int:
            connection.execute("INSERT INTO row VALUES (?)", (n,))
            if then is not None:
                raise then
            return n

        return await self.writer.do(f"add {n}", run, long=long)

    def rows(self) -> list[int]:
        return [n for (n,) in self.connection.execute("SELECT n FROM row ORDER BY n").fetchall()]


@pytest.mark.parametrize("long", [False, True])
async def test_what_waits_shares_one_commit(tmp_path: Path, long: bool) -> None:
    table = Table(tmp_path)
    assert await asyncio.gather(*(table.add(n, long=long) for n in range(3))) == [0, 1, 2]
    together = ("add 0", "add 1", "add 2")
    assert table.commits == [(together, "before"), (together, "after")]
    await table.writer.close()


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("error", [StoreError("no"), ValueError("a bug")])
async def test_one_that_fails_leaves_its_neighbours(tmp_path: Path, error: Exception, long: bool) -> None:
    table = Table(tmp_path)
    adds = [table.add(1, long=long), table.add(2, then=error), table.add(1), table.add(3)]
    told = await asyncio.gather(*adds, return_exceptions=True)
    assert told[0] == 1
    assert told[1] is error
    assert isinstance(told[2], StoreError)
    assert "UNIQUE" in str(told[2])
    assert told[3] == 3
    assert table.rows() == [1, 3]
    await table.writer.close()


async def test_a_refusal_that_wrote_nothing_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    table = Table(tmp_path)

    def no(_: sqlite3.Connection) -> None:
        raise StoreError("no")

    async def refuse() -> None:
        await table.writer.do("refuse", no)

    told = await asyncio.gather(table.add(1), refuse(), table.add(2), return_exceptions=True)
    assert [type(t) for t in told] == [int, StoreError, int]
    assert [names for names, phase in table.commits if phase == "after"] == [("add 1", "refuse", "add 2")]
    await table.writer.close()


async def test_reading_alone_waits_for_no_disk(tmp_path: Path) -> None:
    table = Table(tmp_path)
    assert await table.writer.do("look", lambda c: c.execute("SELECT count(*) FROM row").fetchone()) == (0,)
    assert table.commits == []
    await table.writer.close()


async def test_a_caller_who_gives_up_does_not_stop_the_others(tmp_path: Path) -> None:
    table = Table(tmp_path)
    given_up = asyncio.create_task(table.add(1))
    other = asyncio.create_task(table.add(2))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await other == 2
    assert table.rows() == [1, 2]
    await table.writer.close()


async def test_an_observer_that_fails_does_not_stop_the_store(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.commits = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        await table.add(1)
    table.commits = []
    assert await table.add(1) == 1
    await table.writer.close()


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    table = Table(tmp_path)
    tasks = [asyncio.create_task(table.add(n)) for n in range(600)]
    await asyncio.sleep(0)
    await table.writer.close()
    assert await asyncio.gather(*tasks) == list(range(600))
    with pytest.raises(StoreUnavailable):
        await table.add(601)


async def test_a_full_disk_in_the_flow_leaves_the_claim(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await fill(store, message(1))
    batch = await store.claim_work(1)
    connection = store._connection
    assert connection is not None
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    big = outcome(batch.work[0], trace=b"x" * 100_000)
    (error,) = await batch.settle([big])
    assert isinstance(error, StoreUnavailable)
    connection.execute("PRAGMA max_page_count = 1000000")
    assert list(await batch.settle([big])) == [None]
    await store.close()


async def test_a_reader_that_stays_is_waited_for_while_others_write(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    conversation = await fill(store, message(1, text="the words"))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM inbox").fetchone() == (1,)
    erasing = asyncio.create_task(store.erase(conversation, at=START, by="operator"))
    for n in range(2, 20):
        await fill(store, message(n, thread="t2"))
        await asyncio.sleep(0.01)
    assert not erasing.done()
    reader.close()
    await erasing
    assert b"the words" not in b"".join(p.read_bytes() for p in path.parent.iterdir())
    await store.close()
