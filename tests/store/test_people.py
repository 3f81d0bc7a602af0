"""Agents: claiming, leases, speaking, handing back, and the desk's sessions."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from gateway.store.base import Agent, Conflict, Conversation, DeskSession, Entry, NotFound, Stale, Store
from tests.store.scene import START, Clock, fill, line, message, notice, record, send, settle

ANN = Agent(id="agent-1", login="ann", name="Ann", role="agent", skills=("billing",), password="scrypt$x")


async def claim(store: Store, conversation: str, agent: str, clock: Clock, *, force: bool = False) -> Conversation:
    return await store.claim(
        conversation, agent, lease_until=clock.now + timedelta(minutes=5), now=clock.now, force=force
    )


async def test_of_two_agents_one_gets_it(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    got = await asyncio.gather(
        *(claim(store, conversation, f"agent-{n}", clock) for n in (1, 2)), return_exceptions=True
    )
    assert isinstance(got[0], Conversation)
    assert isinstance(got[1], Conflict)
    assert (got[0].owner, got[0].fence) == ("agent-1", 1)
    assert got[0].lease_until == clock.now + timedelta(minutes=5)


async def test_by_force(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await claim(store, conversation, "agent-1", clock)
    taken = await claim(store, conversation, "agent-2", clock, force=True)
    assert (taken.owner, taken.fence) == ("agent-2", 2)


async def test_a_lease_that_ran_out_protects_nobody(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await claim(store, conversation, "agent-1", clock)
    clock.turn(minutes=6)
    assert (await claim(store, conversation, "agent-2", clock)).owner == "agent-2"


async def test_ones_own_again_is_more_time_not_a_new_fence(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    first = await claim(store, conversation, "agent-1", clock)
    clock.turn(minutes=1)
    again = await claim(store, conversation, "agent-1", clock)
    assert again.fence == first.fence
    assert again.lease_until == clock.now + timedelta(minutes=5)


async def test_leases_run_out(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await fill(store, message(2, thread="t2"))
    await claim(store, conversation, "agent-1", clock)
    assert await store.expire_leases(clock.now) == ()
    (over,) = await store.expire_leases(clock.turn(minutes=5))
    assert (over.id, over.owner, over.fence, over.lease_until) == (conversation, "", 2, None)
    assert await store.expire_leases(clock.now) == ()
    with pytest.raises(Stale):
        await store.say(conversation, 1, [send("r", conversation, fence=1)])


async def test_a_lease_is_kept(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await claim(store, conversation, "agent-1", clock)
    until = clock.now + timedelta(hours=1)
    await store.extend(conversation, "agent-1", 1, until)
    assert (await store.conversation(conversation)).lease_until == until
    for agent, fence in (("agent-1", 0), ("agent-2", 1)):
        with pytest.raises(Stale):
            await store.extend(conversation, agent, fence, until)


async def test_a_reply_is_queued_once(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await claim(store, conversation, "agent-1", clock)
    reply = send("reply-1", conversation, fence=1, kind="human")
    await asyncio.gather(*(store.say(conversation, 1, [reply], line("A-1", "replied")) for _ in range(3)))
    assert [s.key for s in await store.pending(conversation)] == ["reply-1"]
    assert len(await store.journal("A-1")) == 1
    await claim(store, conversation, "agent-2", clock, force=True)
    await store.say(conversation, 1, [reply])  # a repeat of what was said in time
    with pytest.raises(Stale):
        await store.say(conversation, 1, [send("reply-2", conversation, fence=1)])
    assert await store.claim_sends(9, clock.now) == []


async def test_notes_are_not_for_the_customer(store: Store) -> None:
    conversation = await fill(store, message(1))
    note = Entry(seq=0, kind="note", at=START, text="VIP", author="agent-1", author_name="Ann", visible=False)
    assert await store.note(conversation, note) == 2
    assert (await store.timeline(conversation))[1] == msgspec.structs.replace(note, seq=2)
    assert len(await store.timeline(conversation, visible_only=True)) == 1
    with pytest.raises(NotFound):
        await store.note("c-no", note)


async def test_handing_back(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await claim(store, conversation, "agent-1", clock)
    back = await store.release(
        conversation, 1, "bot", "waiting_bot", at=clock.now, notice=notice("handed_back"), journal=line("A-1", "back")
    )
    assert (back.owner, back.fence, back.status, back.lease_until) == ("bot", 2, "waiting_bot", None)
    assert (await store.timeline(conversation))[-1].notice == "handed_back"
    with pytest.raises(Stale):
        await store.release(conversation, 1, "", "waiting_agent", at=clock.now, notice=notice("left"))


async def test_amending_a_record(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await settle(store, record=record("A-1", conversation))
    await claim(store, conversation, "agent-1", clock)
    closed = record("A-1", conversation, revision=2, status="closed")
    with pytest.raises(Stale):
        await store.amend(conversation, 0, closed, status="closed")
    after = await store.amend(
        conversation,
        1,
        closed,
        status="closed",
        owner="bot",
        notices=(notice("closed"),),
        sends=(send("bye", conversation, fence=1),),
        journal=(line("A-1", "closed"),),
    )
    assert (after.status, after.number, after.owner, after.fence) == ("closed", "", "bot", 2)
    assert [s.fence for s in await store.pending(conversation)] == [2]
    assert [j.what for j in await store.journal("A-1")] == ["revised", "closed"]
    with pytest.raises(Conflict):
        await store.amend(conversation, None, closed, status="closed")
    again = record("A-1", conversation, revision=3, status="waiting_agent")
    after = await store.amend(conversation, None, again, status="waiting_agent")
    assert (after.number, after.status) == ("A-1", "waiting_agent")
    assert await store.record("A-1") == again


async def test_amending_what_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.amend("c-no", None, record("A-1", "c-no"), status="new")


async def test_agents(store: Store) -> None:
    bob = Agent(id="agent-2", login="bob", name="Bob", role="lead")
    await store.put_agent(bob)
    await store.put_agent(ANN)
    assert await store.agents() == (ANN, bob)
    await store.put_agent(msgspec.structs.replace(bob, active=False))
    assert not (await store.agents())[1].active
    with pytest.raises(Conflict):
        await store.put_agent(Agent(id="agent-3", login="ann", name="Other", role="agent"))


async def test_sessions(store: Store, clock: Clock) -> None:
    await store.put_agent(ANN)
    session = DeskSession(
        token_hash="h",
        agent="agent-1",
        csrf="c",
        created_at=START,
        expires_at=START + timedelta(hours=8),
    )
    await store.put_session(session)
    assert await store.session("h", clock.now) == (session, ANN)
    with pytest.raises(NotFound):
        await store.session("other", clock.now)
    with pytest.raises(NotFound):
        await store.session("h", START + timedelta(hours=8))
    await store.put_agent(msgspec.structs.replace(ANN, active=False))
    with pytest.raises(NotFound):
        await store.session("h", clock.now)
    await store.put_agent(ANN)
    await store.end_session("h")
    with pytest.raises(NotFound):
        await store.session("h", clock.now)


async def test_once(store: Store, clock: Clock) -> None:
    soon = START + timedelta(minutes=10)
    kept = await asyncio.gather(*(store.put_once("link", "k", b"%d" % n, expires_at=soon) for n in range(4)))
    assert len(set(kept)) == 1
    assert await store.put_once("other", "k", b"9", expires_at=soon) == b"9"
    taken = await asyncio.gather(*(store.take_once("link", "k", clock.now) for _ in range(4)))
    assert [t for t in taken if t] == kept[:1]
    assert await store.take_once("other", "k", soon) is None
    await store.put_once("link", "again", b"1", expires_at=soon)
    clock.turn(minutes=10)
    assert await store.put_once("link", "again", b"2", expires_at=soon + timedelta(days=1)) == b"2"


async def test_a_reply_of_several_rows_is_queued_as_one(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    await claim(store, conversation, "agent-1", clock)
    rows = [send(key, conversation, fence=1, kind="human") for key in ("reply", "reply.2")]
    await asyncio.gather(*(store.say(conversation, 1, rows) for _ in range(3)))
    assert [s.key for s in await store.pending(conversation)] == ["reply", "reply.2"]
