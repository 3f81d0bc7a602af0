"""Erasing: words, names, addresses and files go; counts, times and categories stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from channels.base import Attachment, Sender
from gateway.store.base import Conflict, Entry, NotFound, Store
from gateway.store.journal import verify
from normalizer.record import Complainant, EvidenceFile, Standing, What
from tests.store.scene import START, Clock, Home, fill, found, line, message, notice, record, said, send, settle

SECRET = "Zyxwvut"


async def told(store: Store, clock: Clock) -> str:
    """A conversation in which the secret stands everywhere it can."""
    first = message(
        1,
        thread=f"{SECRET} thread",
        text=f"I am {SECRET}",
        subject=SECRET,
        choice=SECRET,
        placeholder=SECRET,
        on_behalf_of=SECRET,
        sender=Sender(id=f"{SECRET}-id", name=SECRET, email=f"{SECRET}@example.org", phone="+8613800001111"),
        attachments=(Attachment(name=f"{SECRET}.png", type="image/png", size=9, digest="ab" * 32, state="kept"),),
        raw=SECRET.encode(),
    )
    conversation = await fill(store, first, message(2, thread=f"{SECRET} thread", text=SECRET))
    made = record(
        "A-1",
        conversation,
        who=Complainant(identities=(f"webchat/main/{SECRET}-id",), names=(found(SECRET, SECRET),)),
        what=What(summary=SECRET, category=found("building/lift", SECRET), people=(found(SECRET, SECRET),)),
        standing=Standing(status="waiting_agent", outcome=SECRET),
    )
    arrival = msgspec.structs.replace(
        made.arrival,
        thread=f"{SECRET} thread",
        attachments=(EvidenceFile(digest="ab" * 32, name=f"{SECRET}.png", type="image/png", size=9, message="k"),),
    )
    made = msgspec.structs.replace(made, arrival=arrival)
    await settle(
        store,
        record=made,
        state=f'{{"slots": {{"name": "{SECRET}"}}}}'.encode(),
        sends=(send("k1", conversation, body=SECRET.encode()), send("k2", conversation, body=SECRET.encode())),
        notices=(notice("opened"), said(SECRET)),
        journal=(line("A-1", "opened", text=SECRET), line("A-1", "revised", names=[SECRET])),
        trace=SECRET.encode(),
    )
    await store.amend(conversation, None, msgspec.structs.replace(made, revision=2), status="")
    await store.note(conversation, Entry(seq=0, kind="note", at=START, text=SECRET, author="agent-1"))
    return conversation


async def test_erasing(store: Store, home: Home, clock: Clock) -> None:
    conversation = await told(store, clock)
    other = await fill(store, message(7, thread="other"))
    await fill(store, message(8, thread=f"{SECRET} thread", text=SECRET))
    before = await store.tally(since=START, until=START + timedelta(days=1))
    counted = [(e.seq, e.kind, e.at) for e in await store.timeline(conversation)]
    assert await store.erase(conversation, at=clock.now, by="operator") > 5

    everything: list[Any] = [await store.conversation(conversation), *await store.timeline(conversation)]
    everything += [*await store.revisions("A-1"), *await store.journal("A-1"), *await store.traces(conversation)]
    everything += [
        *(await store.outbox()).items,
        *(await store.conversations("all")).items,
        *(await store.inbox()).items,
    ]
    everything += [
        await store.inbox_message(r.id) for r in (await store.inbox()).items if r.conversation == conversation
    ]
    assert SECRET not in repr(everything)

    assert [(e.seq, e.kind, e.at) for e in await store.timeline(conversation)] == counted
    after = await store.tally(since=START, until=START + timedelta(days=1))
    closed = {"open": 1, "processed": 3, "waiting": 0, "superseded": 2}
    assert after == tuple(msgspec.structs.replace(t, **closed) for t in before)
    kept = await store.record("A-1")
    assert kept.what.category is not None
    assert (kept.revision, kept.what.category.value, kept.standing.status) == (3, "building/lift", "waiting_agent")
    lines = await store.journal("A-1")
    assert [j.what for j in lines] == ["opened", "revised", "revised", "erased"]
    assert verify(lines) == ""
    assert await store.blobs_of(conversation) == ()
    assert not await store.blob_in_use("ab" * 32)
    assert await store.pending(conversation) == ()
    assert await store.claim_sends(9, clock.now) == []
    assert [w.conversation.id for w in (await store.claim_work(9)).work] == [other]
    assert await store.find_person(f"{SECRET}@example.org") == ()
    assert (await store.search(SECRET)).items == ()
    assert (await store.timeline(other))[0].text == "message 7"


async def test_who_read_the_record_before_cannot_write_it_back(store: Store, clock: Clock) -> None:
    conversation = await told(store, clock)
    read = await store.record("A-1")
    await store.erase(conversation, at=START, by="operator")
    with pytest.raises(Conflict):
        await store.amend(conversation, None, msgspec.structs.replace(read, revision=read.revision + 1), status="")
    assert SECRET.encode() not in msgspec.json.encode(await store.revisions("A-1"))
    assert (await store.record("A-1")).revision == read.revision + 1


async def test_nobody_waits_in_an_erased_conversation(store: Store, clock: Clock) -> None:
    conversation = await told(store, clock)
    before = await store.conversation(conversation)
    await store.release(conversation, before.fence, "", "waiting_agent", at=clock.now, notice=notice("handed_off"))
    assert [one.conversation.id for one in (await store.conversations("waiting")).items] == [conversation]
    await store.erase(conversation, at=clock.now, by="operator")
    assert (await store.conversations("waiting")).items == ()
    assert (await store.conversation(conversation)).status == "closed"


async def test_a_repeat_of_what_was_erased_stays_erased(store: Store, clock: Clock) -> None:
    conversation = await told(store, clock)
    row = (await store.inbox()).items[-1]
    first = await store.inbox_message(row.id)
    await store.erase(conversation, at=clock.now, by="operator")
    (again,) = await store.append([first], received_at=START)
    assert again.duplicate
    (fresh,) = await store.append([message(3, thread=f"{SECRET} thread", text="back again")], received_at=START)
    assert (fresh.conversation, fresh.seq > 3) == (conversation, True)
    assert (await store.conversation(conversation)).thread == f"{SECRET} thread"


async def test_it_stands_nowhere_any_more(home: Home, clock: Clock) -> None:
    store = home.store()
    await store.open()
    conversation = await told(store, clock)
    assert home.holds(SECRET)
    await store.erase(conversation, at=clock.now, by="operator")
    assert not home.holds(SECRET)
    await store.close()
    assert not home.holds(SECRET)


async def test_erasing_nobody(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.erase("c-no", at=START, by="operator")
