"""Which workers a node has, by its roles; they live as long as the application does.

What may be done side by side is (the rows see to it), what only one may do runs under a lease. Whatever talks to platforms
belongs to `channels`: watching, sending and fetching want the way out, its fixed address and the credentials, the other roles
need the store alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TypeGuard

from channels.base import Channel, PullChannel, PushesOrPulls
from channels.phone import Phone
from gateway.audiosocket import AudioSocket
from gateway.calls import Calls
from gateway.context import Gateway
from gateway.desk.leases import Leases
from gateway.fetching import Fetching
from gateway.flow import Flow
from gateway.hearing import Hearing
from gateway.housekeeping import Housekeeping
from gateway.linking import Linking
from gateway.listening import Listening
from gateway.outbox import Outbox
from gateway.patience import Patience
from gateway.reloading import Reloading
from gateway.singular import Singular, Worker
from gateway.watching import Watching

log = logging.getLogger(__name__)

#: Seconds before a fallen worker starts again.
RESTART_PAUSE = 1.0


def workers(gateway: Gateway, calls: Calls | None) -> Iterator[Worker]:
    """The workers of this node's roles. ``calls``: those that run on a node with `web`."""
    roles = gateway.config.node.roles
    yield Reloading(gateway)
    if "flow" in roles:
        yield Flow(gateway)
        yield Leases(gateway)
        if "transcribe" not in roles:
            yield Patience(gateway)
        yield Singular(gateway, "linking", Linking)
        yield Singular(gateway, "housekeeping", Housekeeping)
    if "channels" in roles:
        yield Outbox(gateway)
        yield Fetching(gateway)
        if watched := [channel for channel in gateway.channels.values() if _is_asked(channel)]:
            yield Watching(gateway, watched)
    if "transcribe" in roles:
        yield Hearing(gateway)
        yield Listening(gateway)
    if calls is not None:
        yield from _lines(gateway, calls)


def _lines(gateway: Gateway, calls: Calls) -> Iterator[Worker]:
    """What phone accounts need where calls come in."""
    phones = [channel for channel in gateway.channels.values() if isinstance(channel, Phone)]
    for phone in phones:
        if phone.audiosocket:
            yield AudioSocket(calls, phone)
    if phones:
        yield calls


def _is_asked(channel: Channel) -> TypeGuard[PullChannel]:
    """Whether a watcher has to ask the platform of this account."""
    if isinstance(channel, PushesOrPulls):
        return channel.pulling
    return isinstance(channel, PullChannel)


async def kept_running(worker: Worker) -> None:
    """A worker that falls over is started again: what it was doing is still in the store."""
    while True:
        try:
            await worker.run()
        except Exception:  # any fault: the alternative is a gateway that takes in and never answers
            log.exception("%s fell over and starts again", type(worker).__name__)
            await asyncio.sleep(RESTART_PAUSE)
