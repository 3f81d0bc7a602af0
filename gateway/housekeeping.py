"""What has to be looked after now and then: what is kept long enough, and files that no row names any more or ever did."""

from __future__ import annotations

import asyncio
import logging

from gateway.context import Gateway
from gateway.store.base import Keep, StoreError

log = logging.getLogger(__name__)

#: How often it looks, in seconds.
EVERY = 3600.0


class Housekeeping:
    """The worker that tidies up."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        settings = gateway.config.retention
        self._keep = Keep(raw_months=settings.raw_months, trace_months=settings.trace_months, years=settings.years)

    async def run(self) -> None:
        """Tidy for ever; cancel to stop."""
        while True:
            try:
                await self._tidy()
            except (StoreError, OSError) as err:
                log.warning("housekeeping: not this time: %s", err)
            await asyncio.sleep(EVERY)

    async def _tidy(self) -> None:
        """Rows first: the files that they named are nobody's then."""
        gone = await self._gateway.store.tidy(self._gateway.clock(), self._keep)
        if gone.erased:
            log.info("housekeeping: %d conversations that ended long ago were erased", gone.erased)
        removed = await self._gateway.blobs.sweep(self._gateway.store.blob_in_use)
        if removed:
            log.info("housekeeping: %d files that nobody names were removed", removed)
