"""One access token for all nodes: one asks, nobody sees it in Redis, and each can do without."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.base import Retry, Secret
from gateway.keys import Keys
from gateway.redis import tokens
from gateway.redis.tokens import SharedToken
from tests.redis.conftest import PREFIX, Node, node
from tests.servers.redis import Redis


class Platform:
    """Lets its newest token alone be good."""

    def __init__(self) -> None:
        self.given = 0
        self.lasts = 7200.0
        self.fault: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()

    @property
    def good(self) -> str:
        return f"token-{self.given}"

    async def ask(self, tools: Any) -> tuple[str, float]:
        await self.free.wait()
        if self.fault:
            raise self.fault
        self.given += 1
        return self.good, self.lasts


class Tools:
    """What of the gateway a token needs."""

    def now(self) -> datetime:
        return datetime.now(UTC)


TOOLS: Any = Tools()


def token(of: Node, secret: str = "x" * 32) -> SharedToken:
    return SharedToken(of.link, Keys(Secret(secret)), "wechat/main")


async def test_one_asks_for_all(server: Redis) -> None:
    platform = Platform()
    platform.free.clear()
    async with node(server.url) as a, node(server.url) as b:
        first, second = token(a), token(b)
        asking = [asyncio.create_task(one.get(platform.ask, TOOLS)) for one in (first, second) for _ in range(5)]
        await asyncio.sleep(0.3)
        platform.free.set()
        assert await asyncio.gather(*asking) == ["token-1"] * 10
        assert platform.given == 1


async def test_a_refused_token_is_renewed_once(server: Redis) -> None:
    platform = Platform()
    async with node(server.url) as a, node(server.url) as b:
        first, second = token(a), token(b)
        assert await first.get(platform.ask, TOOLS) == await second.get(platform.ask, TOOLS) == "token-1"
        assert await first.get(platform.ask, TOOLS, refused="token-1") == "token-2"
        assert await second.get(platform.ask, TOOLS, refused="token-1") == "token-2"
        assert await first.get(platform.ask, TOOLS, refused="token-1") == "token-2"
        assert platform.given == 2


async def test_redis_holds_no_token_that_can_be_read(server: Redis) -> None:
    platform = Platform()
    async with node(server.url) as a:
        await token(a).get(platform.ask, TOOLS)
        key = f"{PREFIX}:token:wechat/main"
        assert server.run("keys", "*").split("\n") == [key]
        assert "token-1" not in server.run("hgetall", key)
        assert 6_800_000 < int(server.run("pttl", key)) <= 6_900_000
        assert await token(a, "y" * 32).get(platform.ask, TOOLS) == "token-2", "another secret reads nothing"
        assert "token" not in repr(token(a)._held)


async def test_a_token_ends(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels._tokens.SHORTEST", 0.2)
    platform = Platform()
    platform.lasts = 1.0
    async with node(server.url) as a, node(server.url) as b:
        first, second = token(a), token(b)
        assert await first.get(platform.ask, TOOLS) == "token-1"
        assert await second.get(platform.ask, TOOLS) == "token-1"
        await asyncio.sleep(0.25)
        assert await second.get(platform.ask, TOOLS) == "token-2"


async def test_who_cannot_get_one_lets_the_next_ask(server: Redis) -> None:
    platform = Platform()
    platform.fault = Retry("busy")
    async with node(server.url) as a, node(server.url) as b:
        with pytest.raises(Retry, match="busy"):
            await token(a).get(platform.ask, TOOLS)
        platform.fault = None
        assert await token(b).get(platform.ask, TOOLS) == "token-1"


async def test_who_dies_while_asking_is_followed(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "HOLD", 300)
    hanging, platform = Platform(), Platform()
    hanging.free.clear()
    async with node(server.url) as a, node(server.url) as b:
        asking = asyncio.create_task(token(a).get(hanging.ask, TOOLS))
        await asyncio.sleep(0.1)
        assert await token(b).get(platform.ask, TOOLS) == "token-1"
        hanging.given = 8
        hanging.free.set()
        assert await asking == "token-9"
        assert await token(b).get(platform.ask, TOOLS) == "token-1", "who took too long keeps nothing in Redis"


async def test_without_redis_each_asks_for_itself(server: Redis) -> None:
    platform = Platform()
    async with node(server.url) as a, node(server.url) as b:
        first, second = token(a), token(b)
        server.kill()
        await a.is_away()
        await b.is_away()
        assert await first.get(platform.ask, TOOLS) == "token-1"
        assert await second.get(platform.ask, TOOLS) == "token-2"
        assert await first.get(platform.ask, TOOLS) == "token-1", "kept in memory"
        server.start()
        await a.is_up()
        await b.is_up()
        assert await first.get(platform.ask, TOOLS, refused="token-1") == "token-3"
        assert await second.get(platform.ask, TOOLS, refused="token-2") == "token-3"
