"""WhatsApp's customers and the whole gateway: a conversation, an answer that is lost, a message that fails, the window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from channels._platforms.whatsapp import WhatsApp
from channels.base import Outbound
from gateway.store.base import NOBODY
from gateway.tools import GatewayTools
from tests.channels.meta_town import Town, open_town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(WhatsApp(pace=0.0), tmp_path) as opened:
        yield opened


async def test_a_complaint_is_answered_and_its_statuses_are_no_complaint(town: Town) -> None:
    await town.platform.say("灯笼收到就是破的，我要退款！订单号 20261101")
    await town.work()
    await town.work()
    assert town.platform.sent
    assert {row.state for row in await town.rows()} == {"sent"}
    assert len((await town.gateway.store.records()).items) == 1
    (line,) = (await town.gateway.store.conversations("all")).items
    assert line.conversation.window_closes_at is not None


async def test_an_answer_that_was_lost_is_settled_by_the_status(town: Town) -> None:
    town.platform.script[:] = [(0, {})]
    await town.platform.say("灯笼收到就是破的，我要退款！订单号 20261101")
    await town.work()
    await town.work()
    assert {row.state for row in await town.rows()} == {"sent"}
    texts = [said["text"] for said in town.platform.sent]
    assert len(texts) == len(set(texts)) == len(await town.rows())
    shown = [
        line.text for line in await town.gateway.store.timeline(town.conversation_of("王芳")) if line.kind == "outbound"
    ]
    assert sorted(shown) == sorted(texts)
    assert not [
        line for line in await town.gateway.store.timeline(town.conversation_of("王芳")) if line.notice == "failed"
    ]


async def test_without_a_status_what_is_in_doubt_goes_to_a_person(town: Town) -> None:
    await town.platform.say("灯笼收到就是破的，我要退款！订单号 20261101")
    await town.work()
    town.platform.statuses = False
    for key, kind, then in (("bot", "answer", "unknown"), ("agent", "human", "sent")):
        town.platform.script[:] = [(0, {})]
        await town.agent_says("王芳", kind, key=key, kind=kind)  # type: ignore[arg-type]
        row = await town.gateway.store.find_send("channel:whatsapp/main", key=key)
        assert row is not None
        assert row.state == "waiting"
        assert row.error.startswith("no answer, and no news yet")
        town.platform.later += timedelta(minutes=6)
        await town.work()
        row = await town.gateway.store.find_send("channel:whatsapp/main", key=key)
        assert row is not None
        assert row.state == then
    assert [said["text"] for said in town.platform.sent[-3:]] == ["answer", "human", "human"]
    assert (await town.gateway.store.conversation(town.conversation_of("王芳"))).owner == NOBODY


async def test_after_a_crash_the_platform_is_heard_before_anything_is_repeated(town: Town) -> None:
    await town.platform.say("灯笼收到就是破的，我要退款！订单号 20261101")
    await town.platform.delivered()
    await town.flow.step()
    (send, *_) = await town.gateway.store.claim_sends(10, town.platform.now())
    out = msgspec.json.decode(send.body, type=Outbound)
    channel = town.gateway.channels["whatsapp", "main"]
    town.platform.door, door = "", town.platform.door
    (id,) = (await channel.send(out, GatewayTools(town.gateway.egress, town.gateway.blobs))).external_ids
    await town.gateway.store.close()  # the process ends before it has written what it knows
    await town.gateway.store.open()
    await town.outbox.drain()
    assert len(town.platform.sent) == 1
    town.platform.door = door
    town.platform.deliver(town.platform.status(out.thread, id, "sent", out.key))
    await town.platform.delivered()
    row = await town.gateway.store.find_send(send.destination, key=send.key)
    assert row is not None
    assert row.state == "sent"
    assert len(town.platform.sent) == 1


async def test_a_message_that_fails_afterwards_goes_to_a_person(town: Town) -> None:
    thread = town.platform.thread_of(town.platform.person("王芳"))
    town.platform.unreachable[thread] = (131026, "Message undeliverable")
    await town.platform.say("灯笼收到就是破的，我要退款！订单号 20261101")
    await town.work()
    first = (await town.rows())[-1]
    assert (first.state, first.error) == ("dead", "Refused: 131026: Message undeliverable")
    conversation = await town.gateway.store.conversation(town.conversation_of("王芳"))
    assert (conversation.owner, conversation.status) == (NOBODY, "waiting_agent")


async def test_when_the_window_is_over_the_template_goes_out(town: Town) -> None:
    await town.platform.say("灯笼收到就是破的，我要退款！订单号 20261101")
    await town.work()
    said = len(town.platform.sent)
    town.platform.later = timedelta(hours=30)
    await town.agent_says("王芳", "退款已办。\n三天内到账。")
    assert [one["text"] for one in town.platform.sent[said:]] == ["退款已办。 三天内到账。"]
    # The customer writes again: the window is open, and the reply goes as it is.
    await town.platform.say("好的谢谢")
    await town.work()
    said = len(town.platform.sent)
    await town.agent_says("王芳", "不客气。\n再见。", key="desk/2")
    assert [one["text"] for one in town.platform.sent[said:]] == ["不客气。\n再见。"]
