"""Quarantine, the audit's figures and the gauges."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.store.base import Gauges, NotFound, Quarantined, SendResult, Store, Tally
from tests.store.scene import START, Clock, fill, message, outcome, send, sent, settle

DAY = timedelta(days=1)


async def test_quarantine(store: Store) -> None:
    raw = b"\xff\x00{"
    first = await store.quarantine(
        "line", "main", raw, "not JSON", headers={"content-type": "text/plain"}, tail="x/y", at=START
    )
    second = await store.quarantine("line", "main", b"", "empty", headers={}, at=START)
    kept = Quarantined(
        id=first,
        channel="line",
        account="main",
        at=START,
        reason="not JSON",
        raw=raw,
        headers={"content-type": "text/plain"},
        tail="x/y",
    )
    assert await store.quarantined_one(first) == kept
    page = await store.quarantined(limit=1)
    assert [q.id for q in page.items] == [second]
    assert [q.id for q in (await store.quarantined(limit=1, cursor=page.cursor)).items] == [first]
    await store.close_quarantined(first, "replayed")
    await store.close_quarantined(second, "dropped")
    assert (await store.quarantined()).items == ()
    assert [q.id for q in (await store.quarantined(state="replayed")).items] == [first]
    assert len((await store.quarantined(state="")).items) == 2
    for missing in (store.quarantined_one(99), store.close_quarantined(99, "dropped")):
        with pytest.raises(NotFound):
            await missing


async def test_the_tally(store: Store, clock: Clock) -> None:
    await fill(store, *(message(n) for n in range(4)), message(1), message(9, account="second", thread="t9"))
    await store.append([message(5)], received_at=START + DAY)
    await store.quarantine("webchat", "main", b"?", "bad", headers={}, at=START)
    batch = await store.claim_work(1)
    (work,) = batch.work
    for item in work.items[:2]:
        await batch.fail(work.conversation.id, item.inbox_id, "no", give_up=True)
    await batch.fail(work.conversation.id, work.items[2].inbox_id, "not yet", give_up=False)
    await batch.release()
    batch = await store.claim_work(1)
    (work,) = batch.work
    sends = tuple(send(f"k{n}", work.conversation.id, lane=f"l{n}") for n in range(5))
    await batch.settle([outcome(work, sends=sends)])
    await batch.release()
    rows = await store.claim_sends(4, clock.now)
    results = [sent(rows[0], "hello")]
    results += [SendResult(id=r.id, state=s) for r, s in zip(rows[1:], ("dead", "unknown", "superseded"))]  # type: ignore[arg-type]
    await store.settle_sends(results)
    main, second, tomorrow = await store.tally(since=START, until=START + 2 * DAY)
    assert main == Tally(
        channel="webchat",
        account="main",
        day="2026-11-20",
        recorded=4,
        duplicates=1,
        processed=2,
        open=0,
        held=2,
        quarantined=1,
        replies=5,
        delivered=1,
        waiting=1,
        dead=1,
        unknown=1,
        superseded=1,
    )
    assert (second.account, second.recorded, second.open, second.processed) == ("second", 1, 1, 0)
    assert (tomorrow.day, tomorrow.recorded, tomorrow.processed) == ("2026-11-21", 1, 1)
    assert await store.tally(since=START - DAY, until=START.replace(hour=0)) == ()
    assert len(await store.tally(since=START, until=(START + DAY).replace(hour=0))) == 2
    held = [r.id for r in (await store.inbox(state="held")).items]
    await store.replay_inbox(held)
    await settle(store)
    dead = [r.id for r in (await store.outbox(state="dead")).items]
    await store.replay_sends(dead, clock.now)
    main, *_ = await store.tally(since=START, until=START + DAY)
    assert (main.processed, main.held, main.open, main.dead, main.waiting) == (4, 0, 0, 0, 2)


async def test_the_gauges(store: Store, clock: Clock) -> None:
    assert await store.gauges(clock.now) == Gauges(
        inbox_open=0,
        inbox_held=0,
        oldest_open=0.0,
        outbox_waiting=0,
        oldest_waiting=0.0,
        dead=0,
        unknown=0,
        quarantine=0,
        conversations_waiting=0,
    )
    conversation = await fill(store, message(1))
    await settle(store, owner="", sends=tuple(send(f"k{n}", conversation, lane=f"l{n}") for n in range(4)))
    rows = await store.claim_sends(3, clock.now)
    await store.settle_sends([SendResult(id=rows[0].id, state="dead"), SendResult(id=rows[1].id, state="unknown")])
    await fill(store, message(2), message(3))
    batch = await store.claim_work(1)
    await batch.fail(conversation, batch.work[0].items[0].inbox_id, "no", give_up=True)
    await store.quarantine("webchat", "main", b"?", "bad", headers={}, at=START)
    assert await store.gauges(clock.turn(seconds=90)) == Gauges(
        inbox_open=1,
        inbox_held=1,
        oldest_open=90.0,
        outbox_waiting=2,
        oldest_waiting=90.0,
        dead=1,
        unknown=1,
        quarantine=1,
        conversations_waiting=1,
    )


async def test_ping(store: Store) -> None:
    await store.ping()
    await store.ping()
