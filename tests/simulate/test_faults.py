"""What a fake platform does to its deliveries and to our calls, seen from a receiver that counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels._platforms.base import File
from channels._platforms.telegram import SECRET_HEADER, TOKEN, Telegram


class Receiver:
    """A door that notes what comes, and answers with ``statuses`` first."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.trusted: list[bool] = []
        self.statuses: list[int] = []
        app = web.Application()
        app.add_routes([web.post("/in", self._take)])
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        update = json.loads(await request.read())
        self.texts.append(update.get("message", {}).get("text", "strange"))
        self.trusted.append(request.headers.get(SECRET_HEADER) == Telegram.secret)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
async def door() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with made.server:
        yield made


@pytest.fixture
async def calling(door: Receiver) -> AsyncIterator[Telegram]:
    async with Telegram(door=str(door.server.make_url("/in")), pace=0.01) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        ("", ["one", "two"]),
        ("twice", ["one", "one", "two", "two"]),
        ("forged", ["one", "one", "two", "two"]),
        ("late", ["one", "two"]),
    ],
)
async def test_each_fault_is_what_it_says(calling: Telegram, door: Receiver, fault: str, texts: list[str]) -> None:
    calling.faults = {fault: 1.0}
    for text in ("one", "two"):
        await calling.say(text)
        await calling.delivered()
    assert door.texts == texts
    assert door.trusted == ([False, True] * 2 if fault == "forged" else [True] * len(texts))


async def test_a_lost_answer_brings_the_event_again(calling: Telegram, door: Receiver) -> None:
    calling.faults = {"lost": 0.5}
    for n in range(8):
        await calling.say(str(n))
    await calling.delivered()
    assert len(door.texts) > 8
    assert list(dict.fromkeys(door.texts)) == [str(n) for n in range(8)]


async def test_a_swapped_event_comes_after_the_next_one(calling: Telegram, door: Receiver) -> None:
    calling.faults = {"swapped": 1.0}
    await calling.say("one")
    await asyncio.sleep(0)  # it sets out
    calling.faults = {}
    await calling.say("two")
    await calling.delivered()
    assert door.texts == ["two", "one"]


async def test_a_strange_event_comes_along(calling: Telegram, door: Receiver) -> None:
    calling.faults = {"strange": 1.0}
    await calling.say("one")
    await calling.delivered()
    assert door.texts == ["strange", "one"]


async def test_it_comes_again_until_it_is_taken(calling: Telegram, door: Receiver) -> None:
    door.statuses = [503, 500, 429]
    await calling.say("one")
    await calling.delivered()
    assert (door.texts, calling.answers) == (["one"] * 4, [503, 500, 429, 200])


@pytest.mark.parametrize(("fault", "status", "arrived"), [("busy", 429, 0), ("broken", 500, 0), ("cut", 0, 1)])
async def test_our_calls_fail_as_they_do_there(calling: Telegram, fault: str, status: int, arrived: int) -> None:
    calling.faults = {fault: 1.0}
    async with aiohttp.ClientSession() as client:
        try:
            url = f"{calling.url}/bot{TOKEN}/sendMessage"
            async with client.post(url, data={"chat_id": "7", "text": "x"}) as answer:
                got = answer.status
        except aiohttp.ClientError:
            got = 0
    assert (got, len(calling.sent)) == (status, arrived)


async def test_a_file_that_cannot_be_fetched_now(calling: Telegram) -> None:
    id = calling.keep(File(name="a.jpg", type="image/jpeg", data=b"x"))
    calling.faults = {"no_media": 1.0}
    assert calling.hand_over_file(id).status == 503
    calling.faults = {}
    assert calling.hand_over_file(id).body == b"x"
    assert calling.hand_over_file("nothing").status == 404
