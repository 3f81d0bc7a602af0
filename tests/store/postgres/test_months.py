"""Tables by month: made ahead, filled with what came before them, dropped when they are over, while others write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest

from gateway.store import months, rows
from gateway.store.base import Keep, NewCode, NotFound
from gateway.store.postgres import PostgresStore, keeping
from tests.store.scene import START, Clock, PostgresHome, fill, message, outcome

FOR_EVER = Keep()


@pytest.fixture
async def store(home: PostgresHome) -> AsyncIterator[PostgresStore]:
    opened = home.store()
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def server(home: PostgresHome) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection beside the store's."""
    connection = await asyncpg.connect(home.url)
    yield connection
    await connection.close()


async def counts(server: asyncpg.Connection[asyncpg.Record], table: str) -> dict[str, int]:
    """How many rows each of a table's parts has, empty ones left out."""
    found = await server.fetch(f"SELECT tableoid::regclass::text AS part, count(*) AS n FROM {table} GROUP BY 1")
    return {row["part"]: row["n"] for row in found}


async def accept(store: PostgresStore, n: int, at: datetime) -> None:
    await store.append([message(n, thread=f"t{n}")], received_at=at)


async def work(store: PostgresStore) -> None:
    batch = await store.claim_work(100)
    await batch.settle([outcome(w, trace=b'{"why": 1}') for w in batch.work])
    await batch.release()


def test_months_are_numbers() -> None:
    assert months.name(months.of(START)) == "2026_11"
    assert months.parse("2026_11") == months.of(START)
    assert rows.when(months.start(months.of(START))) == START.replace(day=1, hour=0)
    assert months.name(months.before(START.replace(year=2027, month=1), 2)) == "2026_11"


async def test_months_are_made_ahead(store: PostgresStore, server: asyncpg.Connection[asyncpg.Record]) -> None:
    await store.tidy(START, FOR_EVER)
    for n, at in enumerate((START, START + timedelta(days=30), START + timedelta(days=60))):
        await accept(store, n, at)
    assert await counts(server, "raw") == {"raw_2026_11": 1, "raw_2026_12": 1, "raw_2027_01": 1}


async def test_what_came_before_its_month_moves_there(
    store: PostgresStore, server: asyncpg.Connection[asyncpg.Record], clock: Clock
) -> None:
    for n, days in enumerate((-400, -40, -40, 0, 40, 200)):
        await accept(store, n, START + timedelta(days=days))
    await work(store)
    assert await counts(server, "raw") == {"raw_other": 6}
    assert await counts(server, "trace") == {"trace_other": 6}
    await store.tidy(clock.now, FOR_EVER)
    assert await counts(server, "raw") == {
        "raw_2025_10": 1,
        "raw_2026_10": 2,
        "raw_2026_11": 1,
        "raw_2026_12": 1,
        "raw_other": 1,  # far ahead: a clock that was wrong, or a month that is to come
    }
    assert await counts(server, "trace") == {"trace_2026_11": 6}
    for row in (await store.inbox()).items:
        assert (await store.inbox_message(row.id)).raw
    await store.tidy(clock.turn(days=200), FOR_EVER)
    assert (await counts(server, "raw"))["raw_2027_06"] == 1


async def test_months_are_made_for_who_brings_years(
    store: PostgresStore, server: asyncpg.Connection[asyncpg.Record], clock: Clock
) -> None:
    await keeping.make_months(server, START - timedelta(days=400), clock.now)
    await keeping.make_months(server, START - timedelta(days=400), clock.now)
    for n, days in enumerate((-400, -40, 0)):
        await accept(store, n, START + timedelta(days=days))
    assert await counts(server, "raw") == {"raw_2025_10": 1, "raw_2026_10": 1, "raw_2026_11": 1}


