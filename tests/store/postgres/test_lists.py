"""Lists and reports follow indexes, however much is stored; a search finds names in all, words in the latest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from channels.base import Memo, Sender
from gateway.store.base import SendResult
from gateway.store.postgres import PostgresStore, figures, listings, outbox
from normalizer.record import Complainant
from tests.store.scene import START, Clock, PostgresHome, fill, message, record, send, settle

#: Tables that grow with every message or case.
BIG = re.compile(r"Seq Scan on (inbox|outbox|conversation|record|record_revision|timeline|journal|quarantine)\b")

LONG = "".join(f"{n * 7919 % 4096:x}" for n in range(3000))


@pytest.fixture
async def explained(home: PostgresHome) -> AsyncIterator[tuple[asyncpg.Connection[asyncpg.Record], list[str]]]:
    """A connection that tells the plan of all it does, and reads whole tables only where there is no index."""
    store = home.store()
    await store.open()
    connection = await asyncpg.connect(home.url)
    plans: list[str] = []
    connection.add_log_listener(lambda _, told: plans.append(told.message))
    await connection.execute(
        "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET client_min_messages = log; SET enable_seqscan = off"
    )
    yield connection, plans
    await connection.close()
    await store.close()


async def test_nothing_reads_a_big_table(explained: tuple[asyncpg.Connection[asyncpg.Record], list[str]]) -> None:
    c, plans = explained
    for view in ("waiting", "mine", "bot", "all", "closed"):
        await listings.conversations(c, view, agent="ann", cursor="", limit=50)
    await listings.search(c, "words", limit=50)
    await listings.find_person(c, "ann@example.org")
    for status in ("", "closed"):
        await listings.complaint_records(c, cursor="", limit=50, since=START, status=status, accounts=[("a", "b")])
    for state in ("", "open", "held", "done"):
        await listings.inbox(c, state=state, cursor="", limit=50)
    for state in ("", "waiting", "dead", "unknown", "superseded", "sent"):
        await listings.outbox_rows(c, state=state, cursor="", limit=50)
    await listings.quarantined(c, state="open", cursor="", limit=50)
    await figures.gauges(c, START)
    await figures.latest_messages(c)
    await outbox.claim(c, 10, START, {"channel:webchat/main": 5}, 1, steady=True)
    await outbox.next_at(c, ["channel:webchat/main"])
    await asyncio.sleep(0)
    assert len([plan for plan in plans if "plan:" in plan]) > 20
    assert [plan for plan in plans if BIG.search(plan)] == []


async def test_who_is_named_is_found_in_all_words_in_the_latest(
    nodes: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = nodes[0]
    who = Sender(id="u-77", name="Ann Lee", email="Ann@Example.org", phone="+49 30 90-18")
    old = await fill(store, message(1, thread="old", sender=who, text="the broken lift"))
    await settle(store, record=record("A-1", old))
    for n in (2, 3):
        await fill(store, message(n, thread=f"t{n}", text="the broken lamp"))
        await settle(store)
    monkeypatch.setattr(listings, "SEARCHED", 2)

    async def found(text: str) -> list[str]:
        return [line.conversation.thread for line in (await store.search(text)).items]

    for name in ("A-1", "a-1", "u-77", "ann@example.org", "+49309018", "+49 30 9018"):
        assert await found(name) == ["old"]
    assert sorted(await found("BROKEN")) == ["t2", "t3"]
    assert await found("100%") == []
    monkeypatch.setattr(listings, "SEARCHED", 3)
    assert await found("lift") == ["old"]
    assert await store.find_person("+49 30 9018") == (old,)


async def test_names_may_be_of_any_length(nodes: tuple[PostgresStore, PostgresStore], clock: Clock) -> None:
    store = nodes[0]
    who = Sender(id=LONG, name="Ann", email=f"{LONG}@example.org", phone=f"+49 {LONG}", verified=True)
    written = message(LONG, thread=LONG, second=1, sender=who)
    conversation = await fill(store, written)
    (again,) = await store.append([written], received_at=START)
    assert again.duplicate
    await fill(store, message(f"{LONG}.", thread=LONG, second=2, sender=who, kind="edit", refers_to=LONG))
    assert [e.refers_to for e in await store.timeline(conversation)] == [0, 1]
    case = record("A-1", conversation, who=Complainant(identities=(f"webchat/main/{LONG}",)))
    work = await settle(store, record=case, identity=f"webchat/main/{LONG}")
    sends = [send(f"{item.key}/reply1", conversation) for item in work[0].items]
    await store.say(conversation, 0, sends)
    (row,) = await store.claim_sends(1, clock.now)
    await store.settle_sends([SendResult(id=row.id, state="sent", external_ids=(LONG,))])
    found = await store.find_send(row.destination, conversation=conversation, external_id=LONG)
    assert found is not None
    for name in (LONG, f"{LONG}@EXAMPLE.org"):
        assert await store.find_person(name) == (conversation,)
    await store.remember("webchat", [Memo(key=LONG, value="seen", about=f"main/{LONG}")])
    assert await store.recall("webchat", [LONG, f"{LONG}."]) == {LONG: "seen"}
