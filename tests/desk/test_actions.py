"""One owner at a time, and nothing that a person says is lost or said twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from channels.base import Limits, Outbound, Receipt, Refused, Tools
from gateway.context import Gateway
from gateway.desk import actions, people
from gateway.desk.leases import Leases
from gateway.flow import Flow
from gateway.outbox import Outbox
from gateway.store.base import BOT, NOBODY, Stale
from gateway.turns import Turns

Writes = Callable[..., Awaitable[Any]]
KEY = "key-00000001"


class Blocked:
    """A channel whose customer takes nothing more from us."""

    name, limits, idempotent = "webchat", Limits(text=1000), True

    def __init__(self, account: str, settings: Any) -> None:
        self.account = account

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        raise Refused("the customer has blocked this account")


async def _fence(browser: Any, conversation: str) -> int:
    return int((await browser.get(f"conversations/{conversation}"))[1]["conversation"]["fence"])


# --- who has it ---------------------------------------------------------------------------------------


async def test_two_agents_claim_at_once_and_one_gets_it(house: Any) -> None:
    conversation = await house.heard()
    mei, bob = await house.enter("mei"), await house.enter("bob")
    answers = await asyncio.gather(mei.act(conversation, "claim"), bob.act(conversation, "claim"))
    assert sorted(status for status, _ in answers) == [200, 409]
    winner = "Mei" if answers[0][0] == 200 else "Bob"
    lost = next(body for status, body in answers if status == 409)
    assert (lost["code"], lost["by"]) == ("taken", winner)
    assert winner in lost["detail"]


async def test_two_agents_answer_at_once_and_one_is_heard(house: Any) -> None:
    """A lead takes it over while the agent answers: whoever is the owner then is heard, the other is told."""
    conversation = await house.heard()
    mei, lead = await house.enter("mei"), await house.enter("lena", "lead")
    await mei.act(conversation, "claim")
    old = await _fence(mei, conversation)
    before = await house.said(conversation)
    assert (await lead.act(conversation, "claim", force=True))[0] == 200
    new = await _fence(lead, conversation)
    answers = await asyncio.gather(
        mei.act(conversation, "reply", fence=old, key="mei-00000001", text="From Mei"),
        lead.act(conversation, "reply", fence=new, key="lena-0000001", text="From Lena"),
    )
    assert [status for status, _ in answers] == [409, 200]
    assert (answers[0][1]["code"], answers[0][1]["by"]) == ("taken", "Lena")

    async def arrived() -> bool:
        return bool(await house.said(conversation) == [*before, "From Lena"])

    await house.until(arrived)


async def test_knowing_the_fence_does_not_make_an_owner(house: Any) -> None:
    conversation = await house.heard()
    mei, bob = await house.enter("mei"), await house.enter("bob")
    await mei.act(conversation, "claim")
    fence = await _fence(bob, conversation)
    for action, body in (
        ("reply", {"key": KEY, "text": "hello"}),
        ("hand_back", {"to": "bot"}),
        ("close", {"key": KEY, "disposition": "solved"}),
        ("touch", {}),
        ("typing", {}),
    ):
        status, problem = await bob.act(conversation, action, fence=fence, **body)
        assert (action, status, problem["code"]) == (action, 409, "taken")


async def test_only_leads_and_administrators_take_over(house: Any) -> None:
    conversation = await house.heard()
    mei, bob, lead = await house.enter("mei"), await house.enter("bob"), await house.enter("lena", "lead")
    await mei.act(conversation, "claim")
    assert (await bob.act(conversation, "claim", force=True))[1]["code"] == "forbidden"
    assert (await lead.act(conversation, "claim"))[1]["code"] == "taken"
    assert (await lead.act(conversation, "claim", force=True))[0] == 200
    assert (await mei.act(conversation, "touch", fence=1))[1]["by"] == "Lena"


async def test_lease_runs_out_and_a_colleague_takes_it(house: Any) -> None:
    conversation = await house.heard()
    mei, bob = await house.enter("mei"), await house.enter("bob")
    await mei.act(conversation, "claim")
    old = await _fence(mei, conversation)
    house.clock.go(minutes=house.gateway.config.desk.lease_minutes - 1)
    assert (await bob.act(conversation, "claim"))[0] == 409
    assert (await mei.act(conversation, "typing", fence=old))[0] == 200  # being at work keeps it
    house.clock.go(minutes=house.gateway.config.desk.lease_minutes - 1)
    assert (await bob.act(conversation, "claim"))[0] == 409
    house.clock.go(minutes=2)
    assert (await bob.act(conversation, "claim"))[0] == 200
    status, body = await mei.act(conversation, "reply", fence=old, key=KEY, text="too late")
    assert (status, body["by"]) == (409, "Bob")


async def test_forgotten_conversation_returns_to_the_queue(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    assert await Leases(house.gateway).step() == 0
    house.clock.go(minutes=house.gateway.config.desk.lease_minutes, seconds=1)
    assert await Leases(house.gateway).step() == 1
    waiting = (await mei.get("conversations?view=waiting"))[1]["items"]
    assert [line["id"] for line in waiting] == [conversation]
    data = (await mei.get(f"conversations/{conversation}"))[1]
    assert data["record"]["standing"]["owner"] == NOBODY
    assert data["journal"][-1]["what"] == "lease_ended"


async def test_claim_is_told_in_record_journal_and_timeline(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    data = (await mei.get(f"conversations/{conversation}"))[1]
    me = (await mei.get("me"))[1]["agent"]["id"]
    assert data["record"]["standing"]["owner"] == me
    assert [line["by"] for line in data["journal"] if line["what"] == "claimed"] == [me]
    assert [entry["author_name"] for entry in data["entries"] if entry.get("notice") == "joined"] == ["Mei"]


# --- the slow bot -------------------------------------------------------------------------------------


async def test_bot_reply_that_waits_is_not_sent_after_a_person_came(
    still: Gateway, writes: Writes, question: str
) -> None:
    (accepted,) = await writes(still, question)
    await Flow(still).step()
    waiting = await still.store.pending(accepted.conversation)
    assert [send.kind for send in waiting]
    agent = await people.add_agent(still, login="mei", name="Mei", role="agent")
    taken = await actions.claim(still, agent, accepted.conversation)
    await actions.reply(still, agent, accepted.conversation, fence=taken.fence, key=KEY, text="I am Mei.")
    await Outbox(still).drain()
    said = [e.text for e in await still.store.timeline(accepted.conversation) if e.kind == "outbound"]
    assert said == ["I am Mei."]
    superseded = (await still.store.outbox(state="superseded")).items
    assert {send.key for send in superseded} == {send.key for send in waiting}


async def test_bot_that_still_thinks_when_a_person_comes_says_nothing(
    still: Gateway, writes: Writes, question: str
) -> None:
    (accepted,) = await writes(still, question)
    batch = await still.store.claim_work(8)
    decided = Turns(still).decide(batch.work[0], still.clock())
    assert decided.outcome.sends
    agent = await people.add_agent(still, login="mei", name="Mei", role="agent")
    await actions.claim(still, agent, accepted.conversation)
    results = await batch.settle([decided.outcome])
    await batch.release()
    assert isinstance(results[0], Stale)
    await Flow(still).step()  # decided again, with a person as the owner
    await Outbox(still).drain()
    timeline = await still.store.timeline(accepted.conversation)
    assert [entry.kind for entry in timeline if entry.kind != "notice"] == ["inbound"]
    assert (await still.store.conversation(accepted.conversation)).owner == agent.id


async def test_accepted_reply_goes_out_even_when_the_lease_ends_first(
    still: Gateway, writes: Writes, complaint: str
) -> None:
    """The channel may be away for hours; a person's words are not dropped for that."""
    (accepted,) = await writes(still, complaint)
    await Flow(still).step()
    await Outbox(still).drain()
    agent = await people.add_agent(still, login="mei", name="Mei", role="agent")
    taken = await actions.claim(still, agent, accepted.conversation)
    await actions.reply(still, agent, accepted.conversation, fence=taken.fence, key=KEY, text="A refund is on its way.")
    await still.store.expire_leases(still.clock() + timedelta(hours=2))
    await Outbox(still).drain()
    said = [e.text for e in await still.store.timeline(accepted.conversation) if e.kind == "outbound"]
    assert said[-1] == "A refund is on its way."


