"""What is too much, too big, too fast or too slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from gateway.web.visitor import socket
from gateway.web.visitor.guard import GUARD, MAX_OPEN, Pace

#: One gateway and one loop for the module.
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_sixth_message_in_ten_seconds_must_wait(house: Any) -> None:
    visitor = await house.visitor("slow")
    answers = [await visitor.say(f"{n}") for n in range(6)]
    assert [status for status, _ in answers] == [200] * 5 + [429]
    status, _, headers = await visitor.call("POST", "messages", json={"client_msg_id": "12345678", "text": "x"})
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 3
    other = await house.visitor("slow")
    assert (await other.say("nobody else waits"))[0] == 200


async def test_renewing_the_session_does_not_give_a_fresh_pace(house: Any) -> None:
    visitor = await house.visitor("slow")
    for n in range(5):
        await visitor.say(f"{n}")
    renewed = await house.visitor("slow", token=visitor.token)
    assert (await renewed.say("again"))[0] == 429


async def test_a_pace_recovers_and_forgets() -> None:
    pace = Pace()
    assert [pace.wait(("a",), 5, 100.0) for _ in range(5)] == [0.0] * 5
    assert 0 < pace.wait(("a",), 5, 100.0) <= 2
    assert pace.wait(("a",), 5, 102.1) == 0.0
    assert pace.wait(("a",), 5, 102.2) > 0
    pace.SWEEP_AT = 10
    for n in range(20):
        pace.wait((str(n),), 5, 500.0 + n * 100)
    assert len(pace._due) < 20


async def test_a_visitor_has_so_many_windows(house: Any) -> None:
    visitor = await house.visitor()
    url = f"{house.url}/widget/v1/socket?site=lantern"
    sockets = [await house.session.ws_connect(url) for _ in range(MAX_OPEN + 1)]
    hello = {"type": "resume", "token": visitor.token, "last_seq": None}
    for ws in sockets:
        await ws.send_json(hello)
        first = await ws.receive(60)
    assert first.data == 4429
    await sockets[0].close()
    async with visitor.socket() as again:
        assert (await again.receive_json())["type"] == "ready"
    for ws in sockets[1:]:
        await ws.close()


async def test_a_window_that_chatters_is_closed(house: Any) -> None:
    visitor = await house.visitor()
    async with visitor.socket() as ws:
        await ws.receive_json()
        for _ in range(60):
            await ws.send_json({"type": "typing"})
        while (got := await ws.receive(60)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert got.data == 4429


async def test_a_frame_has_a_size(house: Any) -> None:
    visitor = await house.visitor()
    async with visitor.socket() as ws:
        await ws.receive_json()
        await ws.send_str("x" * 20_000)
        while (got := await ws.receive(60)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert got.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_oversized_bodies_are_refused(house: Any) -> None:
    visitor = await house.visitor()
    status, _ = await visitor.say("x" * 200_000)
    assert status == 413
    status, problem = await visitor.say("灯" * 4001)
    assert (status, problem["where"]) == (422, "text")


async def test_files_have_a_size_and_something_in_them(house: Any) -> None:
    visitor = await house.visitor()
    assert (await visitor.upload(b"x" * 100_000))[0] == 200
    assert (await visitor.upload(b""))[0] == 422

    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 10_000

    assert (await visitor.upload(b"x" * 100_001))[0] == 413
    with contextlib.suppress(aiohttp.ClientConnectionError):  # the gateway may hang up before all was sent
        assert (await visitor.upload(endless()))[0] == 413  # without a Content-Length


async def test_a_slow_upload_and_a_slow_message_are_given_up(house: Any) -> None:
    visitor = await house.visitor()

    async def slow() -> Any:
        yield b'{"text":'
        await asyncio.sleep(4)
        yield b'"x"}'

    for path in ("uploads", "messages"):
        status, _, _ = await visitor.call("POST", path, data=slow())
        assert status == 408


async def test_a_line_that_never_says_who_it_is_is_closed(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(socket, "HELLO_SECONDS", 0.2)
    async with house.session.ws_connect(f"{house.url}/widget/v1/socket?site=lantern") as ws:
        assert (await ws.receive(60)).data == 4401


async def test_a_window_that_takes_no_data_is_closed_and_misses_nothing(
    house: Any, frames: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(socket, "SEND_SECONDS", 0.5)
    visitor = await house.visitor()
    await visitor.say("hello")
    for _ in range(8):
        await house.reply(visitor.conversation, "x" * 1_000_000)  # more than the kernel's buffers take
    await house.reply(visitor.conversation, "the last")
    async with visitor.socket(last_seq=0) as ws:
        await frames(ws, lambda event: event.get("text") == "the last")
    seats = house.app[GUARD].open
    writer = await deaf(house.url, visitor.token)
    try:
        await eventually(lambda: seats[visitor.conversation] == 1)
        await eventually(lambda: seats[visitor.conversation] == 0)
    finally:
        writer.close()
    async with visitor.socket(last_seq=0) as ws:
        got = await frames(ws, lambda event: event.get("text") == "the last")
    assert len([event for event in got if event.get("author") == "agent"]) == 9


async def deaf(url: str, token: str) -> asyncio.StreamWriter:
    """A window that asks for everything and reads nothing."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(
        f"GET /widget/v1/socket?site=lantern HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    body = f'{{"type":"resume","token":"{token}","last_seq":0}}'.encode()
    writer.write(bytes([0x81, 0xFE]) + len(body).to_bytes(2, "big") + b"\0\0\0\0" + body)
    return writer


async def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.02)
