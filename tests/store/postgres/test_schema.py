"""Nodes are replaced one by one: the schema moves on beneath a program that goes on with its work."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path

import asyncpg
import pytest

from gateway.store import migrations
from gateway.store.base import StoreError
from gateway.store.postgres import PostgresStore, database, session
from tests.servers import postgres
from tests.store.scene import START, Clock, PostgresHome, fill, message, outcome, record, send, sent, settle

STEPS = migrations.read(database.MIGRATIONS)
NEXT = STEPS[-1].version + 1
#: What a later program may do while this one works on.
WIDER = """-- works with programs from: {from_}
ALTER TABLE inbox ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';
ALTER TABLE conversation ADD COLUMN mood TEXT;
CREATE TABLE mood (conv BIGINT PRIMARY KEY, mood TEXT NOT NULL);
"""


def later(folder: Path, sql: str) -> list[migrations.Migration]:
    """The steps with one more."""
    steps = folder / "steps"
    shutil.copytree(database.MIGRATIONS, steps)
    (steps / f"{NEXT:04d}_later.sql").write_text(sql)
    return list(migrations.read(steps))


def schema(url: str) -> list[str]:
    """Its tables and all that belongs to them, without the dump's own random words."""
    return [line for line in postgres.dump(url, "--schema-only").splitlines() if not line.startswith("\\")]


async def migrate(url: str, steps: list[migrations.Migration]) -> None:
    connection = await asyncpg.connect(url)
    try:
        await database.migrate(connection, steps)
    finally:
        await connection.close()


async def nobody_lives(url: str) -> None:
    """Until the server has seen that the last node has gone."""
    connection = await asyncpg.connect(url)
    while await session.alive(connection):  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.01)
    await connection.close()


async def a_day(store: PostgresStore, clock: Clock, n: int) -> None:
    """A message in, its case, its answer out."""
    id = await fill(store, message(n, thread=f"t{n}"))
    batch = await store.claim_work(10)
    (work,) = batch.work
    answer = send(f"answer {n}", id, fence=work.conversation.fence)
    errors = await batch.settle([outcome(work, record=record(f"N-{n}", id), sends=(answer,), trace=b"{}")])
    await batch.release()
    assert list(errors) == [None]
    await store.settle_sends([sent(row, "hello") for row in await store.claim_sends(9, clock.now)])
    assert [entry.kind for entry in await store.timeline(id)] == ["inbound", "outbound"]


def test_each_step_says_with_whom_it_works() -> None:
    assert all(step.sql.startswith("-- works with programs from: ") for step in STEPS)
    assert all(1 <= step.works_from <= step.version for step in STEPS)


@pytest.mark.parametrize("version", range(len(STEPS)))
async def test_an_older_database_ends_with_the_same_schema(home: PostgresHome, version: int) -> None:
    old = postgres.empty_database(f"test_{secrets.token_hex(8)}")
    await migrate(old, list(STEPS[:version]))
    store = PostgresStore(old)
    await store.open()
    await fill(store, message(1))
    await settle(store)
    await store.close()
    assert schema(old) == schema(home.url)


async def test_the_program_goes_on_beside_a_newer_schema(home: PostgresHome, clock: Clock, tmp_path: Path) -> None:
    store = home.store()
    await store.open()
    await a_day(store, clock, 1)
    await migrate(home.url, later(tmp_path, WIDER.format(from_=1)))
    await asyncio.gather(*(fill(store, message(n, thread=f"many {n}")) for n in range(10, 20)))
    await settle(store)
    await a_day(store, clock, 2)
    another = home.store()
    await another.open()
    await a_day(another, clock, 3)
    await another.close()
    await store.close()


async def test_work_goes_on_while_the_schema_moves(home: PostgresHome, clock: Clock, tmp_path: Path) -> None:
    store = home.store()
    await store.open()
    moving = asyncio.create_task(migrate(home.url, later(tmp_path, WIDER.format(from_=1))))
    n = 0
    while not moving.done() or n < 5:
        n += 1
        await a_day(store, clock, n)
    await moving
    assert len((await store.inbox(limit=1000)).items) == n
    await store.close()