# --- what is said -------------------------------------------------------------------------------------


async def test_double_click_and_retry_are_one_reply(house: Any) -> None:
    conversation = await house.heard()
    mei, lead = await house.enter("mei"), await house.enter("lena", "lead")
    await mei.act(conversation, "claim")
    fence = await _fence(mei, conversation)
    body = {"fence": fence, "key": KEY, "text": "Sorry about that."}
    answers = await asyncio.gather(*(mei.act(conversation, "reply", **body) for _ in range(4)))
    assert [status for status, _ in answers] == [200] * 4

    async def arrived() -> bool:
        return "Sorry about that." in await house.said(conversation)

    await house.until(arrived)
    await lead.act(conversation, "claim", force=True)
    # The first answer got lost on its way to the page: what was accepted stays accepted.
    assert (await mei.act(conversation, "reply", **body))[0] == 200
    assert (await house.said(conversation)).count("Sorry about that.") == 1


async def test_reply_moves_the_case_to_the_customer(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    await mei.act(conversation, "reply", fence=await _fence(mei, conversation), key=KEY, text="Which colour?")

    async def journaled() -> bool:
        data = (await mei.get(f"conversations/{conversation}"))[1]
        said = [line["body"].get("kind") for line in data["journal"] if line["what"] == "replied"]
        return data["record"]["standing"]["status"] == "waiting_customer" and "human" in said

    await house.until(journaled)


async def test_empty_and_endless_words_are_refused(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    fence = await _fence(mei, conversation)
    assert (await mei.act(conversation, "reply", fence=fence, key=KEY, text=" \n"))[1]["code"] == "empty"
    assert (await mei.act(conversation, "note", key=KEY, text=""))[1]["code"] == "empty"
    assert (await mei.act(conversation, "reply", fence=fence, key=KEY, text="x" * 100_001))[1]["code"] == "long"
    assert (await mei.act(conversation, "reply", fence=fence, key="../../x", text="x"))[0] == 422


async def test_note_is_for_colleagues_and_written_once(house: Any) -> None:
    conversation = await house.heard()
    mei, bob = await house.enter("mei"), await house.enter("bob")
    first = await mei.act(conversation, "note", key=KEY, text="VIP, be quick")
    again = await mei.act(conversation, "note", key=KEY, text="VIP, be quick")
    assert first == again
    entries = (await bob.get(f"conversations/{conversation}"))[1]["entries"]
    notes = [entry for entry in entries if entry["kind"] == "note"]
    assert [(n["text"], n["author_name"], n["visible"]) for n in notes] == [("VIP, be quick", "Mei", False)]
    seen = await house.gateway.store.timeline(conversation, visible_only=True)
    assert not any(entry.kind == "note" for entry in seen)


# --- where it goes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "owner", "view"), [("bot", BOT, "bot"), ("queue", NOBODY, "waiting")])
async def test_hand_back(house: Any, to: str, owner: str, view: str) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    fence = await _fence(mei, conversation)
    assert (await mei.act(conversation, "hand_back", fence=fence, to=to))[1]["owner"] == owner
    assert [line["id"] for line in (await mei.get(f"conversations?view={view}"))[1]["items"]] == [conversation]
    data = (await mei.get(f"conversations/{conversation}"))[1]
    assert data["record"]["standing"]["owner"] == owner
    assert data["journal"][-1]["what"] == "handed_back"
    status, body = await mei.act(conversation, "reply", fence=fence, key=KEY, text="one more thing")
    assert (status, body["owner"]) == (409, owner)


async def test_close_with_a_last_word_then_reopen(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    fence = await _fence(mei, conversation)
    await mei.act(conversation, "reply", fence=fence, key="first-000001", text="Refunded.")
    body = {"fence": fence, "key": KEY, "disposition": "solved", "outcome": "refund made", "message": "All the best!"}
    status, closed = await mei.act(conversation, "close", **body)
    assert (status, closed["status"], closed["owner"]) == (200, "resolved", BOT)

    async def arrived() -> bool:
        said = await house.said(conversation)
        # After the last word comes the question how satisfied the customer is.
        return bool(said[-3:-1] == ["Refunded.", "All the best!"] and "1" in said[-1])

    await house.until(arrived)
    record = await house.gateway.store.record(closed["number"])
    assert (record.standing.disposition, record.standing.outcome) == ("solved", "refund made")
    assert (await mei.act(conversation, "close", **body))[0] == 409
    assert (await mei.act(conversation, "reopen"))[0] == 200
    data = (await mei.get(f"conversations/{conversation}"))[1]
    assert data["record"]["standing"]["disposition"] == ""
    assert data["conversation"]["status"] == "waiting_agent"
    assert data["conversation"]["owner"] == (await mei.get("me"))[1]["agent"]["id"]
    whats = [line["what"] for line in data["journal"]]
    assert whats.index("closed") < whats.index("reopened")


async def test_close_needs_a_disposition(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    fence = await _fence(mei, conversation)
    assert (await mei.act(conversation, "close", fence=fence, key=KEY, disposition=""))[0] == 409
    assert (await mei.act(conversation, "close", fence=fence, key=KEY, disposition="because"))[0] == 422


async def test_correction_by_a_person_is_evidence_and_journal(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    assert (await mei.act(conversation, "correct", field="category", value="logistics/damaged"))[0] == 200
    assert (await mei.act(conversation, "correct", field="urgency", value="low"))[0] == 200
    assert (await mei.act(conversation, "correct", field="urgency", value="whenever"))[0] == 422
    assert (await mei.act(conversation, "correct", field="number", value="1"))[0] == 422
    data = (await mei.get(f"conversations/{conversation}"))[1]
    assert data["record"]["what"]["category"]["value"] == "logistics/damaged"
    assert [e["rule"] for e in data["record"]["gravity"]["urgency"]["evidence"]] == ["agent"]
    corrected = [
        (line["body"]["field"], line["body"]["value"]) for line in data["journal"] if line["what"] == "corrected"
    ]
    assert corrected == [("category", "logistics/damaged"), ("urgency", "low")]


async def test_correction_outlives_the_next_message(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    for field, value in (("urgency", "low"), ("category", "privacy"), ("kind", "enquiry")):
        assert (await mei.act(conversation, "correct", field=field, value=value))[0] == 200
    await house.heard("It is urgent!! It caught fire, a refund for the broken product immediately. Complaint!")
    data = (await mei.get(f"conversations/{conversation}"))[1]
    record = data["record"]
    assert len(record["arrival"]["messages"]) == 2
    assert record["gravity"]["urgency"]["value"] == "low"
    assert (record["what"]["category"]["value"], record["what"]["kind"]["value"]) == ("privacy", "enquiry")


async def test_dead_letters_and_held_messages_are_shown_and_replayed(house: Any) -> None:
    admin = await house.enter("boss", "admin")
    conversation = await house.heard()
    mei = await house.enter("mei")
    await mei.act(conversation, "claim")
    working = house.gateway.channels["webchat", "shop"]
    house.gateway.channels["webchat", "shop"] = Blocked("shop", house.gateway.config.channels)
    await mei.act(conversation, "reply", fence=await _fence(mei, conversation), key=KEY, text="Are you there?")

    async def dead() -> bool:
        return bool((await admin.get("outbox?state=dead"))[1]["items"])

    await house.until(dead)
    pending = (await mei.get(f"conversations/{conversation}"))[1]["pending"]
    assert [(send["state"], send["text"]) for send in pending] == [("dead", "Are you there?")]
    assert "blocked" in pending[0]["error"]
    (row,) = (await admin.get("outbox?state=dead"))[1]["items"]
    assert "body" not in row
    house.gateway.channels["webchat", "shop"] = working
    assert (await admin.post("outbox/replay", {"ids": [row["id"]]}))[1] == {"replayed": 1}

    async def arrived() -> bool:
        return bool((await house.said(conversation))[-1] == "Are you there?")

    await house.until(arrived)
    await house.gateway.store.quarantine(
        "api", "main", b"\xff<script>", "not JSON", headers={"x": "y"}, at=house.clock()
    )
    (kept,) = (await admin.get("quarantine"))[1]["items"]
    assert (kept["reason"], "headers" in kept) == ("not JSON", False)
    assert (await admin.post(f"quarantine/{kept['id']}/drop"))[0] == 200
    assert (await admin.get("quarantine"))[1]["items"] == []


async def test_why_and_evidence_are_there_to_be_shown(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    data = (await mei.get(f"conversations/{conversation}"))[1]
    (heard,) = [entry for entry in data["entries"] if entry["kind"] == "inbound"]
    (number,) = data["record"]["what"]["order_numbers"]
    evidence = number["evidence"][0]
    assert evidence["message"] == heard["key"]
    assert heard["text"][evidence["start"] : evidence["end"]] == "20261102003317"
    assert data["traces"][0][0]["message"] == heard["key"]
    assert {"rule", "verdict"} <= set(data["traces"][0][0]["trace"][0])
    assert msgspec.json.encode(data).count(b"scrypt") == 0
