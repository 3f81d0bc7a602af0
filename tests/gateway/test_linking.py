"""The same person again, and many at once: found after the answer, told to everybody, undone by a person."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.desk import actions, people
from gateway.linking import Linking
from gateway.store.base import StoreUnavailable
from normalizer.record import ComplaintRecord

BROKEN = "My order 20261102003317 arrived broken, the blender is cracked. I am really unhappy with this."
OUTAGE = (
    "断网两小时了，上不了网，太差劲了", "家里断网了，一直上不了网，太差劲", "网络断了，断网上不了网", "小区断网，上不了网，什么破网", "断网！上不了网！太差了",
)  # fmt: skip


async def case_of(town: Any, conversation: str) -> ComplaintRecord:
    found = await town.gateway.store.conversation(conversation)
    record: ComplaintRecord = await town.gateway.store.record(found.number)
    return record


async def link(town: Any) -> Linking:
    linking = Linking(town.gateway)
    while await linking.step():
        pass
    return linking


@pytest.fixture
async def twice(town: Any) -> tuple[ComplaintRecord, str]:
    """A case that was closed, and the same matter of the same customer by another channel's thread."""
    first = await town.write(BROKEN, thread="t", email="ann@example.org")
    record = await case_of(town, first)
    town.clock.go(days=2)
    second = await town.write(
        "Still nothing about order 20261102003317, still broken!", thread="u", email="ann@example.org"
    )
    return record, second


async def test_a_repeat_is_linked_with_its_reasons(town: Any, twice: Any) -> None:
    first, second = twice
    await link(town)
    await town.outbox.drain()
    standing = (await case_of(town, second)).standing
    assert (standing.repeat_of, standing.repeats) == (first.number, 1)
    assert standing.repeat_because == ("same customer", "same number 20261102003317")
    number = (await case_of(town, second)).number
    (line,) = [line for line in await town.gateway.store.journal(number) if line.what == "linked_repeat"]
    assert (line.body["to"], line.body["because"]) == (
        first.number,
        ["same customer", "same number 20261102003317"],
    )
    assert [e for e in town.events() if e["data"]["standing"].get("repeat_of") == first.number]


async def test_looking_again_changes_nothing(town: Any, twice: Any) -> None:
    _, second = twice
    await link(town)
    before = await case_of(town, second)
    await link(town)
    await town.gateway.store.looked_at([])
    assert await case_of(town, second) == before
    assert not await town.gateway.store.records_to_link(10)


async def test_what_could_not_be_written_is_found_again(town: Any, twice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = twice

    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full")

    linking = Linking(town.gateway)
    with monkeypatch.context() as patch:
        patch.setattr(town.gateway.store, "amend", full)
        with pytest.raises(StoreUnavailable):
            await linking.step()
    await linking.step()
    assert (await case_of(town, second)).standing.repeat_of == first.number


async def test_a_person_takes_it_away_for_good(town: Any, twice: Any) -> None:
    _, second = twice
    await link(town)
    agent = await people.add_agent(town.gateway, login="mei", name="Mei", role="agent", password="")
    await actions.unlink(town.gateway, agent, second, "repeat")
    with pytest.raises(actions.DeskError):
        await actions.unlink(town.gateway, agent, second, "repeat")
    await town.write("And order 20261102003318 too, also broken", thread="u", email="ann@example.org")
    await link(town)
    standing = (await case_of(town, second)).standing
    assert (standing.repeat_of, standing.repeats, standing.unlinked) == ("", 0, ("repeat",))


async def test_many_at_once_are_an_incident_and_it_outlives_a_restart(town: Any) -> None:
    conversations = []
    for n, text in enumerate(OUTAGE[:4]):
        conversations.append(await town.write(text, thread=f"p{n}"))
        town.clock.go(minutes=5)
    await link(town)
    assert not any([(await case_of(town, c)).standing.incident for c in conversations])
    conversations.append(await town.write(OUTAGE[4], thread="p4"))
    await link(town)
    cases = [await case_of(town, c) for c in conversations]
    assert {case.standing.incident for case in cases} == {f"I-{cases[0].number}"}
    assert cases[0].standing.incident_because[0] == "5 customers"
    agent = await people.add_agent(town.gateway, login="mei", name="Mei", role="agent", password="")
    await actions.unlink(town.gateway, agent, conversations[1], "incident")
    conversations.append(await town.write(OUTAGE[0], thread="p5"))
    await link(town)
    assert (await case_of(town, conversations[5])).standing.incident == f"I-{cases[0].number}"
    assert (await case_of(town, conversations[1])).standing.incident == ""


async def test_questions_are_not_linked(town: Any) -> None:
    for _ in range(2):
        conversation = await town.write("How long does delivery take?")
    await link(town)
    assert (await case_of(town, conversation)).standing.repeat_of == ""
