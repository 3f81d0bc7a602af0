"""Two nodes do the same thing at the same moment: it is done once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from channels.base import Attachment, Memo, Sender
from gateway.store.base import (
    CODES_PER_HOUR,
    Conflict,
    Instead,
    Joined,
    Keep,
    NewCode,
    NewProof,
    SendResult,
    StoreError,
)
from gateway.store.postgres import PostgresStore
from tests.store.scene import START, Clock, Home, fill, line, message, outcome, record, send
from transcription.base import Transcript

Nodes = tuple[PostgresStore, PostgresStore]
ANN, MAIL = "webchat/main/ann", "email:ann@example.org"
HEARD = Transcript(recording="00" * 32, language="en", model="m", duration=1.0, segments=())


@pytest.fixture(params=range(3))
def nth(request: pytest.FixtureRequest) -> int:
    """A race is run more than once."""
    return int(request.param)


async def test_two_nodes_prove_the_same_identity(nodes: Nodes, nth: int) -> None:
    first, second = nodes
    await fill(first, message(1, thread="t1"), message(2, thread="t2"))
    proof = NewProof(one=ANN, other=MAIL, how="verified", at=START, by="email/main")
    one, other = await first.claim_work(1), await second.claim_work(1)
    assert len(one.work) == len(other.work) == 1
    told = await asyncio.gather(
        *(b.settle([outcome(w, identity=ANN, proofs=(proof,)) for w in b.work]) for b in (one, other))
    )
    assert [list(errors) for errors in told] == [[None], [None]]
    contact = await first.contact(one.work[0].conversation.id)
    assert [address for address, _ in contact.addresses] == [MAIL]
    assert [len(because) for _, because in contact.addresses] == [1]
    assert [alias.conversation.id for alias in contact.aliases] == [other.work[0].conversation.id]


async def case(store: PostgresStore, n: int = 1) -> str:
    """A conversation with an open case N-1; its id."""
    id = await fill(store, message(n))
    batch = await store.claim_work(1)
    made = outcome(batch.work[0], record=record("N-1", id), journal=(line("N-1"),), identity=ANN)
    assert list(await batch.settle([made])) == [None]
    await batch.release()
    return id


async def test_two_nodes_join_the_same_case(nodes: Nodes, nth: int) -> None:
    first, second = nodes
    id = await case(first)
    other = Joined(channel="email", account="main", thread="mail", sender="ann@example.org")
    joined = await asyncio.gather(
        *(
            store.join("N-1", other, [send("receipt", id, destination="channel:email/main")], at=START)
            for store in nodes
        )
    )
    assert len(set(joined)) == 1
    assert (await second.conversation(joined[0])).number == "N-1"
    assert [row.key for row in (await first.outbox()).items] == ["receipt"]
    assert [entry.notice for entry in await first.timeline(id) if entry.kind == "notice"] == ["linked"]


async def test_what_could_not_be_said_goes_one_other_way(nodes: Nodes, clock: Clock, nth: int) -> None:
    first, _ = nodes
    id = await case(first)
    before = await first.conversation(id)
    await first.say(id, before.fence, [send("answer", id, fence=before.fence)])
    (row,) = await first.claim_sends(1, clock.now)
    await first.settle_sends([SendResult(id=row.id, state="dead", error="gone")])
    other = Joined(channel="email", account="main", thread="mail", sender="ann@example.org")
    instead = Instead(send=row.id, why="the number is no more")
    await asyncio.gather(
        *(store.join("N-1", other, [send("said there", id)], at=START, instead=instead) for store in nodes)
    )
    assert sorted(r.key for r in (await first.outbox()).items) == ["answer", "said there"]
    assert [entry.notice for entry in await first.timeline(id) if entry.kind == "notice"] == ["rerouted"]


async def with_recordings(store: PostgresStore, many: int) -> int:
    """A message that waits for its recordings; its inbox id."""
    files = tuple(Attachment(type="audio/ogg", size=9, digest=f"{n:02d}" * 32) for n in range(many))
    await fill(store, message(1, attachments=files))
    batch = await store.claim_work(1)
    (item,) = batch.work[0].items
    places = [(n, file.digest) for n, file in enumerate(files)]
    await batch.wait(batch.work[0].conversation.id, item.inbox_id, places)
    await batch.release()
    return item.inbox_id


async def test_the_last_two_recordings_of_a_message_are_heard_at_once(nodes: Nodes, nth: int) -> None:
    """Each node sees the other's: or both think that one is still to be heard, and nobody works on the message."""
    first, second = nodes
    inbox_id = await with_recordings(first, 2)
    await asyncio.gather(
        first.settle_recording(inbox_id, 0, "heard", transcript=HEARD),
        second.settle_recording(inbox_id, 1, "heard", transcript=HEARD),
    )
    batch = await first.claim_work(1)
    assert [len(item.recordings) for work in batch.work for item in work.items] == [2]
    await batch.release()


