"""Two nodes do the same thing at the same moment: it is done once, and the chain of the journal has no fork."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from msgspec.structs import replace

from gateway.store import journal
from gateway.store.base import Agent, Conflict, Conversation, Stale, Store, StoreError
from gateway.store.postgres import PostgresStore, figures
from tests.store.scene import START, Clock, fill, line, message, record, send, sent, settle

Nodes = tuple[PostgresStore, PostgresStore]
DAY = timedelta(days=1)


async def test_of_two_agents_on_two_nodes_one_gets_it(nodes: Nodes, clock: Clock) -> None:
    conversation = await fill(nodes[0], message(1))
    until = clock.now + timedelta(minutes=5)
    got = await asyncio.gather(
        *(
            node.claim(conversation, agent, lease_until=until, now=clock.now)
            for node, agent in zip(nodes * 3, ("ann", "bob") * 3, strict=True)
        ),
        return_exceptions=True,
    )
    owners = {g.owner for g in got if isinstance(g, Conversation)}
    assert len(owners) == 1
    assert sum(isinstance(g, Conflict) for g in got) == 3
    assert (await nodes[1].conversation(conversation)).fence == 1


async def test_one_revision_follows_another(nodes: Nodes) -> None:
    conversation = await fill(nodes[0], message(1))
    await settle(nodes[0], record=record("A-1", conversation))

    async def amend(node: Store, status: str) -> StoreError | None:
        following = record("A-1", conversation, revision=2)
        try:
            await node.amend(conversation, None, following, status=status, journal=[line("A-1", status)])
        except StoreError as err:
            return err
        return None

    errors = await asyncio.gather(*(amend(node, status) for node in nodes for status in ("waiting_bot", "closed")))
    assert [type(e) for e in errors if e is not None] == [Conflict] * 3
    assert [r.revision for r in await nodes[0].revisions("A-1")] == [1, 2]
    lines = await nodes[1].journal("A-1")
    assert journal.verify(lines) == ""
    assert list(journal.verify_revisions(lines, await nodes[0].revision_digests("A-1"))) == []


async def test_the_journal_has_no_fork(nodes: Nodes) -> None:
    """Lines of one case from different conversations, which no conversation's row keeps apart; also before its record is there."""
    conversations = [await fill(nodes[0], message(n, thread=f"t{n}")) for n in range(4)]
    await settle(nodes[0])
    for number in ("A-1", "A-2"):
        if number == "A-2":
            await fill(nodes[0], message(9, thread="t0"))
            await settle(nodes[0], record=record(number, conversations[0]))
        before = len(await nodes[0].journal(number))
        await asyncio.gather(
            *(
                node.original(conversation, 1, line(number, "looked", n=n, node=nodes.index(node)))
                for node in nodes
                for conversation in conversations
                for n in range(3)
            )
        )
        lines = await nodes[1].journal(number)
        assert len(lines) == before + 24
        assert journal.verify(lines) == ""


async def test_a_reply_that_is_sent_to_two_nodes_is_one_reply(nodes: Nodes, clock: Clock) -> None:
    conversation = await fill(nodes[0], message(1))
    await nodes[0].claim(conversation, "ann", lease_until=clock.now + timedelta(minutes=5), now=clock.now)
    reply = send("reply", conversation, fence=1, kind="human")
    await asyncio.gather(*(node.say(conversation, 1, [reply], line("A-1", "replied")) for node in nodes * 3))
    assert [s.key for s in await nodes[1].pending(conversation)] == ["reply"]
    assert len(await nodes[1].journal("A-1")) == 1


