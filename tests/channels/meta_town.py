"""A gateway whose workers are stepped by hand, and one of Meta's platforms before its door; both have one clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels._platforms._graph import GraphPlatform
from channels.base import Outbound, OutboundKind
from gateway import config
from gateway.app import assemble
from gateway.context import GATEWAY, Gateway
from gateway.flow import Flow
from gateway.outbox import Outbox
from gateway.store.base import NewSend, Send, conversation_id
from gateway.web import doors, problems


class Town:
    """``name`` is the channel, its account is ``main``."""

    def __init__(self, gateway: Gateway, platform: Any) -> None:
        self.gateway, self.platform, self.name = gateway, platform, platform.name
        self.flow, self.outbox = Flow(gateway), Outbox(gateway)

    async def work(self) -> None:
        """Until nothing is on its way, open or due."""
        await self.platform.delivered()
        while await self.flow.step():
            pass
        await self.outbox.drain()
        await self.platform.delivered()

    async def rows(self) -> list[Send]:
        """What was said to customers, the newest first."""
        page = await self.gateway.store.outbox(limit=500)
        return [row for row in page.items if row.destination.startswith("channel:")]

    def conversation_of(self, person: str) -> str:
        return conversation_id(self.name, "main", self.platform.thread_of(self.platform.person(person)))

    async def agent_says(self, person: str, text: str, key: str = "desk/1", kind: OutboundKind = "human") -> None:
        """A person at the desk answers, or what the ``kind`` says; it goes out at once."""
        thread = self.platform.thread_of(self.platform.person(person))
        conversation = await self.gateway.store.conversation(self.conversation_of(person))
        out = Outbound(
            key=key, channel=self.name, account="main", thread=thread, text=text, kind=kind, language="zh-Hans"
        )
        send = NewSend(
            key=key,
            destination=f"channel:{self.name}/main",
            lane=conversation.id,
            conversation=conversation.id,
            kind=kind,
            body=msgspec.json.encode(out),
        )
        await self.gateway.store.say(conversation.id, conversation.fence, [send])
        await self.outbox.drain()
        await self.platform.delivered()


@asynccontextmanager
async def open_town(platform: GraphPlatform, folder: Path) -> AsyncIterator[Town]:
    """The gateway in ``folder``; the platform delivers to it and is not running yet."""
    async with platform:
        tree: dict[str, Any] = {
            "secret": "0123456789012345678901234567890123456789",
            "egress": {"allow": ["127.0.0.0/8"]},
            "outbox": {"ladder": [1.0] * 9},
            "channels": {platform.name: {"main": platform.settings}},
        }
        loaded = config.Loaded(config=config.convert(tree, config.Config), file="", text="", folder=folder)
        gateway = assemble(loaded, clock=platform.now)
        await gateway.store.open()
        server = TestServer(_doors(gateway))
        async with server:
            platform.door = str(server.make_url(f"/in/{platform.name}/main"))
            yield Town(gateway, platform)
        await gateway.egress.close()
        await gateway.store.close()


def _doors(gateway: Gateway) -> web.Application:
    app = web.Application()
    app[GATEWAY] = gateway
    problems.install(app)
    app.add_routes(doors.routes(gateway))
    return app
