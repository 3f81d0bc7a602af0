"""Where recordings are heard by other nodes: their messages do not wait for ever, should none of those live."""

from __future__ import annotations

import asyncio
import logging

from gateway import wake
from gateway.context import Gateway
from gateway.hearing import PATIENCE
from gateway.store.base import StoreError

log = logging.getLogger(__name__)

#: How often it looks, in seconds.
EVERY = 30.0


class Patience:
    """The worker that lets messages go on without their recordings, on a node that decides and does not hear."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run(self) -> None:
        """Look for ever; cancel to stop."""
        while True:
            try:
                await self.step()
            except StoreError as err:
                log.warning("patience: the store is not available: %s", err)
            await asyncio.sleep(EVERY)

    async def step(self) -> None:
        """Open what has waited too long; it is taken in when it is heard after all."""
        if await self._gateway.store.defer_recordings(self._gateway.clock() - PATIENCE):
            self._gateway.wake.signal(wake.INBOX)
