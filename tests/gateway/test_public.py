"""Where everybody reads along nothing is said but an invitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.desk import actions
from gateway.store.base import NOBODY, Agent

if TYPE_CHECKING:
    from tests.gateway.conftest import Town

POST = "@seaside 我的灯笼收到就是坏的，订单号 20261120001234，你们什么态度！"


async def test_a_public_complaint_gets_an_invitation_without_a_word_of_the_case(town: Town) -> None:
    conversation = await town.write(POST, thread="public:post-1")
    (said,) = await town.lines(conversation, "outbound")
    number = (await town.gateway.store.conversation(conversation)).number
    assert "私信" in said.text
    assert number
    assert number not in said.text
    assert "20261120001234" not in said.text
    assert (await town.gateway.store.conversation(conversation)).owner == NOBODY


async def test_whoever_goes_on_posting_is_not_told_again(town: Town) -> None:
    conversation = await town.write(POST, thread="public:post-1")
    await town.write("And my refund?", thread="public:post-1")
    assert len(await town.lines(conversation, "outbound")) == 1


@pytest.mark.parametrize("text", ["How long does delivery take?", "转人工", "Ich will mein Geld zurück!"])
async def test_even_a_simple_question_is_asked_into_private(town: Town, text: str) -> None:
    conversation = await town.write(text, thread="public:post-2")
    (said,) = await town.lines(conversation, "outbound")
    assert said.text.count("private") + said.text.count("私信") == 1


async def test_praise_needs_no_invitation(town: Town) -> None:
    conversation = await town.write("Great service, thank you so much! I love the lamp.", thread="public:post-3")
    assert await town.lines(conversation, "outbound") == []


async def test_a_private_thread_of_the_same_person_is_answered_as_ever(town: Town) -> None:
    await town.write(POST, thread="public:post-1")
    conversation = await town.write("How long does delivery take?", thread="private-1")
    assert "day" in (await town.lines(conversation, "outbound"))[0].text


async def test_after_the_end_nobody_is_asked_in_public(town: Town) -> None:
    conversation = await town.write(POST, thread="public:post-1")
    agent = Agent(id="agent-1", login="mei", name="Mei", role="agent")
    held = await actions.claim(town.gateway, agent, conversation)
    await actions.close(town.gateway, agent, conversation, fence=held.fence, key="c1", disposition="solved")
    await town.work()
    assert len(await town.lines(conversation, "outbound")) == 1
