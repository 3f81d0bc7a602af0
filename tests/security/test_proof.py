"""Whose case it is: naming a number or an address shows nothing of what is another person's, not even that it is there."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from gateway.desk import contacts

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODYS = "261120-AAAAA-BBBBB"


async def answers(house: Any, conversation: str, said: int) -> list[str]:
    """What the visitor has read, once ``said`` answers are there."""

    async def lines() -> list[str]:
        entries = await house.gateway.store.timeline(conversation, visible_only=True)
        return [entry.text for entry in entries if entry.kind == "outbound"]

    async def enough() -> bool:
        return len(await lines()) >= said

    await house.until(enough)
    return await lines()


async def asked(house: Any, *texts: str) -> list[str]:
    """What a new visitor is answered."""
    token, conversation = await house.visitor(), ""
    for n, text in enumerate(texts, start=1):
        status, _ = await house.chat(token, text)
        assert status < 300
        conversation = house.conversation(token)
        found = await answers(house, conversation, n)
    return found


async def test_a_case_of_others_is_told_from_none_by_nobody(house: Any) -> None:
    victim = {"id": str(uuid.uuid4()), "email": "victim@example.org", "phone": "+8613800138000"}
    number = await house.case(await house.send("My parcel came broken, I want a refund.", sender=victim))
    questions = ("How does my case {} stand?", "000000", "I am victim@example.org, +8613800138000. My case {}?", "{}")
    theirs = await asked(house, *(text.format(number) for text in questions))
    nothing = await asked(house, *(text.format(NOBODYS) for text in questions))
    assert [text.replace(number, NOBODYS) for text in theirs] == nothing
    assert "six-digit code" in theirs[0]
    assert "not the right code" in theirs[1]
    assert all("parcel" not in text and "/status/" + number not in text for text in theirs)


async def test_a_claimed_address_joins_nobody(house: Any) -> None:
    victim = {"id": str(uuid.uuid4()), "email": "anna@example.org"}
    first = await house.send("My parcel came broken, I want a refund.", sender=victim)
    await house.case(first)
    thief = await house.send("Where is my refund? I am Anna.", sender={**victim, "id": str(uuid.uuid4())})
    same_id = await house.send("Where is my refund?", sender=victim, thread=str(uuid.uuid4()))
    for conversation in (thief, same_id):
        number = await house.case(conversation)
        shown = await contacts.shown(house.gateway, conversation)
        assert (shown.proven, shown.aliases) == ((), ())
        assert (await house.gateway.store.record(number)).who.customer_class != "returning"


async def test_only_the_desk_sends_codes_and_undoes_proofs(house: Any) -> None:
    conversation = await house.send("My parcel came broken, I want a refund.")
    await house.case(conversation)
    for name, body in (("send_code", {"key": "12345678", "address": "email:a@b.c"}), ("undo_proof", {"proof": 1})):
        status, _, _ = await house.call("POST", f"/desk/api/conversations/{conversation}/{name}", body)
        assert status in (401, 403)
    async with house.desk() as desk:
        status, _ = await desk.call("POST", f"conversations/{conversation}/undo_proof", {"proof": 1})
        assert status == 409
        status, _ = await desk.call(
            "POST", f"conversations/{conversation}/send_code", {"key": "12345678", "address": "email:not@the.case"}
        )
        assert status == 422
