"""With a Redis the nodes hear of each other at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from channels._platforms.wecom import WeCom
from gateway.simulate.platforms import toml
from tests.nodes.town import Town, Visitor, town, until
from tests.servers.redis import Redis


class Asked(WeCom):
    """Notes the word of a callback that it is asked with: only who heard of the callback knows it."""

    def __init__(self) -> None:
        super().__init__(pace=0.02)
        self.words: list[str] = []

    async def _sync(self, request: web.Request) -> web.Response:
        if word := (await request.json()).get("token"):
            self.words.append(word)
        return await super()._sync(request)


@pytest.fixture
async def platform() -> AsyncIterator[Asked]:
    async with Asked() as running:
        running.door = "set when a node is there"
        yield running


@pytest.fixture
async def place(tmp_path: Path, database: str, redis: Redis, platform: Asked) -> AsyncIterator[Town]:
    lines = [f"{key} = {toml(value)}" for key, value in platform.settings.items()]
    more = "[channels.wecom.main]\n" + "\n".join(lines) + "\n"
    async with town(tmp_path, database, redis.url, more) as made:
        yield made


async def test_a_call_of_the_platform_reaches_the_watcher_on_another_node(place: Town, platform: Asked) -> None:
    front = await place.node("front", "--roles", "web").ready()
    behind = await place.node("behind", "--roles", "flow,channels").ready()
    platform.door = f"{front.url}/in/wecom/main"
    await until(lambda: _watches(behind.log), "nobody watches")
    for text in ("How long does delivery take?", "Where is my order?"):
        before = len(await place.inbox())
        await platform.say(text, person="Wang Fang")
        await place.worked_on(before + 1)
    await place.all_said()
    assert platform.sent
    assert platform.words, "the watcher looked because it was called, not because a minute was over"


async def _watches(log: Path) -> bool:
    return "watch:wecom/main: this node watches" in await asyncio.to_thread(log.read_text)


async def test_what_one_node_decides_another_shows(place: Town) -> None:
    front = await place.node("front", "--roles", "web").ready()
    await place.node("behind", "--roles", "flow,channels").ready()
    visitor = Visitor(place)
    await visitor.open(front)
    line = asyncio.create_task(visitor.listen(front))
    await visitor.say(front, "How long does delivery take?", "a-message")

    async def shown() -> bool:
        return any(event.get("author") == "bot" for event in visitor.lines)

    await until(shown, "the answer is not shown")
    line.cancel()
