"""A doubtful number at the desk: whoever listens says what it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from normalizer.record import Evidence, Found

DOUBT: Found[str] = Found(
    value="47…1",
    evidence=(Evidence(message="r" * 64, rule="doubt.order_numbers", from_second=4.0, to_second=6.0, confidence=0.3),),
)


async def doubtful(house: Any) -> str:
    conversation: str = await house.heard("My parcel is late and I want a refund. Let me talk to a human.")
    store = house.gateway.store
    record = await store.record((await store.conversation(conversation)).number)
    what = msgspec.structs.replace(record.what, doubts=(DOUBT,))
    record = msgspec.structs.replace(record, what=what, revision=record.revision + 1)
    await store.amend(conversation, None, record, status="")
    return conversation


@pytest.mark.parametrize(("value", "numbers"), [("47 31", ["47 31"]), ("", [])])
async def test_it_is_settled_and_the_journal_says_who(house: Any, value: str, numbers: list[str]) -> None:
    conversation = await doubtful(house)
    mei = await house.enter("mei")
    assert (await mei.act(conversation, "settle_doubt", doubt="47…1", value=value))[0] == 200
    record = await house.gateway.store.record((await house.gateway.store.conversation(conversation)).number)
    assert [found.value for found in record.what.order_numbers] == numbers
    assert record.what.doubts == ()
    line = (await house.gateway.store.journal(record.number))[-1]
    assert (line.what, line.body["heard"], line.body["value"]) == ("corrected", "47…1", value)
    assert (await mei.act(conversation, "settle_doubt", doubt="47…1", value=value))[0] == 409


@pytest.mark.parametrize("value", ["4111111111111111", "a\nb", "x" * 201])
async def test_what_is_no_such_number_is_refused(house: Any, value: str) -> None:
    conversation = await doubtful(house)
    mei = await house.enter("mei")
    assert (await mei.act(conversation, "settle_doubt", doubt="47…1", value=value))[0] in (409, 422)
    record = await house.gateway.store.record((await house.gateway.store.conversation(conversation)).number)
    assert record.what.doubts == (DOUBT,)
