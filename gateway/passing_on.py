"""A platform's call that says "ask me" reaches any node; the one that watches the account has to hear it.

The request goes there as it came, with the signals between nodes, and its signature is looked at again: who can write to
Redis can make no channel ask.
"""

from __future__ import annotations

import base64
import logging

import msgspec

from channels.base import BadPayload, BadSignature, PullChannel, PushChannel, Request
from gateway.context import Gateway
from gateway.wake import Hint, Wake

log = logging.getLogger(__name__)

#: Such a call is a few hundred bytes; more is passed on to nobody, and the watcher asks by itself.
MOST = 16 * 1024

_REQUEST = msgspec.json.Decoder(Request)


def topic(channel: PushChannel | PullChannel) -> str:
    """Where the calls for an account's watcher are told."""
    return f"called:{channel.name}/{channel.account}"


def pass_on(wake: Wake, channel: PushChannel, request: Request) -> None:
    """Tell the watcher of a call that brought nothing itself, where the account has one."""
    if isinstance(channel, PullChannel) and len(request.body) <= MOST:
        wake.signal(topic(channel), {"request": base64.b64encode(msgspec.json.encode(request)).decode()})


async def hear(gateway: Gateway, channel: PullChannel) -> None:
    """Show the account's calls to its channel on this node, for ever; cancel to stop."""
    if not isinstance(channel, PushChannel):
        return
    with gateway.wake.listen(topic(channel)) as signals:
        while True:
            for hint in await signals.next():
                _show(channel, hint)


def _show(channel: PushChannel, hint: Hint) -> None:
    try:
        channel.accept(_REQUEST.decode(base64.b64decode(str(hint.get("request", "")))))
    except (ValueError, BadPayload, BadSignature) as err:
        log.warning("%s: a call that was passed on is not the platform's: %s", channel.name, type(err).__name__)
