"""NUL, which platforms and customers can send: nothing is lost, nothing is mixed up, and everything else goes on."""

from __future__ import annotations

from datetime import timedelta

from channels.base import Attachment, Memo, Sender
from gateway.store.base import Agent, Entry, SendResult, Store
from tests.store.scene import START, Clock, fill, line, message, notice, outcome, record, send

#: Each differs from the next by a NUL or by what might stand for one.
ALIKE = ("a\x00b", "ab", "a\ufffdb", "a\ufdd00b", "a\ufdd01b", "a\ufdd0b")


async def test_messages_keep_every_character(store: Store) -> None:
    sender = Sender(id="ann\x00", name="Ann\x00Lee", email="a\x00@example.org", phone="+1\x00")
    said = message("1\x00", second=1, thread="t\x00", sender=sender, text="broken\x00lift", raw=b"\x00raw\x00")
    conversation = await fill(store, said)
    (entry,) = await store.timeline(conversation)
    assert (entry.text, entry.external_id, entry.key) == ("broken\x00lift", "1\x00", "webchat/main/1\x00")
    (row,) = (await store.inbox()).items
    assert row.external_id == "1\x00"
    assert await store.inbox_message(row.id) == said
    assert (await store.conversation(conversation)).thread == "t\x00"
    (work,) = (await store.claim_work(1)).work
    assert work.items[0].message.text == "broken\x00lift"
    assert (work.items[0].key, work.conversation.sender) == ("webchat/main/1\x00", "ann\x00")
    (listed,) = (await store.conversations("all")).items
    assert listed.conversation.sender == "ann\x00"
    assert await store.find_person("ann\x00") == (conversation,)


async def test_ids_that_are_alike_are_different_messages(store: Store) -> None:
    told = await store.append([message(id, second=n) for n, id in enumerate(ALIKE)], received_at=START)
    assert [(a.seq, a.duplicate) for a in told] == [(n, False) for n in range(1, 1 + len(ALIKE))]
    again = await store.append([message(id, second=n) for n, id in enumerate(ALIKE)], received_at=START)
    assert [(a.seq, a.duplicate) for a in again] == [(n, True) for n in range(1, 1 + len(ALIKE))]
    assert [e.external_id for e in await store.timeline(told[0].conversation)] == list(ALIKE)
    edit = message("e", second=9, kind="edit", refers_to=ALIKE[0])
    assert await fill(store, edit) == told[0].conversation
    assert (await store.timeline(told[0].conversation))[-1].refers_to == 1


async def test_threads_that_are_alike_are_different_conversations(store: Store) -> None:
    ids = [await fill(store, message(n, thread=f"t{alike}")) for n, alike in enumerate(ALIKE)]
    assert len(set(ids)) == len(ALIKE)
    assert [(await store.conversation(id)).thread for id in ids] == [f"t{alike}" for alike in ALIKE]


async def test_cursors_and_memos_come_back_as_they_were(store: Store) -> None:
    memos = [Memo(key=alike, value=f"of {alike}") for alike in ALIKE]
    await store.append([], received_at=START, cursor=("email", "main", "c\x00"), memos=("webchat", memos))
    assert await store.cursor("email", "main") == "c\x00"
    assert await store.recall("webchat", ALIKE) == {alike: f"of {alike}" for alike in ALIKE}


async def test_what_is_said_fails_and_is_written_down(store: Store, clock: Clock) -> None:
    conversation = await fill(store, message(1))
    batch = await store.claim_work(1)
    (work,) = batch.work
    done = outcome(
        work,
        record=record("A-1", conversation),
        sends=tuple(send(f"r{alike}", conversation, lane=f"l{alike}") for alike in ALIKE),
        notices=(notice("opened"),),
        journal=(line("A-1", "opened", quote="a\x00b"),),
        identity="webchat/main/ann\x00",
    )
    assert list(await batch.settle([done])) == [None]
    rows = await store.claim_sends(99, clock.turn(minutes=1))
    assert sorted(r.key for r in rows) == sorted(f"r{alike}" for alike in ALIKE)
    said = Entry(seq=0, kind="outbound", at=START, text="sorry\x00", author="bot")
    results = [SendResult(id=r.id, state="sent", entry=said) for r in rows[:-1]]
    await store.settle_sends([*results, SendResult(id=rows[-1].id, state="dead", error="no\x00way")])
    for row in rows:
        found = await store.find_send(row.destination, key=row.key)
        assert found is not None
        assert found.id == row.id
    assert [e.text for e in await store.timeline(conversation) if e.kind == "outbound"] == ["sorry\x00"] * len(results)
    assert (await store.journal("A-1"))[0].body["quote"] == "a\x00b"
    assert (await store.contact(conversation)).identity == "webchat/main/ann\x00"


async def test_errors_files_and_people(store: Store) -> None:
    file = Attachment(name="a\x00.png", state="pending", url="https://files.test/a\x00")
    await fill(store, message(1, attachments=(file,)))
    (wanted,) = await store.files_to_fetch(9, START + timedelta(days=1))
    await store.file_tried(wanted.inbox_id, wanted.place, "bad\x00host", START + timedelta(days=1))
    batch = await store.claim_work(1)
    (work,) = batch.work
    await batch.fail(work.conversation.id, work.items[0].inbox_id, "cannot\x00read", give_up=True)
    (row,) = (await store.inbox()).items
    assert row.error.startswith("cannot")
    id = await store.quarantine(
        "webchat", "main", b"\x00", "bad\x00json", headers={"a": "b\x00"}, tail="x\x00", at=START
    )
    kept = await store.quarantined_one(id)
    assert (kept.raw, kept.headers, kept.tail) == (b"\x00", {"a": "b\x00"}, "x\x00")
    await store.put_agent(Agent(id="ann", login="ann\x00", name="Ann\x00", role="agent"))
    assert [a.login for a in await store.agents()] == ["ann\x00"]
    assert (await store.search("broken\x00")).items == ()
