"""The outside world: takes replies and events as good and bad receivers do, and remembers every call."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

#: Share of calls that are refused, and that are done and then answered with an error.
REFUSES, LIES = 0.02, 0.01


class Receiver:
    """Replies of the api channel at ``/replies``, events of the webhook sink at ``/events``."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.calls: Counter[str] = Counter()
        self.replies: dict[str, dict[str, Any]] = {}
        self.reply_order: list[tuple[str, str]] = []
        self.events: dict[str, dict[str, Any]] = {}
        self.event_order: list[tuple[str, int]] = []
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/replies", self._reply)
        app.router.add_post("/events", self._event)
        self.server = TestServer(app)

    async def _reply(self, request: web.Request) -> web.Response:
        data = msgspec.json.decode(await request.read())["data"]

        def keep(key: str) -> None:
            if key not in self.replies:
                self.reply_order.append((data["thread"], key))
            self.replies[key] = data

        return await self._take(request, keep)

    async def _event(self, request: web.Request) -> web.Response:
        event = msgspec.json.decode(await request.read())

        def keep(key: str) -> None:
            if key not in self.events:
                self.event_order.append((event["subject"], event["data"]["revision"]))
            self.events[key] = event

        return await self._take(request, keep)

    async def _take(self, request: web.Request, keep: Any) -> web.Response:
        key = request.headers["webhook-id"]
        if self._chance.random() < REFUSES:
            return web.Response(status=503, headers={"Retry-After": "1"})
        await asyncio.sleep(self._chance.random() * 0.003)
        self.calls[key] += 1
        keep(key)
        return web.Response(status=500 if self._chance.random() < LIES else 200)
