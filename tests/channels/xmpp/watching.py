"""A watcher that commits, as the gateway's does, for tests that look between the steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from channels.base import Delivery, Inbound, Memo
from channels.xmpp import Settings, Xmpp
from gateway import config
from gateway.tools import GatewayTools


class Notes:
    """What the channel remembers, as long as the test lasts."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def recall(self, keys: Iterable[str]) -> Mapping[str, str]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    async def remember(self, memos: Sequence[Memo]) -> None:
        self.kept |= {memo.key: memo.value for memo in memos}


def channel(notes: Notes | None = None, **settings: Any) -> Xmpp:
    made = Xmpp("main", config.convert(settings, Settings))
    made.use_memory(notes or Notes())
    return made


class Watch:
    """One connection of a channel; messages are known by id and content, as the inbox knows them."""

    def __init__(self, ours: Xmpp, tools: GatewayTools, notes: Notes, cursor: str | None = None) -> None:
        self._deliveries = ours.deliveries(cursor, tools)
        self._notes, self.cursor = notes, cursor
        self.found: dict[tuple[str, str], Inbound] = {}
        self.deliveries = 0

    async def next(self) -> Delivery:
        """Take one delivery without committing it."""
        async with asyncio.timeout(25):
            return await anext(self._deliveries)

    async def commit(self, delivery: Delivery) -> None:
        self.found |= {(one.external_id, one.digest): one for one in delivery.messages}
        self.deliveries += len(delivery.messages)
        self.cursor = self.cursor if delivery.cursor is None else delivery.cursor
        await self._notes.remember(delivery.memos)
        if delivery.ack is not None:
            await delivery.ack()

    async def until(self, count: int) -> list[Inbound]:
        """The first so many messages, in their order."""
        while len(self.found) < count:
            await self.commit(await self.next())
        return list(self.found.values())

    async def looked(self) -> None:
        """Commit until there is nothing more."""
        while True:
            delivery = await self.next()
            await self.commit(delivery)
            if not delivery.messages and delivery.cursor is None:
                return

    async def stop(self) -> None:
        await self._deliveries.aclose()
