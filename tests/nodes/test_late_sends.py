"""A node stands still between taking a reply and sending it, a person answers meanwhile: the bot's reply stays unsaid."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from channels._platforms.telegram import Telegram
from channels.base import Outbound
from gateway.simulate.platforms import toml
from gateway.store.base import Agent, NewSend
from tests.nodes.town import Node, Town, town, until


@pytest.fixture
async def platform() -> AsyncIterator[Telegram]:
    async with Telegram(pace=0.02) as running:
        running.door = "set when a node is there"
        yield running


@pytest.fixture
async def place(tmp_path: Path, database: str, platform: Telegram) -> AsyncIterator[Town]:
    """A town whose bot is called."""
    lines = [f"{key} = {toml(value)}" for key, value in platform.settings.items()]
    async with town(tmp_path, database, more="[channels.telegram.main]\n" + "\n".join(lines) + "\n") as made:
        yield made


async def asked(place: Town, platform: Telegram) -> str:
    """A customer has asked and the bot has an answer, which nobody sends yet; the conversation."""
    front = await place.node("front", "--roles", "web,flow").ready()
    platform.door = f"{front.url}/in/telegram/main"
    await platform.say("How long does delivery take?", person="Wang Fang")
    (row,) = await place.worked_on(1)
    return str(row.conversation)


async def frozen_sender(place: Town) -> Node:
    """A node that has taken the reply and stands still."""
    program = (sys.executable, "-m", "tests.nodes.frozen", str(place.file), "claim_sends:after:1")
    node = place.node("frozen", program=program, ALLEARS_NODE__ROLES='["channels"]')

    async def stands() -> bool:
        return node.stands_still and any(row.state == "sending" for row in await place.outbox())

    await until(stands, "it does not stand still")
    return node


async def answered_by_a_person(place: Town, conversation: str) -> None:
    now = datetime.now(UTC)
    await place.store.put_agent(Agent(id="mei", login="mei", name="Mei", role="agent", password=""))
    held = await place.store.claim(conversation, "mei", lease_until=now + timedelta(hours=1), now=now)
    out = Outbound(
        key="agent/1", channel=held.channel, account=held.account, thread=held.thread, text="Mei here", kind="human"
    )
    send = NewSend(
        key=out.key,
        destination=f"channel:{held.channel}/{held.account}",
        lane=conversation,
        conversation=conversation,
        kind="human",
        fence=held.fence,
        body=msgspec.json.encode(out),
    )
    await place.store.say(conversation, held.fence, [send])


def texts(platform: Telegram) -> list[str]:
    return [sent["text"] for sent in platform.sent]


@pytest.mark.parametrize("long", [False, True], ids=["within the lease", "past the lease"])
async def test_no_late_reply_of_the_bot(place: Town, platform: Telegram, long: bool) -> None:
    conversation = await asked(place, platform)
    frozen = await frozen_sender(place)
    await answered_by_a_person(place, conversation)
    if long:  # another node sends what the frozen one has in its hands, once that counts as dead
        await place.node("other", "--roles", "channels").ready()
        await place.all_said()
    else:
        await asyncio.sleep(1.1)  # a claim is good for a second
    frozen.signal(signal.SIGCONT)
    await frozen.ready()
    await place.all_said()
    assert [text for text in texts(platform) if text] == ["Mei here"]
    assert {row.state for row in await place.outbox()} == {"sent", "superseded"}
