"""The live line says "look again" and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway import wake
from tests.losing_wake import LosingWake


async def _line(browser: Any) -> Any:
    return await browser.session.ws_connect(f"{browser.url}/desk/socket", headers={"Origin": browser.url})


async def _until(line: Any, **wanted: Any) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            frame: dict[str, Any] = await line.receive_json()
            if wanted.items() <= frame.items():
                return frame


async def _open(house: Any, line: Any, conversation: str) -> None:
    """Open it on the page, and wait until the server listens for it: what was signalled before is nobody's."""

    async def heeded() -> bool:
        return wake.conversation(conversation) in house.gateway.wake._listeners

    await line.send_json({"open": conversation})
    await house.until(heeded)


async def test_page_is_told_of_the_queue_and_of_its_conversation(house: Any) -> None:
    conversation = await house.heard()
    mei, bob = await house.enter("mei"), await house.enter("bob")
    line = await _line(mei)
    await _until(line, look="queue")
    await _open(house, line, conversation)
    await bob.act(conversation, "note", key="key-00000001", text="secret words")
    frame = await _until(line, look="conversation", conversation=conversation)
    assert "secret" not in str(frame)
    await bob.act(conversation, "claim")
    await _until(line, look="queue")
    await line.close()


async def test_lost_signal_costs_a_moment(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    monkeypatch.setattr(house.gateway, "wake", LosingWake(house.gateway.wake))
    line = await _line(mei)
    await _open(house, line, conversation)
    await _until(line, look="queue")
    for _ in range(2):
        await _until(line, look="conversation", conversation=conversation)
        await _until(line, look="queue")
    await line.close()


async def test_typing_goes_both_ways(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    line = await _line(mei)
    await _open(house, line, conversation)
    house.gateway.wake.signal(wake.conversation(conversation), {"type": "typing", "who": "customer"})
    await _until(line, typing="customer", conversation=conversation)
    fence = (await mei.act(conversation, "claim"))[1]["fence"]
    with house.gateway.wake.listen(wake.conversation(conversation)) as visitor:
        assert (await mei.act(conversation, "typing", fence=fence))[0] == 200
        hints = await visitor.next(60)
    assert {(hint["type"], hint["who"]) for hint in hints} == {("typing", "agent")}
    await line.close()


async def test_change_that_comes_with_a_hint_is_told(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    line = await _line(mei)
    await _open(house, line, conversation)
    house.gateway.wake.signal(wake.conversation(conversation), {"type": "typing", "who": "customer"})
    house.gateway.wake.signal(wake.conversation(conversation))
    await _until(line, typing="customer")
    await _until(line, look="conversation", conversation=conversation)
    await line.close()


async def test_line_is_for_our_own_page_with_a_session(house: Any) -> None:
    mei = await house.enter("mei")
    for browser, headers, expected in (
        (house.browser(), {"Origin": house.url}, 401),
        (mei, {}, 403),
        (mei, {"Origin": "https://evil.example"}, 403),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.session.ws_connect(f"{house.url}/desk/socket", headers=headers)
        assert refused.value.status == expected


async def test_line_ends_with_its_session(house: Any) -> None:
    conversation = await house.heard()
    mei = await house.enter("mei")
    line = await _line(mei)
    await _until(line, look="queue")
    await mei.post("logout")
    house.gateway.wake.signal(wake.DESK)
    async with asyncio.timeout(60):
        while (await line.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert line.close_code == 4401
    assert conversation


async def test_a_server_that_stops_sends_the_pages_away_instead_of_waiting_for_them(house: Any) -> None:
    line = await _line(await house.enter("mei"))
    await _until(line, look="queue")
    stopping = asyncio.create_task(house.runner.shutdown())
    async with asyncio.timeout(60):
        while (await line.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert line.close_code == aiohttp.WSCloseCode.GOING_AWAY
    await stopping


async def test_nonsense_does_not_break_the_line(house: Any) -> None:
    mei = await house.enter("mei")
    line = await _line(mei)
    for frame in ("", "{", "[]", '{"open": 1}', '{"open": "nothing"}', '{"open": ""}'):
        await line.send_str(frame)
    house.gateway.wake.signal(wake.DESK)
    await _until(line, look="queue")
    await line.close()
