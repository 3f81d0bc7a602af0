"""Watching platforms that we have to ask: one watcher for each account of a pull channel.

What a delivery holds is committed together with the cursor and the channel's memos; only then the channel may touch
the platform's copy (``ack``). Whatever breaks, the connection is made anew and the platform still has what we lack.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from channels.base import ChannelError, Delivery, Inbound, PullChannel, Unauthorized
from gateway.context import Gateway
from gateway.intake import accept
from gateway.store.base import Stale, StoreError, StoreUnavailable
from gateway.tools import GatewayTools

log = logging.getLogger(__name__)

#: Seconds before the first new connection; doubled after each failure up to the longest.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
#: Seconds before bad credentials are tried again: providers lock accounts that hammer.
REST = 300.0
LONGEST_REST = 3600.0


class Pull:
    """The watcher of one account; ``first`` and ``rest`` are its shortest pauses in seconds.

    ``lease`` is the (name, token) that it watches under; every delivery is written with it.
    """

    def __init__(
        self,
        gateway: Gateway,
        channel: PullChannel,
        *,
        lease: tuple[str, int] | None = None,
        first: float = FIRST_PAUSE,
        rest: float = REST,
    ) -> None:
        self._gateway, self._channel, self._lease = gateway, channel, lease
        self._first, self._rest = first, rest
        self._account = f"{channel.name}/{channel.account}"
        self._part = f"intake:{self._account}"
        self._tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
        self._failures = 0

    async def run(self) -> None:
        """Watch for ever; cancel to stop. Raises :class:`Stale` when another node has the account by now."""
        self._gateway.metrics.pulling(self._account)
        while True:
            pause = await self._until_it_breaks()
            self._failures += 1
            self._gateway.metrics.reconnects.labels(self._channel.name).inc()
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads the load, guards nothing

    async def _until_it_breaks(self) -> float:
        """Take deliveries until something fails; how long to wait then."""
        try:
            await self._watch()
        except Stale:
            raise
        except Unauthorized as err:
            self._gateway.metrics.stopped(self._part, str(err))
            log.error("pull: %s: the credentials are refused: %s", self._account, err)
            return self._pause(self._rest, LONGEST_REST)
        except (ChannelError, StoreError, OSError, TimeoutError) as err:
            log.warning("pull: %s: connection given up: %s: %s", self._account, type(err).__name__, err)
        except Exception:  # a fault of a channel must not end the watching
            log.exception("pull: %s fell over", self._account)
        return self._pause(self._first, LONGEST_PAUSE)

    def _pause(self, first: float, longest: float) -> float:
        return min(longest, first * 2.0 ** min(self._failures, 20))

    async def _watch(self) -> None:
        cursor = await self._gateway.store.cursor(self._channel.name, self._channel.account)
        async with contextlib.aclosing(self._channel.deliveries(cursor, self._tools)) as deliveries:
            async for delivery in deliveries:
                await self.take(delivery)
                self._failures = 0
                self._gateway.metrics.running(self._part)

    async def take(self, delivery: Delivery) -> None:
        """Commit one delivery, then let the channel touch the platform's copy.

        Raises:
            StoreUnavailable: nothing was written.
            Stale: nothing was written, another node watches the account.
            ChannelError: the ack failed; the messages are safe and the channel will try it again.
        """
        await self._commit(delivery)
        if delivery.ack is not None:
            await delivery.ack()
        now = self._gateway.clock()
        for message in delivery.messages:
            self._gateway.metrics.pulled(self._account, max(0.0, (now - message.at).total_seconds()))
        if not delivery.messages:
            self._gateway.metrics.swept(self._account, waiting=delivery.waiting, trouble=delivery.trouble)

    async def _commit(self, delivery: Delivery) -> None:
        if not delivery.messages and not delivery.memos and delivery.cursor is None:
            return
        try:
            await self._accept(delivery, delivery.messages)
        except (Stale, StoreUnavailable):
            raise
        except Exception:  # one message that nobody can write must not hold up the others for ever
            log.exception("pull: %s: a delivery could not be written as a whole", self._account)
            for message in delivery.messages:
                await self._accept_or_set_aside(message)
            await self._accept(delivery, ())

    async def _accept(self, delivery: Delivery, messages: tuple[Inbound, ...]) -> None:
        name, account = self._channel.name, self._channel.account
        await accept(
            self._gateway,
            messages,
            received_at=self._gateway.clock(),
            cursor=None if delivery.cursor is None else (name, account, delivery.cursor),
            memos=(name, delivery.memos) if delivery.memos else None,
            lease=self._lease,
        )

    async def _accept_or_set_aside(self, message: Inbound) -> None:
        try:
            await accept(self._gateway, (message,), received_at=self._gateway.clock(), lease=self._lease)
        except (Stale, StoreUnavailable):
            raise
        except Exception as err:  # whatever it is, its bytes are kept where an operator sees them
            log.exception("pull: %s: message %s is set aside", self._account, message.external_id)
            self._gateway.metrics.quarantined.labels(self._channel.name).inc()
            await self._gateway.store.quarantine(
                message.channel,
                message.account,
                message.raw,
                type(err).__name__,
                headers={},
                at=self._gateway.clock(),
            )
