"""An embedded store goes to PostgreSQL while it is written, and everything arrives."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from channels.base import Attachment, Inbound, Memo
from gateway.store import journal
from gateway.store.base import Agent, Store, StoreError
from gateway.store.moving import Move, Step
from gateway.store.moving.prints import Printer, Prints
from gateway.store.moving.tables import LEFT, TABLES
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from tests.servers import postgres
from tests.store.scene import Clock, line, message, outcome, record, send, sent


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "allears.db"


@pytest.fixture
def url() -> str:
    return postgres.new_database(f"test_{secrets.token_hex(8)}")


def said(n: int) -> Inbound:
    file = Attachment(name="a.png", type="image/png", size=3, digest=f"{n:064x}", state="kept")
    return message(n, thread=f"t{n % 7}", attachments=(file,), text=f"message {n} \x00 ends")


async def fill(store: Store, first: int, count: int) -> None:
    """Messages with files, answers sent and waiting, records with journals, memos, agents."""
    for n in range(first, first + count):
        await store.append(
            [said(n)],
            received_at=Clock()(),
            cursor=("webchat", "main", str(n)),
            memos=("webchat", [Memo(key=f"k{n}", value="v\x00", about="")]),
        )
    while (batch := await store.claim_work(100)).work:
        for work in batch.work:
            number = f"A-{work.conversation.id[:6]}"
            last = work.record.revision if work.record else 0
            made = record(number, work.conversation.id, revision=last + 1)
            replies = tuple(send(f"reply to {i.message.external_id}", work.conversation.id) for i in work.items)
            done = outcome(work, record=made, sends=replies, journal=(line(number),), trace=b'[{"n": 1}]')
            assert list(await batch.settle([done])) == [None]
        await batch.release()
    claimed = await store.claim_sends(count // 2, Clock().turn(days=1))
    await store.settle_sends([sent(r, r.key) for r in claimed[:-1]])  # one is on its way for ever
    await store.put_agent(Agent(id=f"agent-{first}", login=f"a{first}", name="Ann", role="agent"))


async def told(store: Store) -> dict[str, Any]:
    """What a store says of itself, for comparing."""
    records = (await store.records(limit=10**6)).items
    conversations = [line.conversation for line in (await store.conversations("all", limit=10**6)).items]
    return {
        "records": records,
        "journals": [await store.journal(r.number) for r in records],
        "conversations": sorted(conversations, key=lambda c: c.id),
        "lines": [await store.timeline(c.id, limit=10**6) for c in sorted(conversations, key=lambda c: c.id)],
        "inbox": [(r.id, r.external_id, r.state) for r in (await store.inbox(limit=10**6)).items],
        "raw": [(await store.inbox_message(r.id)).raw for r in (await store.inbox(limit=20)).items],
        "outbox": [(s.id, s.key, s.state, s.tries) for s in (await store.outbox(limit=10**6)).items],
        "tally": await store.tally(since=Clock().turn(days=-9), until=Clock().turn(days=9)),
        "cursor": await store.cursor("webchat", "main"),
        "memos": await store.recall("webchat", [f"k{n}" for n in range(10**4)]),
        "agents": await store.agents(),
        "files": [await store.blobs_of(c.id) for c in conversations],
    }


async def moved(file: Path, url: str, stop: Callable[[int], None] = lambda _: None) -> list[Step]:
    steps: list[Step] = []
    await Move(file, url, clock=Clock(), tell=steps.append).run(stop)
    return steps


async def test_all_of_it_arrives(file: Path, url: str, clock: Clock) -> None:
    store = SqliteStore(file, clock=clock)
    await store.open()
    await fill(store, 0, 60)
    await store.close()
    await store.open()  # what was on its way waits again, as after any end
    before = await told(store)
    await store.close()
    await moved(file, url)
    after = PostgresStore(url, clock=clock)
    await after.open()
    assert await told(after) == before
    assert all(journal.verify(lines) == "" for lines in before["journals"])
    await fill(after, 1000, 10)  # ids go on where they were
    assert (await after.append([said(3)], received_at=clock()))[0].duplicate
    await after.close()


async def test_it_goes_on_being_written_until_the_last_moment(file: Path, url: str, clock: Clock) -> None:
    store = SqliteStore(file, clock=clock)
    await store.open()
    await fill(store, 0, 40)
    stopped = asyncio.Event()

    async def write_on() -> None:
        n = 100
        while not stopped.is_set():
            await fill(store, n, 3)
            n += 3
            await asyncio.sleep(0.01)
        await store.close()

    writing = asyncio.create_task(write_on())
    asked: list[int] = []

    def stop(holder: int) -> None:
        asked.append(holder)
        stopped.set()

    await moved(file, url, stop)
    await writing
    assert asked == [os.getpid()]
    with closing(sqlite3.connect(file)) as source:
        (messages,) = source.execute("SELECT count(*) FROM inbox").fetchone()
    after = PostgresStore(url, clock=clock)
    await after.open()
    assert len((await after.inbox(limit=10**6)).items) == messages > 40
    await after.close()
    with pytest.raises(StoreError, match="moved to PostgreSQL"):
        await store.open()


async def test_an_interrupted_move_is_done_again(file: Path, url: str, clock: Clock) -> None:
    store = SqliteStore(file, clock=clock)
    await store.open()
    await fill(store, 0, 20)
    await store.close()

    class CutError(Exception):
        pass

    def cut(step: Step) -> None:
        if step.what == "comparing" and step.table == "journal":
            raise CutError

    with pytest.raises(CutError):
        await Move(file, url, clock=clock, tell=cut).run(lambda _: None)
    half = PostgresStore(url, clock=clock)
    with pytest.raises(StoreError, match="being moved"):
        await half.open()
    await store.open()  # nothing has happened to it
    await fill(store, 50, 5)
    await store.close()
    await moved(file, url)
    await half.open()
    assert len((await half.inbox(limit=100)).items) == 25
    await half.close()


async def test_a_database_in_use_is_refused(file: Path, url: str, clock: Clock) -> None:
    for store in (SqliteStore(file, clock=clock), PostgresStore(url, clock=clock)):
        await store.open()
        await store.append([message(1)], received_at=clock())
        await store.close()
    with pytest.raises(StoreError, match="name an empty one"):
        await moved(file, url)
    await SqliteStore(file).open()


async def test_what_somebody_changed_on_the_way_is_noticed(file: Path, url: str, clock: Clock) -> None:
    store = SqliteStore(file, clock=clock)
    await store.open()
    await fill(store, 0, 20)
    await store.close()
    spoilt = False

    def spoil(step: Step) -> None:
        nonlocal spoilt
        if step.what == "comparing" and not spoilt:
            spoilt = True
            postgres.execute(url, "UPDATE journal SET hash = 'x' WHERE n = 1")

    with pytest.raises(StoreError, match="`journal` in PostgreSQL is not what was copied"):
        await Move(file, url, clock=clock, tell=spoil).run(lambda _: None)


async def test_every_table_is_copied(file: Path, clock: Clock) -> None:
    store = SqliteStore(file, clock=clock)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(file)) as source:
        there = {n for (n,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in TABLES:
            columns = {row[1] for row in source.execute(f"PRAGMA table_info({table.source or table.name})")}
            copied = {
                c
                for t in TABLES
                if (t.source or t.name) == (table.source or table.name)
                for c in t.selected or t.columns
            }
            assert columns == copied, table.name
    assert {name for name in there if not name.startswith("sqlite_")} - LEFT == {t.source or t.name for t in TABLES}


def rows(numbers: Iterator[int] | range) -> list[tuple[Any, ...]]:
    return [(n, f"row {n}") for n in numbers]


def test_prints_find_what_changed_and_what_is_gone() -> None:
    first = Printer(1, Prints())
    assert first.changed(rows(range(100))) == rows(range(100))
    second = Printer(1, first.prints())
    assert second.changed([*rows(range(50)), (50, "another"), *rows(range(51, 101))]) == [
        (50, "another"),
        (100, "row 100"),
    ]
    assert not second.gone()
    third = Printer(1, first.prints())
    assert third.changed(rows(range(99))) == []
    assert third.gone()
    assert not third.prints().same(first.prints())
