"""A watcher that commits, as the gateway's does, for tests that look between the steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from channels.base import Delivery, Inbound, Memo
from channels.matrix import Matrix, Settings
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


def channel(notes: Notes | None = None, **settings: Any) -> Matrix:
    made = Matrix("main", config.convert(settings, Settings))
    made.use_memory(notes or Notes())
    return made


class Watch:
    """One connection of a channel; messages are known by their ids, as the inbox knows them."""

    def __init__(self, ours: Matrix, tools: GatewayTools, notes: Notes, cursor: str | None = None) -> None:
        self._deliveries = ours.deliveries(cursor, tools)
        self._notes, self.cursor = notes, cursor
        self.found: dict[str, Inbound] = {}
        self.troubles: list[str] = []

    async def next(self) -> Delivery:
        """Take one delivery without committing it."""
        return await anext(self._deliveries)

    async def commit(self, delivery: Delivery) -> None:
        self.found |= {message.external_id: message for message in delivery.messages}
        self.cursor = self.cursor if delivery.cursor is None else delivery.cursor
        self.troubles += [delivery.trouble] if delivery.trouble else []
        await self._notes.remember(delivery.memos)
        if delivery.ack is not None:
            await delivery.ack()

    async def until(self, count: int) -> list[Inbound]:
        """The first so many messages, by their time."""
        while len(self.found) < count:
            await self.commit(await self.next())
        return sorted(self.found.values(), key=lambda message: message.at)

    async def started(self) -> None:
        """Commit until the first look is over."""
        while not self.cursor:
            await self.commit(await self.next())

    async def stop(self) -> None:
        await self._deliveries.aclose()
