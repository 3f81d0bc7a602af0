"""By which channel a person can be written to: a conversation whose reply window is open, or one that can be begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import NamedTuple

from channels.base import PUBLIC, BeginsThreads, Channel, RecordsCalls, Sender
from channels.webchat import Webchat
from gateway.context import Gateway
from gateway.store import identity
from gateway.store.base import Conversation

#: A window that closes so soon is as good as closed.
MARGIN = timedelta(minutes=1)


class Way(NamedTuple):
    """A thread in which the person is reached. ``conversation`` is its id where there is one."""

    channel: str
    account: str
    thread: str
    sender: Sender
    conversation: str = ""


async def open_ways(gateway: Gateway, conversations: Iterable[Conversation]) -> AsyncIterator[Way]:
    """Conversations that can be written in now. A window of the web chat is none: whether somebody looks there is not known."""
    for found in conversations:
        if _is_open(gateway, found) and not await gateway.store.blocked(found.id):
            sender = Sender(id=found.sender, name=found.sender_name)
            yield Way(found.channel, found.account, found.thread, sender, found.id)


async def new_ways(gateway: Gateway, addresses: Iterable[str], key: str) -> AsyncIterator[Way]:
    """Threads that can be begun with the person behind an address. Raises :class:`ChannelError` where that fails."""
    for address in filter(identity.is_address, addresses):
        sender = identity.sender(address)
        for name, account in _first_writers(gateway):
            channel = gateway.channels.get((name, account))
            if isinstance(channel, BeginsThreads) and (thread := await channel.begin(sender, key)):
                yield Way(name, account, thread, sender)


def _first_writers(gateway: Gateway) -> Iterable[tuple[str, str]]:
    """What the owner allows, else all but the API: whose system may not know what to do with a stranger's address."""
    allowed = [name.partition("/") for name in gateway.config.outbox.begin_by]
    if allowed:
        return [(name, account) for name, _, account in allowed]
    return [where for where in gateway.channels if where[0] != "api"]


def _is_open(gateway: Gateway, found: Conversation) -> bool:
    channel = gateway.channels.get((found.channel, found.account))
    if channel is None or not found.thread or found.thread.startswith(PUBLIC) or not _can_push(channel):
        return False
    return found.window_closes_at is None or found.window_closes_at > gateway.clock() + MARGIN


def _can_push(channel: Channel) -> bool:
    return not isinstance(channel, (RecordsCalls, Webchat))
