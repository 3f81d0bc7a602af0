"""What the gateway lends its channels and sinks: calls through the egress filter and the files it keeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from channels.base import Answer, Attachment, Call, Refused, Retry, Socket
from gateway.blobs import Blobs
from gateway.context import utc_now
from gateway.egress import Egress
from gateway.store.base import NotFound, StoreUnavailable

#: Why a node does not act: it stood still or was cut off from the store for so long that another may do it now.
GIVEN_UP = "this node has lost touch with the store"


class GatewayTools:
    """Implements :class:`channels.base.Tools`. ``alive`` is asked before each call (:meth:`gateway.store.base.Store.alive`)."""

    def __init__(
        self,
        egress: Egress,
        blobs: Blobs,
        clock: Callable[[], datetime] = utc_now,
        *,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._egress, self._blobs, self._clock, self._alive = egress, blobs, clock, alive

    async def http(self, call: Call) -> Answer:
        """Make a call; see :meth:`gateway.egress.Egress.http` for what it raises.

        A node that may have been given up makes none: :class:`Retry`.
        """
        if not self._alive():
            raise Retry(GIVEN_UP)
        return await self._egress.http(call)

    def socket(self, url: str) -> AbstractAsyncContextManager[Socket]:
        """Open a WebSocket; see :meth:`gateway.egress.Egress.socket` for what it raises."""
        return self._egress.socket(url)

    async def read(self, attachment: Attachment) -> bytes:
        """The bytes of a kept attachment. Raises :class:`Refused` when the file is gone, :class:`Retry` while nobody can tell."""
        try:
            return await self._blobs.read(attachment.digest)
        except NotFound as err:
            raise Refused("the attachment's file is gone") from err
        except StoreUnavailable as err:
            raise Retry(str(err)) from err

    def now(self) -> datetime:
        """The time (UTC), for signatures and tokens that carry one."""
        return self._clock()
