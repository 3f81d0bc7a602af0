"""One node takes messages in, another decides and sends: nothing but signals through Redis carries them on in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway import config, fetching, flow, outbox
from gateway.app import build
from gateway.redis import wake as redis_wake
from tests.redis.conftest import eventually
from tests.servers.postgres import new_database
from tests.servers.redis import Redis
from tests.web.visitor.conftest import CONFIGURATION, Running

#: Longer than the test: who waits for the next look waits for ever.
NEVER = 10_000.0


@pytest.fixture(autouse=True)
def nobody_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (flow, outbox, fetching):
        monkeypatch.setattr(module, "POLL", NEVER)
    monkeypatch.setattr(redis_wake, "CARRIED", NEVER)


@asynccontextmanager
async def node(folder: Path, store: str, redis: str, *roles: str) -> AsyncIterator[Running]:
    file = folder / f"{'-'.join(roles)}.toml"
    named = ", ".join(f'"{role}"' for role in roles)
    more = f'[store]\nurl = "{store}"\n[redis]\nurl = "{redis}"\n[node]\nroles = [{named}]\n'
    file.write_text(CONFIGURATION.replace("[limits]", f"{more}[limits]"), encoding="utf-8")
    runner = web.AppRunner(build(config.load(file, env={})))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield Running(f"http://127.0.0.1:{runner.addresses[0][1]}", runner.app, session)
    await runner.cleanup()


async def test_an_answer_comes_from_another_node_at_once(server: Redis, tmp_path: Path) -> None:
    store = new_database("redis_two_nodes")
    async with AsyncExitStack() as house:
        door = await house.enter_async_context(node(tmp_path, store, server.url, "web"))
        second = await house.enter_async_context(node(tmp_path, store, server.url, "web"))
        await house.enter_async_context(node(tmp_path, store, server.url, "flow", "channels"))
        await eventually(lambda: server.run("client", "list").count("cmd=xreadgroup") == 1)
        visitor = await door.visitor()
        async with visitor.socket() as here, _elsewhere(second, visitor.token) as there:
            await eventually(lambda: server.run("pubsub", "numsub", _channel(server)).endswith("2"))
            await visitor.say("How long does delivery take?")
            async with asyncio.timeout(60):
                assert [await _answer(line) for line in (here, there)] == ["bot", "bot"]


def _channel(server: Redis) -> str:
    """The one conversation that somebody looks at."""
    return next((name for name in server.run("pubsub", "channels").split("\n") if ":conversation:" in name), "")


@asynccontextmanager
async def _elsewhere(at: Running, token: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with at.session.ws_connect(f"{at.url}/widget/v1/socket?site=lantern") as line:
        await line.send_json({"type": "resume", "token": token, "last_seq": None})
        yield line


async def _answer(line: aiohttp.ClientWebSocketResponse) -> str:
    """Who speaks first that is not the visitor."""
    while (frame := await line.receive_json()).get("author") in (None, "me"):
        pass
    return str(frame["author"])