async def test_two_nodes_settle_the_same_recording(nodes: Nodes, nth: int) -> None:
    first, second = nodes
    inbox_id = await with_recordings(first, 1)
    await asyncio.gather(
        first.settle_recording(inbox_id, 0, "heard", transcript=HEARD),
        second.settle_recording(inbox_id, 0, "failed", error="too noisy"),
    )
    batch = await first.claim_work(1)
    ((recording,),) = (item.recordings for item in batch.work[0].items)
    assert (recording.state == "heard") == (recording.error == "")
    assert (recording.state == "heard") == (recording.transcript == HEARD)
    await batch.release()


async def test_a_file_comes_while_its_person_is_erased(nodes: Nodes, clock: Clock, nth: int) -> None:
    first, second = nodes
    file = Attachment(type="image/png", size=9, state="pending", url="https://example.org/a")
    id = await fill(first, message(1, attachments=(file,)))
    (to_fetch,) = await first.files_to_fetch(1, clock.turn(seconds=1))
    here = Attachment(type="image/png", size=9, digest="ab" * 32)
    await asyncio.gather(
        first.file_fetched(to_fetch.inbox_id, to_fetch.place, here), second.erase(id, at=START, by="operator")
    )
    assert await first.blobs_of(id) == ()
    assert [f.digest for f in (await first.inbox_message(to_fetch.inbox_id)).attachments] == [""]


async def test_a_copy_is_made_while_its_person_is_erased(nodes: Nodes, nth: int) -> None:
    first, second = nodes
    inbox_id = await with_recordings(first, 1)
    await first.settle_recording(inbox_id, 0, "heard", transcript=HEARD)
    (line_,) = (await first.conversations("all")).items
    await asyncio.gather(
        first.settle_copy("00" * 32, "cd" * 32), second.erase(line_.conversation.id, at=START, by="operator")
    )
    assert not await first.blob_in_use("cd" * 32)


async def test_somebody_writes_while_they_are_erased(nodes: Nodes, nth: int) -> None:
    """The new message is erased with the rest, or it comes to a conversation that begins anew; never half of each."""
    first, second = nodes
    id = await fill(first, message(1))
    await asyncio.gather(
        *(first.append([message(n, text="new words")], received_at=START) for n in range(2, 6)),
        second.erase(id, at=START, by="operator"),
    )
    texts = [entry.text for entry in await first.timeline(id)]
    sender = (await first.conversation(id)).sender
    assert texts[0] == ""
    assert len(texts) == 5
    assert (texts[-1] == "new words") is bool(sender)
    open_rows = {row.seq for row in (await first.inbox()).items if row.state == "open"}
    assert open_rows == {entry.seq for entry in await first.timeline(id) if entry.text}


async def test_who_writes_while_the_old_are_forgotten_is_not(nodes: Nodes, clock: Clock, nth: int) -> None:
    first, second = nodes
    ids = [await case_closed(first, n) for n in range(8)]
    later = START.replace(year=2030)
    await asyncio.gather(
        second.tidy(later, Keep(years=1)),
        *(
            first.append([message(100 + n, thread=f"t{n}", at=later, text="again")], received_at=later)
            for n in range(8)
        ),
    )
    for id in ids:
        assert (await first.timeline(id))[-1].text == "again"
        assert (await first.conversation(id)).sender


