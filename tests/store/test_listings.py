"""What the desk and the operator see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from channels.base import Sender
from gateway.store.base import Agent, ConversationLine, Page, Store, StoreError
from normalizer.record import Complainant, Deadlines, Standing
from tests.store.scene import START, Clock, fill, found, message, outcome, record, send, sent, settle

Listing = Callable[[str], Awaitable[Page]]


async def everything(listing: Listing) -> list[Any]:
    """All pages."""
    page = await listing("")
    items = list(page.items)
    while page.cursor:
        page = await listing(page.cursor)
        assert page.items
        items += page.items
    return items


async def case(
    store: Store, n: int, *, owner: str = "", urgency: str = "normal", due: int = 0, status: str = "waiting_agent"
) -> str:
    """A conversation with a record and an owner."""
    conversation = await fill(store, message(n, thread=f"t{n}"))
    deadlines = Deadlines(first_response_by=START + timedelta(hours=due) if due else None)
    standing = Standing(status=status, deadlines=deadlines, handoff_reason="request")  # type: ignore[arg-type]
    made = record(f"A-{n}", conversation, urgency=urgency, standing=standing, opened_at=START + timedelta(minutes=n))
    await settle(store, record=made, owner=owner)
    return conversation


def threads(lines: list[ConversationLine]) -> list[str]:
    return [line.conversation.thread for line in lines]


async def test_the_queue_urgent_first_then_by_due_time(store: Store) -> None:
    await case(store, 1, due=5)
    await case(store, 2, urgency="low", due=1)
    await case(store, 3, urgency="urgent", due=9)
    await case(store, 4)
    await case(store, 5, due=2)
    await case(store, 6, owner="agent-1", urgency="urgent")
    await case(store, 7, status="closed")
    await case(store, 8, urgency="urgent", due=3)
    lines = await everything(lambda c: store.conversations("waiting", cursor=c, limit=2))
    assert threads(lines) == ["t8", "t3", "t5", "t1", "t4", "t2"]
    top = lines[0]
    assert (top.urgency, top.category, top.language, top.summary) == (
        "urgent",
        "building/lift",
        "en",
        "the lift is broken",
    )
    assert (top.handoff_reason, top.due_at) == ("request", START + timedelta(hours=3))
    assert (top.last_text, top.unanswered, top.waiting_since) == ("message 8", 1, START + timedelta(seconds=8))


async def test_the_views(store: Store) -> None:
    await store.put_agent(Agent(id="agent-1", login="ann", name="Ann", role="agent"))
    await case(store, 1, owner="agent-1")
    await case(store, 2, owner="bot", status="waiting_bot")
    await case(store, 3, owner="bot", status="resolved")
    await case(store, 4, owner="agent-2")
    views = {
        view: sorted(threads(list((await store.conversations(view, agent="agent-1")).items)))
        for view in ("waiting", "mine", "bot", "all", "closed")
    }
    assert views == {"waiting": [], "mine": ["t1"], "bot": ["t2"], "all": ["t1", "t2", "t3", "t4"], "closed": ["t3"]}
    (mine,) = (await store.conversations("mine", agent="agent-1")).items
    assert mine.owner_name == "Ann"


async def test_pages_stand_still_while_conversations_come(store: Store, clock: Clock) -> None:
    for n in range(7):
        await case(store, n, owner="bot", status="waiting_bot")
        clock.turn(seconds=1)
    page = await store.conversations("all", limit=3)
    for n in range(10, 15):
        await case(store, n, owner="bot", status="waiting_bot")
    seen = threads(
        [*page.items, *await everything(lambda c: store.conversations("all", cursor=c or page.cursor, limit=3))]
    )
    assert seen == ["t6", "t5", "t4", "t3", "t2", "t1", "t0"]


async def test_pages_of_what_happened_at_the_same_moment(store: Store) -> None:
    for n in range(5):
        await case(store, n, owner="bot", status="waiting_bot")
    lines = await everything(lambda c: store.conversations("bot", cursor=c, limit=2))
    assert threads(lines) == ["t4", "t3", "t2", "t1", "t0"]


async def test_an_answer_ends_the_waiting_but_not_the_bots_word_on_handing_over(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1), message(2))
    await settle(store, owner="", sends=(send("handing over", conversation),))
    (row,) = await store.claim_sends(9, clock.now)
    await store.settle_sends([sent(row, "a colleague will answer")])
    (line,) = (await store.conversations("waiting")).items
    assert (line.unanswered, line.waiting_since) == (2, START + timedelta(seconds=1))
    owned = await store.claim(conversation, "agent-1", lease_until=clock.now + timedelta(hours=1), now=clock.now)
    await store.say(conversation, owned.fence, [send("reply", conversation, fence=owned.fence)])
    (row,) = await store.claim_sends(9, clock.now)
    await store.settle_sends([sent(row, "hello, Ann here", "agent-1")])
    (line,) = (await store.conversations("mine", agent="agent-1")).items
    assert (line.unanswered, line.waiting_since, line.last_text) == (0, None, "hello, Ann here")


async def test_search(store: Store) -> None:
    lift = await case(store, 1)
    await fill(store, message(2, thread="t2", text="100% of it_is wrong", sender=Sender(id="u2", name="王小明")))
    for text in ("A-1", "a-1", "message 1", "MESSAGE 1", "sender of t1", "lift"):
        assert [i.conversation.id for i in (await store.search(text)).items] == [lift], text
    for text in ("王小", "100%", "it_is"):
        assert threads(list((await store.search(text)).items)) == ["t2"], text
    for text in ("", "   ", "a%1", "it is", "nobody"):
        assert (await store.search(text)).items == (), text


async def test_records_newest_first(store: Store) -> None:
    for n in range(1, 8):
        await case(store, n, status="closed" if n % 2 else "waiting_agent")
    numbers = [r.number for r in await everything(lambda c: store.records(cursor=c, limit=2))]
    assert numbers == [f"A-{n}" for n in range(7, 0, -1)]
    odd = [r.number for r in await everything(lambda c: store.records(cursor=c, limit=2, status="closed"))]
    assert odd == ["A-7", "A-5", "A-3", "A-1"]
    late = (await store.records(since=START + timedelta(minutes=6))).items
    assert [r.number for r in late] == ["A-7", "A-6"]


async def test_records_of_some_accounts(store: Store) -> None:
    conversation = await store.conversation(await case(store, 1))
    own = [(conversation.channel, conversation.account)]
    assert [r.number for r in (await store.records(accounts=own)).items] == ["A-1"]
    assert (await store.records(accounts=[("api", "other")])).items == ()
    assert (await store.records(accounts=[])).items == ()


async def test_the_operators_lists(store: Store, clock: Clock) -> None:
    conversation = await fill(store, *(message(n) for n in range(5)))
    await settle(store, sends=tuple(send(f"k{n}", conversation, lane=f"l{n}") for n in range(5)))
    inbox = await everything(lambda c: store.inbox(cursor=c, limit=2))
    assert [r.external_id for r in inbox] == ["4", "3", "2", "1", "0"]
    assert (inbox[0].state, inbox[0].conversation, inbox[0].processed_at) == ("done", conversation, clock.now)
    assert (await store.inbox(state="open")).items == ()
    assert len((await store.inbox(state="done")).items) == 5
    sends = await everything(lambda c: store.outbox(cursor=c, limit=2, state="waiting"))
    assert [s.key for s in sends] == ["k4", "k3", "k2", "k1", "k0"]


async def test_a_wrong_cursor_or_state_is_told(store: Store) -> None:
    for listing in (
        store.inbox(cursor="garbage!"),
        store.inbox(cursor="WzEsMl0"),
        store.records(cursor="WyJhIiwgImIiXQ"),
        store.inbox(state="lost"),
        store.outbox(state="lost"),
    ):
        with pytest.raises(StoreError):
            await listing


async def test_finding_a_person(store: Store) -> None:
    by_sender = await fill(
        store, message(1, thread="a", sender=Sender(id="U1", email="Ann@Example.org", phone="+86 138-0000-1111"))
    )
    by_words = await fill(store, message(2, thread="b"))
    who = Complainant(identities=("email/support/ann@example.org",), phones=(found("+8613800001111"),))
    batch = await store.claim_work(5)
    made = [outcome(w, record=record("A-1", by_words, who=who)) for w in batch.work if w.conversation.id == by_words]
    await batch.settle(made)
    assert await store.find_person("U1") == (by_sender,)
    assert await store.find_person(f" {by_words} ") == (by_words,)
    assert await store.find_person("ann@example.ORG") == (by_sender, by_words)
    assert await store.find_person("+86 138 0000 1111") == (by_sender, by_words)
    for nobody in ("", " ", "ann@example", "example.org", "1111", "%"):
        assert await store.find_person(nobody) == (), nobody