async def test_a_program_that_is_too_old_is_refused(home: PostgresHome, tmp_path: Path) -> None:
    await migrate(home.url, later(tmp_path, WIDER.format(from_=NEXT)))
    wanted = rf"schema {NEXT}, for programs that know schema {NEXT} or later.*start the newer program again"
    with pytest.raises(StoreError, match=wanted):
        await home.store().open()


async def test_a_step_that_running_nodes_cannot_bear_waits_for_their_end(
    home: PostgresHome, clock: Clock, tmp_path: Path
) -> None:
    store = home.store()
    await store.open()
    steps = later(tmp_path, WIDER.format(from_=NEXT))
    with pytest.raises(StoreError, match=rf"they know schema {NEXT - 1}\), and they cannot go on.*stop them all first"):
        await migrate(home.url, steps)
    await a_day(store, clock, 1)
    await store.close()
    await nobody_lives(home.url)
    await migrate(home.url, steps)


async def test_a_step_without_the_line_is_for_newer_programs_alone(home: PostgresHome, tmp_path: Path) -> None:
    await migrate(home.url, later(tmp_path, "CREATE TABLE later (a INTEGER);"))
    with pytest.raises(StoreError, match="start the newer program again"):
        await home.store().open()


async def test_a_step_that_waits_for_a_table_holds_nobody_up(home: PostgresHome, clock: Clock, tmp_path: Path) -> None:
    """Somebody has the table for long: others read and write it all the same, and the step comes when it is free."""
    store = home.store()
    await store.open()
    await fill(store, message(1))
    blocker = await asyncpg.connect(home.url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT 1 FROM inbox")
    moving = asyncio.create_task(migrate(home.url, later(tmp_path, WIDER.format(from_=1))))
    watcher = await asyncpg.connect(home.url)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'inbox'::regclass"
    while not await watcher.fetchval(waiting):  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.01)
    for n in range(2, 6):
        await fill(store, message(n, thread=f"t{n}"))
    assert not moving.done()
    await transaction.rollback()
    await moving
    assert await watcher.fetchval("SELECT max(version) FROM migration") == NEXT
    await blocker.close()
    await watcher.close()
    await store.close()


INDEX = "-- works with programs from: 1\nCREATE INDEX CONCURRENTLY IF NOT EXISTS inbox_said ON inbox (provider_at);\n"


async def test_an_index_is_made_while_others_write(home: PostgresHome, clock: Clock, tmp_path: Path) -> None:
    store = home.store()
    await store.open()
    await a_day(store, clock, 1)
    steps = later(tmp_path, INDEX)
    moving = [asyncio.create_task(migrate(home.url, steps)) for _ in range(3)]
    n = 1
    while not all(task.done() for task in moving):
        n += 1
        await a_day(store, clock, n)
    await asyncio.gather(*moving)
    assert [line for line in schema(home.url) if "inbox_said" in line]
    await store.close()


async def test_an_index_that_was_broken_off_is_made_again(home: PostgresHome, tmp_path: Path) -> None:
    connection = await asyncpg.connect(home.url)
    await connection.execute("CREATE INDEX inbox_said ON inbox (provider_at)")
    mark = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'inbox_said'::regclass"
    await connection.execute(mark)
    await migrate(home.url, later(tmp_path, INDEX))
    assert await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'inbox_said'::regclass")
    assert await connection.fetchval("SELECT max(version) FROM migration") == NEXT
    await connection.close()


async def test_a_step_that_fails_leaves_nothing(home: PostgresHome, clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(home.url, later(tmp_path, "CREATE TABLE half (a INTEGER); INSERT INTO nowhere VALUES (1);"))
    store = home.store()
    await store.open()
    await a_day(store, clock, 1)
    await store.close()
    assert not [line for line in schema(home.url) if "half" in line]


async def test_nodes_that_start_together_make_the_schema_once() -> None:
    url = postgres.empty_database(f"test_{secrets.token_hex(8)}")
    stores = [PostgresStore(url, connections=2) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    assert await stores[0].nodes() == 4
    await stores[1].append([message(1)], received_at=START)
    await asyncio.gather(*(store.close() for store in stores))
