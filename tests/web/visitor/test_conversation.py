"""Sending, reading back, resuming: what was said stands in the window once, whatever breaks in between."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest

from tests.losing_wake import LosingWake

#: One gateway and one loop for the module.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def message(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "message")


def said_by(author: str) -> Any:
    return lambda event: message(event) and event["author"] == author


async def test_a_message_is_answered_in_the_open_window(house: Any, frames: Any) -> None:
    visitor = await house.visitor()
    async with visitor.socket() as ws:
        assert await ws.receive_json() == {"type": "ready", "after": 0, "earlier": False, "kind": "socket"}
        status, answer = await visitor.say("你好")
        assert (status, answer) == (200, {"seq": 1, "duplicate": False})
        got = await frames(ws, said_by("bot"))
    mine = [event for event in got if message(event) and event["author"] == "me"]
    assert [event["text"] for event in mine] == ["你好"]
    assert all(set(event) <= PUBLIC for event in got)


#: What a visitor may know of a line: no agent's id, no digest, no key.
PUBLIC = {
    "type", "seq", "at", "author", "name", "text", "language", "files", "buttons", "id", "refers_to", "deleted", "status",
}  # fmt: skip


async def test_a_repeated_request_is_one_message(house: Any) -> None:
    visitor, id = await house.visitor(), str(uuid.uuid4())
    answers = await asyncio.gather(*(visitor.say("once", id) for _ in range(5)))
    assert {status for status, _ in answers} == {200}
    assert {answer["seq"] for _, answer in answers} == {1}
    mine = [event for event in await visitor.history() if event.get("author") == "me"]
    assert [event["id"] for event in mine] == [id]


async def test_a_line_that_broke_resumes_without_gap_or_repeat(house: Any, frames: Any) -> None:
    visitor = await house.visitor()
    for n in range(3):
        await visitor.say(f"first {n}")
    async with visitor.socket() as ws:
        seen = await frames(ws, lambda event: event.get("text") == "first 2")
    last = seen[-1]["seq"]
    for n in range(3):
        await visitor.say(f"then {n}")
    async with visitor.socket(last_seq=last) as ws:
        more = await frames(ws, lambda event: event.get("text") == "then 2")
    numbers = [event["seq"] for event in seen + more if "seq" in event]
    assert numbers == sorted(set(numbers))
    texts = [event["text"] for event in seen + more if event.get("author") == "me"]
    assert texts == ["first 0", "first 1", "first 2", "then 0", "then 1", "then 2"]


async def test_an_answer_written_while_nobody_looked_is_there(house: Any, frames: Any) -> None:
    visitor = await house.visitor()
    await visitor.say("hello")
    await house.reply(visitor.conversation, "I looked into it.")
    async with visitor.socket() as ws:
        got = await frames(ws, said_by("agent"))
    assert got[-1]["name"] == "Mei"
    assert got[-1]["text"] == "I looked into it."


async def test_a_restart_loses_and_doubles_nothing(starting: Any, frames: Any) -> None:
    async with starting() as first:
        port = int(first.url.rsplit(":", 1)[1])
        visitor = await first.visitor()
        id = str(uuid.uuid4())
        await visitor.say("before the restart", id)
        async with visitor.socket() as ws:
            seen = await frames(ws, said_by("me"))
    async with starting(port) as second:
        visitor.running = second
        assert await visitor.say("before the restart", id) == (200, {"seq": seen[-1]["seq"], "duplicate": True})
        await visitor.say("after the restart")
        async with visitor.socket(last_seq=seen[-1]["seq"]) as ws:
            more = await frames(ws, lambda event: event.get("text") == "after the restart")
    assert [event["text"] for event in seen + more if event.get("author") == "me"] == [
        "before the restart",
        "after the restart",
    ]


async def test_stopping_does_not_wait_for_open_windows(starting: Any) -> None:
    loop = asyncio.get_running_loop()
    async with starting() as running:
        visitor = await running.visitor()
        ws = await running.session.ws_connect(f"{running.url}/widget/v1/socket?site=lantern")
        await ws.send_json({"type": "resume", "token": visitor.token, "last_seq": None})
        await ws.receive_json()
        _, ticket, _ = await visitor.call("POST", "ticket")
        stream = await running.session.get(f"{running.url}/widget/v1/events", params={"site": "lantern", **ticket})
        closing = asyncio.create_task(ws.receive())
        began = loop.time()
    assert loop.time() - began < 4
    assert (await closing).data == aiohttp.WSCloseCode.GOING_AWAY
    stream.close()


async def test_two_windows_of_one_visitor_show_the_same(house: Any, frames: Any) -> None:
    visitor = await house.visitor()
    async with visitor.socket() as one, visitor.socket() as two:
        await visitor.say("hello")
        first, second = await frames(one, said_by("me")), await frames(two, said_by("me"))
    assert first[-1] == second[-1]


async def test_a_lost_signal_costs_a_moment(house: Any, frames: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.gateway, "wake", LosingWake(house.gateway.wake))
    visitor = await house.visitor()
    _, ticket, _ = await visitor.call("POST", "ticket")
    stream = await house.session.get(f"{house.url}/widget/v1/events", params={"site": "lantern", **ticket})
    async with visitor.socket() as ws:
        await visitor.say("hello")
        await frames(ws, said_by("me"))
        async with asyncio.timeout(60):
            while b"hello" not in await stream.content.readline():
                pass
    stream.close()


async def test_typing_goes_both_ways_and_is_not_stored(house: Any, frames: Any) -> None:
    visitor = await house.visitor()
    await visitor.say("hello")
    topic = f"conversation:{visitor.conversation}"
    async with visitor.socket() as ws:
        await frames(ws, said_by("me"))
        with house.gateway.wake.listen(topic) as listener:
            for _ in range(5):
                await ws.send_json({"type": "typing"})
            hints: list[Any] = []
            while not any(hint.get("who") == "customer" for hint in hints):
                hints += await listener.next(5)
            hints += await listener.next(0.3)
        assert len([hint for hint in hints if hint.get("who") == "customer"]) == 1
        await asyncio.sleep(0.5)  # the bot's lines first
        house.gateway.wake.signal(topic, {"type": "typing", "who": "agent", "name": "Mei"})
        got = await frames(ws, lambda event: event["type"] == "typing")
    assert got[-1] == {"type": "typing", "author": "agent", "name": "Mei"}
    assert all(event["type"] != "typing" for event in await visitor.history())


async def test_history_comes_in_pages(house: Any) -> None:
    visitor = await house.visitor()
    conversation = visitor.conversation
    await visitor.say("the first")
    for n in range(120):
        await house.note(conversation, f"internal {n}")
    for n in range(110):
        await visitor.say(f"line {n}")
    status, page, _ = await visitor.call("GET", "history")
    assert (status, page["more"], len(page["events"])) == (200, True, 100)
    rest = await visitor.history(page["events"][-1]["seq"])
    texts = [event["text"] for event in page["events"] + rest if event.get("author") == "me"]
    assert texts == ["the first", *(f"line {n}" for n in range(110))]


async def test_a_fresh_window_gets_the_newest_page(house: Any, frames: Any) -> None:
    visitor = await house.visitor()
    for n in range(130):
        await visitor.say(f"line {n}")
    async with visitor.socket() as ws:
        got = await frames(ws, lambda event: event.get("text") == "line 129")
    assert got[0]["earlier"] is True
    assert got[0]["after"] >= 30
    assert got[1]["seq"] > got[0]["after"]


async def test_events_by_stream_resume_by_last_event_id(house: Any) -> None:
    visitor = await house.visitor()
    await visitor.say("one")
    await visitor.say("two")

    async def read(headers: dict[str, str], wanted: bytes) -> bytes:
        _, ticket, _ = await visitor.call("POST", "ticket")
        url, params = f"{house.url}/widget/v1/events", {"site": "lantern", **ticket}
        async with house.session.get(url, params=params, headers=headers) as answer, asyncio.timeout(60):
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            got = b""
            while wanted not in got:
                got += await answer.content.readany()
            return got

    everything = await read({}, b'"two"')
    assert everything.startswith(b"retry: 3000\n")
    assert b"id: 1\ndata: {" in everything
    later = await read({"Last-Event-ID": "1"}, b'"two"')
    assert b'"one"' not in later


async def test_a_ticket_opens_one_stream(house: Any) -> None:
    visitor = await house.visitor()
    _, ticket, _ = await visitor.call("POST", "ticket")
    url, params = f"{house.url}/widget/v1/events", {"site": "lantern", **ticket}
    async with house.session.get(url, params=params) as answer:
        assert answer.status == 200
    for wrong in (params, {"site": "lantern", "ticket": ""}, {"site": "lantern"}):
        async with house.session.get(url, params=wrong) as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "first",
    [
        {"type": "resume", "token": "a.b.c", "last_seq": None},
        {"type": "resume", "last_seq": 1},
        {"type": "typing"},
        {"type": "resume", "token": "x", "last_seq": -1},
        [],
    ],
)
async def test_a_line_without_a_good_token_is_closed(house: Any, first: Any) -> None:
    async with house.session.ws_connect(f"{house.url}/widget/v1/socket?site=lantern") as ws:
        await ws.send_json(first)
        closed = await ws.receive(60)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4401)


async def test_a_token_of_another_window_opens_no_line(house: Any) -> None:
    visitor, other = await house.visitor(), await house.visitor("slow")
    async with visitor.socket(token=other.token) as ws:
        assert (await ws.receive(60)).data == 4401