async def test_a_months_table_goes_as_a_whole(
    store: PostgresStore, server: asyncpg.Connection[asyncpg.Record], clock: Clock
) -> None:
    for n, days in enumerate((-100, -40, 0)):
        await accept(store, n, START + timedelta(days=days))
    await store.tidy(clock.now, FOR_EVER)
    gone = await store.tidy(clock.now, Keep(raw_months=1))
    assert gone.events == 1
    assert await counts(server, "raw") == {"raw_2026_10": 1, "raw_2026_11": 1}
    assert await server.fetchval("SELECT to_regclass('raw_2026_08')") is None
    lost, kept = [(await store.inbox_message(row.id)).raw for row in (await store.inbox()).items[::-1]][:2]
    assert (lost, bool(kept)) == (b"", True)


async def test_others_write_while_months_come_and_go(store: PostgresStore, clock: Clock) -> None:
    for n in range(40):
        await accept(store, n, START - timedelta(days=n * 10))
    written = 0

    async def write() -> None:
        nonlocal written
        while not tidying.done():
            written += 1
            await accept(store, 1000 + written, START + timedelta(days=written % 70))
            await work(store)

    tidying = asyncio.create_task(store.tidy(clock.now, Keep(raw_months=3, trace_months=3)))
    await write()
    gone = await tidying
    assert gone.events >= 9
    found = [await store.inbox_message(row.id) for row in (await store.inbox(limit=10_000)).items]
    assert len(found) == 40 + written
    assert sum(bool(m.raw) for m in found) >= written


async def test_who_reads_an_old_month_is_not_waited_for(
    store: PostgresStore, server: asyncpg.Connection[asyncpg.Record], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's long report must not stop the whole intake behind a table that is to be dropped."""
    monkeypatch.setattr(keeping, "LOCK_MILLISECONDS", 50)
    await accept(store, 1, START - timedelta(days=100))
    await store.tidy(clock.now, FOR_EVER)
    async with server.transaction():
        await server.fetch("SELECT count(*) FROM raw")
        tidying = asyncio.create_task(store.tidy(clock.now, Keep(raw_months=1)))
        for n in range(2, 12):
            await accept(store, n, clock.now)
        with pytest.raises(Exception, match="others were in the way"):
            await tidying
    assert (await store.tidy(clock.now, Keep(raw_months=1))).events == 1


async def test_old_codes_go(store: PostgresStore, clock: Clock) -> None:
    id = await fill(store, message(1))
    code = NewCode(
        id="k1", conversation=id, identity="webchat/main/ann", address="email:ann@example.org", by="webchat/main",
        at=START, expires_at=START + timedelta(minutes=10),
    )  # fmt: skip
    await store.put_code(code, [])
    assert (await store.tidy(clock.turn(days=29), FOR_EVER)).expired == 0
    assert (await store.code("k1")).address == code.address
    assert (await store.tidy(clock.turn(days=2), FOR_EVER)).expired == 1
    with pytest.raises(NotFound):
        await store.code("k1")


async def test_the_disk_is_rid_of_what_was_erased(
    store: PostgresStore, server: asyncpg.Connection[asyncpg.Record], clock: Clock
) -> None:
    id = await fill(store, message(1))
    clean = "SELECT count(*) FROM pg_stat_user_tables WHERE relname = ANY($1) AND vacuum_count > 0"
    await store.tidy(clock.now, FOR_EVER)
    assert await server.fetchval(clean, list(keeping.PERSONAL)) == 0
    await store.erase(id, at=START, by="operator")
    await store.tidy(clock.now, FOR_EVER)
    async with asyncio.timeout(60):
        while await server.fetchval(clean, list(keeping.PERSONAL)) < len(keeping.PERSONAL):  # noqa: ASYNC110 - the server tells later
            await asyncio.sleep(0.05)


async def test_the_figures_of_past_days_stay_the_same(store: PostgresStore, clock: Clock) -> None:
    for n in range(10):
        await accept(store, n, START)
    await work(store)
    before = await store.tally(since=START, until=START + timedelta(days=1))
    await store.tidy(clock.turn(days=10), FOR_EVER)
    assert await store.tally(since=START, until=START + timedelta(days=1)) == before
    assert before[0].processed == 10
