"""What has to be looked after now and then: files that no row names (an upload whose message never came)."""

from __future__ import annotations

import asyncio
import logging

from gateway.context import Gateway
from gateway.store.base import StoreError

log = logging.getLogger(__name__)

#: How often it looks, in seconds.
EVERY = 3600.0


class Housekeeping:
    """The worker that tidies up."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run(self) -> None:
        """Tidy for ever; cancel to stop."""
        while True:
            try:
                removed = await self._gateway.blobs.sweep(self._gateway.store.blob_in_use)
            except (StoreError, OSError) as err:
                log.warning("housekeeping: not this time: %s", err)
            else:
                if removed:
                    log.info("housekeeping: %d files that nobody names were removed", removed)
            await asyncio.sleep(EVERY)