async def test_who_says_something_while_another_takes_over(nodes: Nodes, clock: Clock) -> None:
    """Either the reply is queued before the hand-over, or it is refused: never queued with a fence that has moved."""
    for n in range(10):
        conversation = await fill(nodes[0], message(n, thread=f"t{n}"))
        until = clock.now + timedelta(minutes=5)
        await nodes[0].claim(conversation, "ann", lease_until=until, now=clock.now)
        said, _ = await asyncio.gather(
            nodes[0].say(conversation, 1, [send(f"reply {n}", conversation, fence=1)]),
            nodes[1].claim(conversation, "bob", lease_until=until, now=clock.now, force=True),
            return_exceptions=True,
        )
        assert said is None or isinstance(said, Stale)
        assert len(await nodes[0].pending(conversation)) == (said is None)
    assert await nodes[0].claim_sends(99, clock.now) == []


async def test_each_lease_ends_once(nodes: Nodes, clock: Clock) -> None:
    for n in range(12):
        conversation = await fill(nodes[0], message(n, thread=f"t{n}"))
        until = clock.now + timedelta(minutes=5)
        await nodes[n % 2].claim(conversation, "ann", lease_until=until, now=clock.now)
    clock.turn(minutes=6)
    ended = await asyncio.gather(*(node.expire_leases(clock.now) for node in nodes * 2))
    ids = [c.id for each in ended for c in each]
    assert len(ids) == len(set(ids)) == 12
    assert {(c.owner, c.fence) for each in ended for c in each} == {("", 2)}


async def test_once_is_once_everywhere(nodes: Nodes, clock: Clock) -> None:
    until = clock.now + timedelta(minutes=5)
    for n in range(10):
        kept = await asyncio.gather(
            *(node.put_once("link", f"k{n}", b"%d" % k, expires_at=until) for k, node in enumerate(nodes * 3))
        )
        assert len(set(kept)) == 1
        taken = await asyncio.gather(*(node.take_once("link", f"k{n}", clock.now) for node in nodes * 3))
        assert [t for t in taken if t] == kept[:1]
    clock.turn(minutes=6)
    await asyncio.gather(*(node.put_once("other", "k", b"", expires_at=clock.now + DAY) for node in nodes * 3))
    assert await nodes[0].take_once("link", "k1", START) is None


async def test_a_login_is_one_agents(nodes: Nodes) -> None:
    agents = [Agent(id=f"agent-{n}", login="ann", name="Ann", role="agent") for n in range(4)]
    errors = await asyncio.gather(
        *(node.put_agent(agent) for node, agent in zip(nodes * 2, agents, strict=True)), return_exceptions=True
    )
    assert [type(e) for e in errors if e is not None] == [Conflict] * 3
    (agent,) = await nodes[0].agents()
    await asyncio.gather(*(node.put_agent(replace(agent, name=f"Ann {n}")) for n, node in enumerate(nodes * 3)))
    assert [a.login for a in await nodes[1].agents()] == ["ann"]


async def test_figures_add_up_over_nodes_and_when_they_are_put_together(nodes: Nodes, clock: Clock) -> None:
    async def traffic(node: PostgresStore, name: str) -> None:
        for n in range(10):
            id = await fill(node, message(f"{name}{n}", thread=f"{name}{n % 3}", second=n))
            await node.say(id, 0, [send(f"{name}/{n}", id)])
        while (await node.outbox(state="waiting", limit=1)).items:
            await node.settle_sends([sent(r) for r in await node.claim_sends(5, clock.now)])

    async def fold(node: PostgresStore) -> None:
        for _ in range(10):
            await node._database.write("fold", lambda c: figures.fold(c, 99_999))

    await asyncio.gather(traffic(nodes[0], "a"), traffic(nodes[1], "b"), fold(nodes[0]), fold(nodes[1]))
    await settle(nodes[0])
    (tally,) = await nodes[0].tally(since=START - DAY, until=START + DAY)
    assert (tally.recorded, tally.processed, tally.open) == (20, 20, 0)
    assert (tally.replies, tally.delivered, tally.waiting) == (20, 20, 0)
    latest = await nodes[0].latest_messages()
    assert len(latest) == 1
    await fold(nodes[0])
    assert await nodes[1].tally(since=START - DAY, until=START + DAY) == (tally,)
    assert await nodes[1].latest_messages() == latest