async def case_closed(store: PostgresStore, n: int) -> str:
    id = await fill(store, message(n, thread=f"t{n}"))
    batch = await store.claim_work(1)
    made = outcome(batch.work[0], record=record(f"N-{n}", id, status="closed"), journal=(line(f"N-{n}"),))
    assert list(await batch.settle([made])) == [None]
    await batch.release()
    return id


async def test_no_more_codes_than_allowed_from_all_nodes(nodes: Nodes, nth: int) -> None:
    ids = [await fill(nodes[0], message(n, thread=f"t{n}")) for n in range(8)]
    codes = [
        NewCode(
            id=f"k{n}",
            conversation=id,
            identity=f"webchat/main/{n}",
            address=MAIL,
            by="webchat/main",
            at=START + timedelta(seconds=n),
            expires_at=START + timedelta(hours=1),
        )
        for n, id in enumerate(ids)
    ]
    told = await asyncio.gather(
        *(nodes[n % 2].put_code(code, [send(code.id, code.conversation)]) for n, code in enumerate(codes)),
        return_exceptions=True,
    )
    assert sum(error is None for error in told) == CODES_PER_HOUR
    assert all(error is None or isinstance(error, Conflict) for error in told)
    assert len((await nodes[0].outbox()).items) == CODES_PER_HOUR


async def test_memos_in_any_order(nodes: Nodes, nth: int) -> None:
    memos = [Memo(key=f"key {n}", value=str(n)) for n in range(50)]
    await asyncio.gather(*(nodes[n % 2].remember("email", memos if n % 4 < 2 else memos[::-1]) for n in range(12)))
    assert await nodes[0].recall("email", ["key 7", "key 8"]) == {"key 7": "7", "key 8": "8"}


async def test_a_proof_is_undone_once(nodes: Nodes, nth: int) -> None:
    id = await case(nodes[0])
    await fill(nodes[0], message(2))
    proof = NewProof(one=ANN, other=MAIL, how="verified", at=START, by="email/main")
    batch = await nodes[0].claim_work(1)
    await batch.settle([outcome(w, proofs=(proof,)) for w in batch.work])
    await batch.release()
    ((_, (stands,)),) = (await nodes[0].contact(id)).addresses
    told = await asyncio.gather(
        *(store.undo_proof(stands.n, at=START, by="agent", journal=line("N-1", "undone")) for store in nodes),
        return_exceptions=True,
    )
    assert sum(isinstance(t, StoreError) for t in told) == 1
    assert [entry.what for entry in await nodes[0].journal("N-1")] == ["opened", "undone"]


async def test_strings_with_nul_come_back(nodes: Nodes, home: Home) -> None:
    """TEXT cannot hold them."""
    first, _ = nodes
    sender = Sender(id="a\x00nn", name="A\x00nn", email="a\x00@example.org", verified=True)
    id = await fill(first, message(1, sender=sender))
    batch = await first.claim_work(1)
    who = "webchat/main/a\x00nn"
    proof = NewProof(one=who, other="email:a\x00@example.org", how="verified", at=START, by="web\x00chat")
    errors = await batch.settle([outcome(w, identity=who, proofs=(proof,)) for w in batch.work])
    assert list(errors) == [None]
    contact = await first.contact(id)
    assert contact.identity == who
    assert contact.addresses[0][0] == "email:a\x00@example.org"
    assert [c.id for c in await first.conversations_of("email:a\x00@example.org")] == [id]
    await first.remember("email", [Memo(key="k\x00", value="v\x00", about="a\x00")])
    assert await first.recall("email", ["k\x00"]) == {"k\x00": "v\x00"}
    await first.erase(id, at=START, by="op\x00erator")
    assert not home.holds("example.org")
