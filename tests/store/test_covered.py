"""Identity and card numbers: covered wherever a line is shown, whole in the original alone."""

from __future__ import annotations

import pytest

from gateway.store.base import Entry, NotFound, Store
from gateway.store.journal import verify
from tests.store.scene import START, fill, line, message, record, settle

CARD = "4111 1111 1111 1111"
COVERED = "**** **** **** 1111"


async def test_lines_and_lists_are_covered(store: Store) -> None:
    conversation = await fill(store, message(1, text=f"my card is {CARD}"), message(2, text="hello"))
    first, second = await store.timeline(conversation)
    assert (first.text, first.covered) == (f"my card is {COVERED}", True)
    assert (second.text, second.covered) == ("hello", False)
    await fill(store, message(3, text=f"again: {CARD}"))
    (listed,) = (await store.conversations("all")).items
    assert listed.last_text == f"again: {COVERED}"
    assert not (await store.search(CARD)).items
    assert not (await store.search("4111")).items


async def test_a_number_at_the_edge_of_the_list_is_known(store: Store) -> None:
    await fill(store, message(1, text="x" * 190 + f" {CARD}"))
    (listed,) = (await store.conversations("all")).items
    assert "4111" not in listed.last_text


async def test_the_rules_get_the_original(store: Store) -> None:
    await fill(store, message(1, text=CARD))
    batch = await store.claim_work(1)
    assert batch.work[0].items[0].message.text == CARD
    await batch.release()
    (row,) = (await store.inbox()).items
    assert (await store.inbox_message(row.id)).text == CARD


async def test_a_note_is_covered_when_it_is_written(store: Store) -> None:
    conversation = await fill(store, message(1))
    await store.note(conversation, Entry(seq=0, kind="note", at=START, text=f"told {CARD}", author="agent-1"))
    assert (await store.timeline(conversation))[-1].text == f"told {COVERED}"


async def test_who_looks_is_written_down(store: Store) -> None:
    conversation = await fill(store, message(1, text=CARD))
    await settle(store, record=record("A-1", conversation))
    looked = line("A-1", "revealed", line=1)
    assert await store.original(conversation, 1, looked) == CARD
    assert [one.what for one in await store.journal("A-1")][-1] == "revealed"
    assert not verify(await store.journal("A-1"))
    with pytest.raises(NotFound):
        await store.original(conversation, 9, looked)
    assert [one.what for one in await store.journal("A-1")].count("revealed") == 1
