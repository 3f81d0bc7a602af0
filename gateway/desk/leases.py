"""Gives conversations back to the queue when the agent who holds them has long done nothing."""

from __future__ import annotations

import asyncio
import logging

from gateway import wake
from gateway.context import Gateway
from gateway.store.base import StoreError

log = logging.getLogger(__name__)

#: How often (seconds) it looks; a lease counts in minutes.
EVERY = 15.0


class Leases:
    """The worker of the leases."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run(self) -> None:
        """Look for ever; cancel to stop."""
        while True:
            try:
                await self.step()
            except StoreError as err:
                log.warning("leases: the store is not available: %s", err)
            await asyncio.sleep(EVERY)

    async def step(self) -> int:
        """End the leases that have run out; returns how many."""
        ended = await self._gateway.store.expire_leases(self._gateway.clock())
        for conversation in ended:
            self._gateway.wake.signal(wake.conversation(conversation.id))
        if ended:
            self._gateway.wake.signal(wake.DESK)
        return len(ended)
