"""From open messages to settled outcomes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store.base import NotFound, Stale, Store, StoreError
from tests.store.scene import START, Clock, Home, fill, line, message, notice, outcome, record, send, settle


async def test_oldest_conversation_first_and_provider_order_inside(store: Store) -> None:
    await fill(store, message(1, thread="a", second=50), message(2, thread="b", second=1))
    await fill(store, message(3, thread="a", second=40), message(4, thread="a", second=50))
    batch = await store.claim_work(10)
    assert [w.conversation.thread for w in batch.work] == ["a", "b"]
    assert [i.message.external_id for i in batch.work[0].items] == ["3", "1", "4"]
    assert [i.seq for i in batch.work[0].items] == [2, 1, 3]
    assert [i.key for i in batch.work[0].items] == ["webchat/main/3", "webchat/main/1", "webchat/main/4"]
    assert batch.work[0].items[0].received_at == START


async def test_a_claimed_conversation_is_nobody_elses(store: Store) -> None:
    await fill(store, *(message(n, thread=f"t{n}") for n in range(5)))
    batches = await asyncio.gather(store.claim_work(2), store.claim_work(2), store.claim_work(2))
    claimed = [w.conversation.thread for b in batches for w in b.work]
    assert sorted(claimed) == ["t0", "t1", "t2", "t3", "t4"]
    await fill(store, message(9, thread="t0"))
    assert (await store.claim_work(5)).work == ()
    await batches[0].release()
    (work, _) = (await store.claim_work(5)).work
    assert [i.message.external_id for i in work.items] == ["0", "9"]


async def test_an_outcome_is_written_as_one(store: Store) -> None:
    conversation = await fill(store, message(1), message(2))
    batch = await store.claim_work(1)
    (work,) = batch.work
    assert (work.state, work.record) == (b"", None)
    first = record("A-1", conversation)
    done = outcome(
        work,
        state=b'{"turns":1}',
        record=first,
        status="waiting_bot",
        sends=(send("r1", conversation, fence=0), send("ticket", conversation, lane="sink", destination="sink:file")),
        notices=(notice("opened"),),
        journal=(line("A-1", "opened", channel="webchat"), line("A-1", "replied")),
        trace=b'["why"]',
    )
    assert list(await batch.settle([done])) == [None]
    await batch.release()
    assert (await store.claim_work(1)).work == ()
    found = await store.conversation(conversation)
    assert (found.number, found.status, found.owner, found.fence, found.last_seq) == ("A-1", "waiting_bot", "bot", 0, 3)
    assert await store.record("A-1") == first
    assert await store.revisions("A-1") == (first,)
    assert [(e.seq, e.kind, e.notice) for e in await store.timeline(conversation, after=2)] == [(3, "notice", "opened")]
    assert [s.key for s in await store.pending(conversation)] == ["r1", "ticket"]
    assert [j.what for j in await store.journal("A-1")] == ["opened", "replied"]
    assert await store.traces(conversation) == (b'["why"]',)
    assert {r.state for r in (await store.inbox()).items} == {"done"}
    await fill(store, message(3))
    (work,) = (await store.claim_work(1)).work
    assert (work.state, work.record) == (b'{"turns":1}', first)


async def test_settling_twice_writes_once(store: Store) -> None:
    conversation = await fill(store, message(1))
    batch = await store.claim_work(1)
    done = outcome(batch.work[0], notices=(notice("opened"),), sends=(send("r1", conversation),))
    errors = await batch.settle([done, done])
    await fill(store, message(2))
    assert len((await store.claim_work(1)).work) == 1  # settled is free, without a release
    assert [type(e) for e in errors] == [type(None), Stale]
    assert len(await store.timeline(conversation)) == 3


async def test_each_outcome_stands_on_its_own_feet(store: Store) -> None:
    await fill(store, message(1, thread="a"), message(2, thread="b"), message(3, thread="c"))
    batch = await store.claim_work(3)
    a, b, c = batch.work
    late = outcome(b, fence=7, notices=(notice("opened"),))
    nobody = outcome(c, conversation="c-nobody")
    errors = await batch.settle([outcome(a), late, nobody])
    assert [type(e) for e in errors] == [type(None), Stale, NotFound]
    assert [e.kind for e in await store.timeline(b.conversation.id)] == ["inbound"]
    assert (await store.claim_work(3)).work == ()  # what failed is still claimed
    await batch.release()
    assert {w.conversation.thread for w in (await store.claim_work(3)).work} == {"b", "c"}


async def test_a_bad_row_fails_alone_and_leaves_nothing(store: Store) -> None:
    await fill(store, message(1, thread="a"), message(2, thread="b"))
    batch = await store.claim_work(2)
    a, b = batch.work
    unreadable = send("bad", a.conversation.id, body=b'{"digest": oops')
    errors = await batch.settle(
        [outcome(a, notices=(notice("opened"),), sends=(unreadable,)), outcome(b, notices=(notice("opened"),))]
    )
    assert isinstance(errors[0], StoreError)
    assert errors[1] is None
    assert [e.kind for e in await store.timeline(a.conversation.id)] == ["inbound"]
    assert [e.kind for e in await store.timeline(b.conversation.id)] == ["inbound", "notice"]


async def test_a_new_owner_raises_the_fence_and_its_sends_carry_it(store: Store) -> None:
    conversation = await fill(store, message(1))
    await settle(store, owner="", sends=(send("bound", conversation, fence=0), send("free", conversation, lane="x")))
    found = await store.conversation(conversation)
    assert (found.owner, found.fence) == ("", 1)
    assert [s.fence for s in await store.pending(conversation)] == [1, None]


async def test_an_agent_comes_between(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    batch = await store.claim_work(1)
    await store.claim(conversation, "agent-1", lease_until=clock.turn(minutes=5), now=START)
    (error,) = await batch.settle([outcome(batch.work[0], sends=(send("late", conversation, fence=0),))])
    assert isinstance(error, Stale)
    await batch.release()
    assert await store.pending(conversation) == ()
    (work,) = (await store.claim_work(1)).work
    assert (work.conversation.owner, work.conversation.fence, len(work.items)) == ("agent-1", 1, 1)


async def test_a_record_revised_meanwhile_is_decided_again(store: Store) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=record("A-1", conversation))
    await fill(store, message(2))
    batch = await store.claim_work(1)
    await store.amend(conversation, None, record("A-1", conversation, revision=2), status="")
    (error,) = await batch.settle(
        [outcome(batch.work[0], record=record("A-1", conversation, revision=2, status="new"))]
    )
    assert isinstance(error, Stale)
    (error,) = await batch.settle([outcome(batch.work[0], record=record("A-1", conversation, revision=3))])
    assert error is None
    assert [r.revision for r in await store.revisions("A-1")] == [1, 2, 3]


async def test_the_latest_record_comes_along_also_a_closed_one(store: Store) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=record("A-1", conversation, status="closed"))
    assert (await store.conversation(conversation)).number == ""
    await fill(store, message(2))
    (work,) = await settle(store, record=record("A-2", conversation))
    assert work.record is not None
    assert work.record.number == "A-1"
    await fill(store, message(3))
    (work,) = (await store.claim_work(1)).work
    assert work.record is not None
    assert work.record.number == "A-2"


async def test_a_row_that_fails_keeps_count_and_in_the_end_lets_go(store: Store) -> None:
    conversation = await fill(store, message(1), message(2))
    for tries in range(3):
        batch = await store.claim_work(1)
        head = batch.work[0].items[0]
        assert (head.message.external_id, head.tries) == ("1", tries)
        await batch.fail(conversation, head.inbox_id, "ValueError", give_up=tries == 2)
        await batch.release()
    (work,) = await settle(store)
    assert [i.message.external_id for i in work.items] == ["2"]
    (held,) = (await store.inbox(state="held")).items
    assert (held.external_id, held.tries, held.error, held.processed_at) == ("1", 3, "ValueError", None)
    assert await store.replay_inbox([held.id, held.id + 1, 999]) == 1
    (work,) = await settle(store)
    assert [(i.message.external_id, i.tries) for i in work.items] == [("1", 0)]


async def test_a_crash_frees_the_claims(home: Home) -> None:
    first = home.store()
    await first.open()
    await fill(first, message(1))
    assert len((await first.claim_work(1)).work) == 1
    await first.close()
    second = home.store()
    await second.open()
    assert len((await second.claim_work(1)).work) == 1
    await second.close()


async def test_many_messages_come_in_pieces(store: Store) -> None:
    for start in range(0, 250, 50):
        await fill(store, *(message(n) for n in range(start, start + 50)))
    seen: list[str] = []
    while work := await settle(store):
        seen += [i.message.external_id for w in work for i in w.items]
    assert seen == [str(n) for n in range(250)]


async def test_unknown_conversations_are_not_found(store: Store) -> None:
    for question in (store.conversation("c-no"), store.record("A-9")):
        with pytest.raises(NotFound):
            await question
    assert await store.revisions("A-9") == ()
    assert await store.journal("A-9") == ()
