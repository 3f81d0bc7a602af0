"""Accepting: nothing lost, nothing doubled, in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from channels.base import Attachment, Sender
from gateway.store.base import Conversation, Entry, NotFound, Store, conversation_id
from tests.store.scene import START, fill, message


async def test_a_message_stands_in_its_conversation(store: Store) -> None:
    (accepted,) = await store.append([message(1)], received_at=START)
    assert (accepted.seq, accepted.duplicate) == (1, False)
    assert accepted.conversation == conversation_id("webchat", "main", "t1")
    found = await store.conversation(accepted.conversation)
    assert found == Conversation(
        id=accepted.conversation,
        channel="webchat",
        account="main",
        thread="t1",
        sender="sender of t1",
        sender_name="Ann Lee",
        owner="bot",
        fence=0,
        lease_until=None,
        status="new",
        number="",
        last_seq=1,
        opened_at=START + timedelta(seconds=1),
        last_at=START + timedelta(seconds=1),
    )
    (entry,) = await store.timeline(accepted.conversation)
    assert (entry.kind, entry.text, entry.author, entry.author_name) == ("inbound", "message 1", "customer", "Ann Lee")
    assert (entry.key, entry.external_id, entry.at) == ("webchat/main/1", "1", START + timedelta(seconds=1))


async def test_the_raw_event_is_kept(store: Store) -> None:
    raw = bytes(range(256))
    await fill(store, message(1, raw=raw))
    (row,) = (await store.inbox()).items
    assert await store.inbox_message(row.id) == message(1, raw=raw)
    with pytest.raises(NotFound):
        await store.inbox_message(row.id + 1)


async def test_a_repeat_is_known(store: Store) -> None:
    await fill(store, message(1), message(2))
    again = await store.append([message(2), message(1), message(3)], received_at=START)
    assert [(a.seq, a.duplicate) for a in again] == [(2, True), (1, True), (3, False)]


async def test_repeats_at_the_same_moment_are_known(store: Store) -> None:
    told = await asyncio.gather(*(store.append([message(n % 5)], received_at=START) for n in range(50)))
    assert sorted(a.seq for (a,) in told if not a.duplicate) == [1, 2, 3, 4, 5]
    assert len({a.seq for (a,) in told}) == 5
    (tally,) = await store.tally(since=START, until=START + timedelta(days=1))
    assert (tally.recorded, tally.duplicates) == (5, 45)


async def test_a_repeat_inside_one_delivery_is_known(store: Store) -> None:
    told = await store.append([message(1), message(1)], received_at=START)
    assert [(a.seq, a.duplicate) for a in told] == [(1, False), (1, True)]


async def test_the_same_id_with_other_content_is_another_message(store: Store) -> None:
    first, other = message(1), message(1, text="something else")
    told = await store.append([first, other], received_at=START)
    assert [(a.seq, a.duplicate) for a in told] == [(1, False), (2, False)]
    told = await store.append([other, first], received_at=START)
    assert [(a.seq, a.duplicate) for a in told] == [(2, True), (1, True)]
    lines = await store.timeline(told[0].conversation)
    assert [e.text for e in lines] == ["message 1", "something else"]
    assert [e.key for e in lines] == ["webchat/main/1", f"webchat/main/1#{other.digest[:12]}"]


async def test_other_content_with_the_same_id_in_another_thread(store: Store) -> None:
    told = await store.append([message(1), message(1, thread="t2", text="not the same")], received_at=START)
    assert [a.seq for a in told] == [1, 1]
    assert told[0].conversation != told[1].conversation


async def test_accounts_do_not_share_ids(store: Store) -> None:
    told = await store.append([message(1), message(1, account="second")], received_at=START)
    assert [a.duplicate for a in told] == [False, False]


async def test_all_or_none(store: Store) -> None:
    bad = message(2, sender=Sender(id="x", name="\ud800"))  # half a surrogate pair cannot be written as UTF-8
    with pytest.raises(UnicodeEncodeError):
        await store.append([message(1), bad], received_at=START, cursor=("webchat", "main", "7"))
    assert (await store.inbox()).items == ()
    assert await store.cursor("webchat", "main") is None


async def test_a_message_that_cannot_be_written_fails_alone(store: Store) -> None:
    naive = message(2, at=START.replace(tzinfo=None))
    told = await asyncio.gather(
        *(store.append([m], received_at=START) for m in (message(1), naive, message(3))), return_exceptions=True
    )
    assert [type(t) for t in told] == [tuple, TypeError, tuple]
    assert len((await store.inbox()).items) == 2


async def test_the_cursor_moves_with_the_messages(store: Store) -> None:
    assert await store.cursor("imap", "support") is None
    await store.append([message(1)], received_at=START, cursor=("imap", "support", "1:7"))
    await store.append([], received_at=START, cursor=("imap", "support", "1:9"))
    assert await store.cursor("imap", "support") == "1:9"
    assert await store.cursor("imap", "other") is None


async def test_an_edit_is_a_line_that_refers_to_the_first(store: Store) -> None:
    edits = [
        message(2, kind="edit", refers_to="1", text="better"),
        message(3, kind="edit", refers_to="1", text="best"),
        message(4, kind="delete", refers_to="1", text=""),
    ]
    conversation = await fill(store, message(1), edits[0])
    await fill(store, *edits[1:])
    lines = await store.timeline(conversation)
    assert [(e.refers_to, e.version, e.deleted) for e in lines] == [
        (0, 0, False),
        (1, 1, False),
        (1, 2, False),
        (1, 3, True),
    ]
    assert [e.text for e in lines] == ["message 1", "better", "best", ""]


async def test_an_edit_of_what_we_never_saw_is_kept(store: Store) -> None:
    await fill(store, message(1, thread="t2"))
    conversation = await fill(store, message(2, kind="edit", refers_to="99"), message(3, kind="edit", refers_to="1"))
    assert [e.refers_to for e in await store.timeline(conversation)] == [0, 0]


async def test_machine_mail_is_quiet(store: Store) -> None:
    conversation = await fill(store, message(1), message(2, machine="auto_reply"), message(3, kind="status"))
    assert [e.seq for e in await store.timeline(conversation)] == [1, 2, 3]
    assert [e.seq for e in await store.timeline(conversation, visible_only=True)] == [1]


async def test_reading_on_in_a_timeline(store: Store) -> None:
    conversation = await fill(store, *(message(n) for n in range(1, 8)))
    await store.note(conversation, Entry(seq=0, kind="note", at=START, text="seen"))
    assert [e.seq for e in await store.timeline(conversation, after=2, limit=3)] == [3, 4, 5]
    assert [e.seq for e in await store.timeline(conversation, after=6)] == [7, 8]
    with pytest.raises(NotFound):
        await store.timeline("c000")


async def test_files_are_known_by_their_digest(store: Store) -> None:
    picture = Attachment(name="lift.png", type="image/png", size=3, digest="ab" * 32, state="kept")
    conversation = await fill(store, message(1, attachments=(picture,)))
    assert (await store.timeline(conversation))[0].attachments == (picture,)
    assert await store.blobs_of(conversation) == ("ab" * 32,)
    assert await store.blob_in_use("ab" * 32)
    assert not await store.blob_in_use("cd" * 32)


async def test_nothing_is_nothing(store: Store) -> None:
    assert await store.append([], received_at=START) == ()


async def test_a_reply_window_ends_with_the_last_message_that_opens_one(store: Store) -> None:
    first, later = START + timedelta(hours=24), START + timedelta(hours=30)
    conversation = await fill(store, message(1))
    assert (await store.conversation(conversation)).window_closes_at is None
    await fill(store, message(2, replies_until=later))
    await fill(store, message(3, replies_until=first), message(4))
    assert (await store.conversation(conversation)).window_closes_at == later
    other = await fill(store, message(5, thread="t2", replies_until=first))
    assert (await store.conversation(other)).window_closes_at == first
