"""Who wants no automatic messages gets no survey: none is made, and one that waits is not sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from gateway.desk import actions
from gateway.desk.survey import invitation
from gateway.store.base import Agent
from normalizer.record import ComplaintRecord

if TYPE_CHECKING:
    from tests.gateway.conftest import Town

AGENT = Agent(id="a1", login="li", name="Li", role="agent")
COMPLAINT = "我的快递收到就是坏的，订单号 20261120001234，我要求退款！"


async def _record(town: Town, conversation: str) -> ComplaintRecord:
    return await town.gateway.store.record((await town.gateway.store.conversation(conversation)).number)


async def test_the_wish_stands_in_the_record_and_no_survey_is_made(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    await town.write("以后别再给我发消息了")
    assert (await _record(town, conversation)).standing.opted_out
    claimed = await actions.claim(town.gateway, AGENT, conversation)
    await actions.close(
        town.gateway, AGENT, conversation, fence=claimed.fence, key="closing-1", disposition="solved", message="Done."
    )
    await town.work()
    assert not any("满意" in line.text for line in await town.lines(conversation, "outbound"))


async def test_a_survey_that_waits_is_not_sent(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    found = await town.gateway.store.conversation(conversation)
    before = await _record(town, conversation)
    rows = invitation(town.gateway, found, before, key="closing-1")
    later = town.clock() + timedelta(minutes=5)
    rows = tuple(msgspec.structs.replace(row, not_before=later) for row in rows)
    await town.gateway.store.say(conversation, found.fence, rows)
    await town.write("STOP")
    town.clock.go(minutes=10)
    await town.work()
    assert [row.state for row in (await town.gateway.store.outbox()).items if row.kind == "survey"] == ["superseded"]


async def test_start_brings_it_back(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    await town.write("STOP")
    await town.write("START")
    assert not (await _record(town, conversation)).standing.opted_out


async def test_a_withdrawn_case_waits_for_nobody(town: Town) -> None:
    conversation = await town.write(COMPLAINT)
    await town.write("算了，撤销投诉")
    await town.write("是")
    assert (await town.gateway.store.conversations("waiting")).items == ()
    await town.write("我改主意了，还是请你们处理")
    assert [line.conversation.id for line in (await town.gateway.store.conversations("waiting")).items] == [
        conversation
    ]
