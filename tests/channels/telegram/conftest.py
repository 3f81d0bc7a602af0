"""A running gateway with a Telegram account, and the fake Telegram that it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp.test_utils import TestServer

from channels._platforms.telegram import Telegram
from gateway import config
from gateway.app import application, assemble
from gateway.context import GATEWAY, Gateway
from gateway.simulate.platforms import toml

CONFIG = """
secret = "0123456789012345678901234567890123456789"
[bot]
enabled = {bot}
[egress]
allow = ["127.0.0.0/8"]
[outbox]
ladder = [0.05, 0.05, 0.05, 0.05, 0.05, 0.05]
[channels.telegram.main]
"""
#: Longer than any poll of a worker; what is waited for comes in a fraction of it.
SECONDS = 30.0


class Scene:
    """The gateway, the platform, and waiting for what they make of each other."""

    def __init__(self, gateway: Gateway, platform: Telegram) -> None:
        self.gateway, self.platform = gateway, platform

    async def until(self, test: Callable[[], Any]) -> None:
        """Wait until something is so; the test may be a coroutine function."""
        async with asyncio.timeout(SECONDS):
            while True:
                found = test()
                if await found if isinstance(found, Awaitable) else found:
                    return
                await asyncio.sleep(0.02)

    async def stored(self, count: int) -> list[Any]:
        """The messages, oldest first, once there are so many and all are worked on."""

        async def there() -> bool:
            rows = (await self.gateway.store.inbox(limit=500)).items
            return len(rows) >= count and all(row.state == "done" for row in rows)

        await self.until(there)
        rows = sorted((await self.gateway.store.inbox(limit=500)).items, key=lambda row: row.id)
        return [await self.gateway.store.inbox_message(row.id) for row in rows]

    async def kept(self, count: int = 1) -> list[Any]:
        """The attachments of the first message with files, once so many are no longer pending."""

        async def there() -> bool:
            return len([file for file in await self._files() if file.state != "pending"]) >= count

        await self.until(there)
        return await self._files()

    async def _files(self) -> list[Any]:
        rows = sorted((await self.gateway.store.inbox(limit=500)).items, key=lambda row: row.id)
        messages = [await self.gateway.store.inbox_message(row.id) for row in rows]
        return [file for message in messages for file in message.attachments]


class Open(Protocol):
    def __call__(self, *, polling: bool = False, bot: bool = True, folder: str = "a", **more: Any) -> Any: ...


@pytest.fixture
async def platform() -> AsyncIterator[Telegram]:
    async with Telegram(pace=0.02) as running:
        yield running


@pytest.fixture
def open_scene(tmp_path: Path, platform: Telegram) -> Open:
    @asynccontextmanager
    async def open_one(
        *, polling: bool = False, bot: bool = True, folder: str = "a", **more: Any
    ) -> AsyncIterator[Scene]:
        (tmp_path / folder).mkdir(exist_ok=True)
        file = tmp_path / folder / "allears.toml"
        settings = {**platform.settings, "updates": "polling" if polling else "webhook", **more}
        lines = [f"{name} = {toml(value)}" for name, value in settings.items()]
        file.write_text(CONFIG.format(bot=str(bot).lower()) + "\n".join(lines))
        app = application(assemble(config.load(file, env={})))
        async with TestServer(app) as server:
            platform.door = "" if polling else str(server.make_url("/in/telegram/main"))
            yield Scene(app[GATEWAY], platform)

    return open_one


@pytest.fixture
async def scene(open_scene: Open) -> AsyncIterator[Scene]:
    """Updates come to the webhook."""
    async with open_scene() as made:
        yield made
