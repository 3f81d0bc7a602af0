"""A card and an identity number in a message: who sees them, all the way from the door to the ticket system."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway import bundle, operations

RESIDENT, PLAIN = "110101199003070011", "4111111111111111"
TEXT = f"I was charged twice on card {PLAIN}, my id is {RESIDENT}. My name is Ann. I want a refund, let me talk to a human."


def numbers(shown: Any) -> list[str]:
    """The guarded numbers that stand in something shown."""
    text = msgspec.json.encode(shown).decode() if not isinstance(shown, str) else shown
    return [number for number in (PLAIN, RESIDENT) if number in text]


@pytest.fixture
async def told(house: Any) -> str:
    return str(await house.heard(TEXT))


async def test_nobody_is_shown_them(house: Any, told: str) -> None:
    mei = await house.enter("mei")
    status, body = await mei.get(f"conversations/{told}")
    assert status == 200
    assert body["entries"][0]["covered"] is True
    assert body["entries"][0]["text"].endswith("let me talk to a human.")
    assert not numbers(body)
    for view in ("conversations?view=waiting", "conversations?q=charged", "conversations?q=Ann"):
        status, listed = await mei.get(view)
        assert status == 200
        assert len(listed["items"]) == 1
        assert not numbers(listed)
    assert not (await mei.get(f"conversations?q={PLAIN}"))[1]["items"]


async def test_nor_are_they_passed_on(house: Any, told: str) -> None:
    gateway = house.gateway
    record = await gateway.store.record((await gateway.store.conversation(told)).number)
    assert not numbers(msgspec.to_builtins(record))
    assert "************1111" in record.what.summary
    assert not numbers(await bundle.make(gateway, record.number))
    assert not numbers([msgspec.json.decode(trace) for trace in await gateway.store.traces(told)])
    sends = (await gateway.store.outbox()).items
    assert sends
    assert not numbers([msgspec.json.decode(send.body) for send in sends])
    (row,) = await operations.inbox_list(gateway, {})
    assert not numbers(await operations.inbox_show(gateway, {"ids": [row["id"]]}))


async def test_evidence_still_points_to_its_place(house: Any, told: str) -> None:
    gateway = house.gateway
    record = await gateway.store.record((await gateway.store.conversation(told)).number)
    (demand, *_) = record.what.demands
    (line, *_) = await gateway.store.timeline(told)
    for evidence in demand.evidence:
        assert line.text[evidence.start : evidence.end] == evidence.quote


async def test_a_lead_may_look_and_the_journal_says_so(house: Any, told: str) -> None:
    mei, lena = await house.enter("mei"), await house.enter("lena", "lead")
    assert (await mei.act(told, "original", seq=1))[0] == 403
    status, body = await lena.act(told, "original", seq=1)
    assert (status, body["text"]) == (200, TEXT)
    number = (await house.gateway.store.conversation(told)).number
    looks = [line for line in await house.gateway.store.journal(number) if line.what == "revealed"]
    assert [(line.by, dict(line.body)) for line in looks] == [((await _id(lena)), {"line": 1})]
    assert (await lena.act(told, "original", seq=999))[0] == 404


async def _id(browser: Any) -> str:
    return str((await browser.get("me"))[1]["agent"]["id"])


async def test_what_an_agent_types_is_covered_in_the_timeline(house: Any, told: str) -> None:
    mei = await house.enter("mei")
    await mei.act(told, "note", key="key-00000001", text=f"the card is {PLAIN}")
    assert not numbers((await mei.get(f"conversations/{told}"))[1])


async def test_the_log_has_none_of_it(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await house.heard(TEXT, thread="t2")
    assert not numbers(caplog.text)
