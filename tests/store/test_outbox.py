"""Sending: lanes in order, retries, dead letters, and no word from a former owner."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.store.base import NotFound, Send, SendResult, Store
from tests.store.scene import START, Clock, Home, fill, line, message, notice, said, send, sent, settle


async def queue(store: Store, *keys: str, fence: int | None = None, lane: str = "") -> str:
    """One more message in the conversation, answered with these sends."""
    conversation = await fill(store, message(keys[0], second=1))
    await settle(store, sends=tuple(send(k, conversation, fence=fence, lane=lane) for k in keys))
    return conversation


async def claim(store: Store, clock: Clock) -> list[Send]:
    return list(await store.claim_sends(10, clock.now))


async def test_a_lane_goes_out_one_by_one(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "a", "b", "c")
    keys = []
    while rows := await claim(store, clock):
        assert [(r.state, r.tries, r.conversation, r.interrupted) for r in rows] == [
            ("sending", 1, conversation, False)
        ]
        keys += [r.key for r in rows]
        await store.settle_sends([sent(rows[0], rows[0].key)])
    assert keys == ["a", "b", "c"]
    assert [e.text for e in await store.timeline(conversation) if e.kind == "outbound"] == ["a", "b", "c"]
    assert await store.next_send_at() is None


async def test_a_row_says_how_its_conversation_stands(store: Store, clock: Clock) -> None:
    closes = START + timedelta(hours=24)
    conversation = await queue(store, "a", "b", "c")
    (row,) = await claim(store, clock)
    assert (row.window_closes_at, row.blocked) == (None, False)
    await store.settle_sends([sent(row)])
    await fill(store, message(2, replies_until=closes))
    await settle(store, blocked=True)
    (row,) = await claim(store, clock)
    assert (row.window_closes_at, row.blocked) == (closes, True)
    await store.settle_sends([sent(row)])
    await fill(store, message(3))
    await settle(store, blocked=False, sends=(send("nowhere", conversation, lane="x"),))
    assert [(row.window_closes_at, row.blocked) for row in await claim(store, clock)] == [(closes, False)] * 2


async def test_lanes_do_not_wait_for_each_other(store: Store, clock: Clock) -> None:
    await queue(store, "a1", "a2", lane="a")
    await queue(store, "b1", "b2", lane="b")
    assert [r.key for r in await claim(store, clock)] == ["a1", "b1"]
    assert await claim(store, clock) == []


async def test_a_key_is_queued_once(store: Store, clock: Clock) -> None:
    await queue(store, "a")
    await fill(store, message(77))
    await settle(store, sends=(send("a", "elsewhere"),))
    assert [r.key for r in (await store.outbox()).items] == ["a"]
    (row,) = await claim(store, clock)
    await store.settle_sends([sent(row)])
    await fill(store, message(78))
    await settle(store, sends=(send("a", "elsewhere", body=b"{}"),))
    (row,) = (await store.outbox()).items
    assert (row.state, row.body) == ("sent", b'{"text": "a"}')


async def test_a_retry_waits_and_keeps_its_place(store: Store, clock: Clock) -> None:
    await queue(store, "a", "b")
    (row,) = await claim(store, clock)
    later = clock.now + timedelta(minutes=5)
    await store.settle_sends([SendResult(id=row.id, state="waiting", error="HTTP 503", next_at=later)])
    assert await claim(store, clock) == []
    assert await store.next_send_at() == later
    clock.turn(minutes=5)
    (row,) = await claim(store, clock)
    assert (row.key, row.tries, row.error) == ("a", 2, "HTTP 503")


async def test_not_before(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    later = START + timedelta(hours=2)
    await settle(store, sends=(send("a", conversation, not_before=later),))
    assert await claim(store, clock) == []
    assert await store.next_send_at() == later
    clock.turn(hours=2)
    assert [r.key for r in await claim(store, clock)] == ["a"]


@pytest.mark.parametrize("state", ["dead", "unknown", "superseded"])
async def test_what_is_given_up_does_not_block(store: Store, clock: Clock, state: str) -> None:
    conversation = await queue(store, "a", "b")
    (row,) = await claim(store, clock)
    await store.settle_sends([SendResult(id=row.id, state=state, error="no")])  # type: ignore[arg-type]
    assert [r.key for r in await claim(store, clock)] == ["b"]
    (parked,) = (await store.outbox(state=state)).items
    assert (parked.key, parked.error) == ("a", "no")
    shown = {s.key for s in await store.pending(conversation)}
    assert shown == ({"b"} if state == "superseded" else {"a", "b"})


async def test_a_replay_takes_its_old_place(store: Store, clock: Clock) -> None:
    await queue(store, "a", "b", "c")
    (row,) = await claim(store, clock)
    await store.settle_sends([SendResult(id=row.id, state="dead", error="no")])
    clock.turn(days=1)
    assert await store.replay_sends([row.id, 999], clock.now) == 1
    assert await store.replay_sends([row.id], clock.now) == 0
    keys = []
    while rows := await claim(store, clock):
        (row,) = rows
        keys.append(row.key)
        await store.settle_sends([sent(row)])
    assert keys == ["a", "b", "c"]


async def test_a_replay_behind_one_that_is_on_its_way(store: Store, clock: Clock) -> None:
    await queue(store, "a", "b")
    (a,) = await claim(store, clock)
    await store.settle_sends([SendResult(id=a.id, state="unknown")])
    (b,) = await claim(store, clock)
    assert await store.replay_sends([a.id], clock.now) == 1
    assert await claim(store, clock) == []
    await store.settle_sends([SendResult(id=b.id, state="waiting", next_at=clock.now)])
    assert [r.key for r in await claim(store, clock)] == ["a"]
    assert await claim(store, clock) == []


async def test_settled_is_settled(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "a")
    (row,) = await claim(store, clock)
    await store.settle_sends([sent(row, "hello")])
    await store.settle_sends([sent(row, "hello"), SendResult(id=row.id, state="dead")])
    assert [e.text for e in await store.timeline(conversation)] == ["message a", "hello"]
    (row,) = (await store.outbox()).items
    assert (row.state, row.sent_at) == ("sent", clock.now)
    with pytest.raises(NotFound):
        await store.settle_sends([SendResult(id=999, state="sent")])


async def test_the_bot_does_not_speak_after_a_hand_over(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "bot says", "and the next", fence=0)
    await store.claim(conversation, "agent-1", lease_until=clock.now + timedelta(minutes=5), now=clock.now)
    assert await claim(store, clock) == []
    assert [r.key for r in (await store.outbox(state="superseded")).items] == ["and the next", "bot says"]
    assert await store.pending(conversation) == ()


async def test_a_receipt_goes_out_whoever_owns_it(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "receipt")
    await store.claim(conversation, "agent-1", lease_until=clock.now + timedelta(minutes=5), now=clock.now)
    assert [r.key for r in await claim(store, clock)] == ["receipt"]


async def test_a_hand_over_while_it_is_on_its_way(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "bot says", "next", fence=0)
    (row,) = await claim(store, clock)
    await store.claim(conversation, "agent-1", lease_until=clock.now + timedelta(minutes=5), now=clock.now)
    await store.settle_sends([replace(sent(row, "bot says"), left_the_house=False)])
    assert [e.kind for e in await store.timeline(conversation)] == ["inbound"]
    assert [r.key for r in (await store.outbox(state="superseded")).items] == ["bot says"]


async def test_what_really_went_out_is_sent_whoever_owns_it(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "bot says", fence=0)
    (row,) = await claim(store, clock)
    await store.claim(conversation, "agent-1", lease_until=clock.now + timedelta(minutes=5), now=clock.now)
    await store.settle_sends([sent(row, "bot says")])
    assert [r.key for r in (await store.outbox(state="sent")).items] == ["bot says"]
    assert [e.text for e in await store.timeline(conversation)] == ["message bot says", "bot says"]


async def test_results_write_the_journal(store: Store, clock: Clock) -> None:
    await queue(store, "a")
    (row,) = await claim(store, clock)
    await store.settle_sends([SendResult(id=row.id, state="sent", entry=said("hi"), journal=(line("A-1", "replied"),))])
    assert [j.what for j in await store.journal("A-1")] == ["replied"]


async def test_a_crash_while_sending_is_told(home: Home, clock: Clock) -> None:
    first = home.store()
    await first.open()
    await queue(first, "a", "b")
    (row,) = await claim(first, clock)
    await first.close()
    second = home.store()
    await second.open()
    (row,) = await claim(second, clock)
    assert (row.key, row.interrupted, row.tries) == ("a", True, 2)
    await second.settle_sends([SendResult(id=row.id, state="waiting", next_at=clock.now)])
    (row,) = await claim(second, clock)
    assert not row.interrupted
    await second.close()


async def test_the_limit_holds(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await settle(store, sends=tuple(send(f"k{n}", conversation, lane=f"l{n}") for n in range(7)))
    assert len(await store.claim_sends(5, clock.now)) == 5
    assert len(await store.claim_sends(5, clock.now)) == 2


async def test_the_timeline_is_what_was_really_said_in_order(store: Store, clock: Clock) -> None:
    conversation = await queue(store, "answer")
    await fill(store, message(2))
    (row,) = await claim(store, clock)
    await store.note(conversation, notice("joined"))
    await store.settle_sends([sent(row, "answer")])
    lines = await store.timeline(conversation)
    assert [(e.seq, e.kind) for e in lines] == [(1, "inbound"), (2, "inbound"), (3, "notice"), (4, "outbound")]


async def test_an_account_with_a_pace_gets_so_many_rows_and_its_people_come_first(store: Store, clock: Clock) -> None:
    for n, kind in enumerate(("status", "answer", "human", "answer"), start=1):
        conversation = await fill(store, message(n, thread=f"t{n}"))
        await settle(store, sends=(send(f"k{n}", conversation, kind=kind, destination="channel:slow/main"),))
    other = await fill(store, message(9, thread="t9"))
    await settle(store, sends=(send("fast", other, destination="channel:fast/main"),))
    assert [r.key for r in await store.claim_sends(9, clock.now, at_most={"channel:slow/main": 0})] == ["fast"]
    assert await store.next_send_at(besides=["channel:slow/main"]) is None
    assert await store.next_send_at() is not None
    first = await store.claim_sends(9, clock.now, at_most={"channel:slow/main": 2})
    assert [r.key for r in first] == ["k3", "k1"]
    assert [r.key for r in await store.claim_sends(9, clock.now, at_most={"channel:slow/main": 5})] == ["k2", "k4"]
