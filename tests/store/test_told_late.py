"""What a platform tells of a row after the attempt: what was in doubt is settled, what was sent may fail, nothing else moves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.store.base import NotFound, Send, SendResult, Store
from tests.store.scene import Clock, fill, message, send, sent, settle

HERE = "channel:whatsapp/main"


async def one(store: Store, clock: Clock, *keys: str) -> Send:
    """The first of some rows, on its way."""
    conversation = await fill(store, message(keys[0], second=1))
    await settle(store, sends=tuple(replace(send(k, conversation), destination=HERE) for k in keys))
    (row,) = await store.claim_sends(10, clock.now)
    return row


async def state(store: Store, key: str) -> str:
    row = await store.find_send(HERE, key=key)
    assert row is not None
    return row.state


@pytest.mark.parametrize("doubt", ["sending", "waiting", "unknown"])
async def test_what_was_in_doubt_is_found_to_be_sent(store: Store, clock: Clock, doubt: str) -> None:
    row = await one(store, clock, "a", "b")
    if doubt != "sending":
        later = clock.now + timedelta(hours=1)
        await store.settle_sends([SendResult(id=row.id, state=doubt, next_at=later)])  # type: ignore[arg-type]
    assert await store.settle_late(replace(sent(row, "hello"), external_ids=("w1",)))
    assert await state(store, "a") == "sent"
    assert [e.text for e in await store.timeline(row.conversation) if e.kind == "outbound"] == ["hello"]
    assert not await store.settle_late(sent(row, "hello"))
    await store.settle_sends([SendResult(id=row.id, state="unknown")])  # the attempt ends after all
    assert await state(store, "a") == "sent"
    assert [r.key for r in await store.claim_sends(10, clock.now)] == ["b"]


async def test_what_waits_for_its_first_attempt_is_not_sent(store: Store, clock: Clock) -> None:
    await one(store, clock, "a", "b")
    second = await store.find_send(HERE, key="b")
    assert second is not None
    assert not await store.settle_late(sent(second, "no"))
    assert await state(store, "b") == "waiting"


async def test_what_was_sent_may_fail_afterwards(store: Store, clock: Clock) -> None:
    row = await one(store, clock, "a")
    await store.settle_sends([replace(sent(row, "hello"), external_ids=("w1",))])
    other = SendResult(id=row.id, state="dead", error="of an earlier attempt", external_ids=("w0",))
    assert not await store.settle_late(other)
    assert await store.settle_late(replace(other, error="131026", external_ids=("w1",)))
    assert await state(store, "a") == "dead"
    assert not await store.settle_late(sent(row, "late news of the sending"))
    (tally,) = await store.tally(since=clock.now - timedelta(days=1), until=clock.now + timedelta(days=1))
    assert (tally.delivered, tally.dead) == (0, 1)


async def test_a_row_is_found_by_its_key_or_by_the_platforms_id(store: Store, clock: Clock) -> None:
    row = await one(store, clock, "a")
    await store.settle_sends([replace(sent(row, "hello"), external_ids=("w1",))])
    for asked in ({"key": "a"}, {"conversation": row.conversation, "external_id": "w1"}):
        found = await store.find_send(HERE, **asked)
        assert found is not None
        assert found.id == row.id
    assert await store.find_send("channel:whatsapp/other", key="a") is None
    assert await store.find_send(HERE, key="z", conversation=row.conversation, external_id="w2") is None
    assert await store.find_send(HERE, conversation="another", external_id="w1") is None
    with pytest.raises(NotFound):
        await store.settle_late(SendResult(id=999, state="sent"))
