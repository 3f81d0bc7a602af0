"""Signals that something shown has changed: all nodes that show it get them, by pub/sub.

A node subscribes to the conversations that somebody looks at here, so that those of others cost it nothing. A message is the id
of the node that sent it and a JSON list of hints, which is mostly empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.redis.link import NODE, Link, until_one_ends
from gateway.wake import WORK, Hint, LocalWake

#: So many channels are subscribed to at once, and so long is waited in between (seconds): whoever listens looks then, and after an
#: outage that is everybody.
BULK, BREATH = 100, 0.05
#: After so many seconds of silence we ask whether the connection stands; after as many again it does not.
BEAT = 5.0

_HINTS = msgspec.json.Decoder(list[dict[str, Any]])


def channel(link: Link, topic: str) -> str:
    """The name of a topic's channel."""
    return f"{link.prefix}:{topic}"


def message(node: str, hints: Sequence[Hint]) -> bytes:
    """What goes over the channel."""
    return node.encode() + msgspec.json.encode(hints)


class Shown:
    """Listens to those topics that somebody here listens to."""

    def __init__(self, link: Link, local: LocalWake) -> None:
        self._link, self._node, self._local = link, link.node.encode(), local
        self._cut = len(channel(link, ""))
        self._touched: set[str] = set()
        self._some = asyncio.Event()

    def changed(self, topics: Sequence[str]) -> None:
        """Somebody begins or ends to listen to them."""
        self._touched.update(topic for topic in topics if topic not in WORK)
        self._some.set()

    async def run(self) -> None:
        """Pass on for ever what comes. Raises :data:`gateway.redis.link.FAULTS` and :class:`Away`."""
        pubsub = self._link.client.pubsub()
        try:
            await pubsub.subscribe(channel(self._link, "nodes"))  # one has to be there before one can read
            self.changed(tuple(self._local.topics()))
            await until_one_ends(self._follow(pubsub), self._read(pubsub))
        finally:
            await pubsub.aclose()

    async def _follow(self, pubsub: Any) -> None:
        """Subscribe to what is listened to, and to nothing else."""
        subscribed: set[str] = set()
        while True:
            await self._some.wait()
            self._some.clear()
            touched, self._touched = self._touched, set()
            wanted = touched & self._local.topics()
            if old := touched & subscribed - wanted:
                await pubsub.unsubscribe(*(channel(self._link, topic) for topic in old))
            new = sorted(wanted - subscribed)
            for start in range(0, len(new), BULK):
                if start:
                    await asyncio.sleep(BREATH)
                await pubsub.subscribe(*(channel(self._link, topic) for topic in new[start : start + BULK]))
            subscribed = subscribed - old | set(new)

    async def _read(self, pubsub: Any) -> None:
        asked = False
        while True:
            found = await pubsub.get_message(timeout=BEAT)
            if found is not None:
                asked = False
                self._got(found)
            elif asked:
                raise TimeoutError("no answer on the connection that listens")
            else:
                await pubsub.ping()
                asked = True

    def _got(self, found: dict[str, Any]) -> None:
        if found["type"] == "subscribe":
            # Between the listener's first look and now a signal may have passed.
            self._local.signal(found["channel"].decode()[self._cut :])
        elif found["type"] == "message" and not found["data"].startswith(self._node):
            topic = found["channel"].decode()[self._cut :]
            for hint in _hints(found["data"]) or (None,):
                self._local.signal(topic, hint)


def _hints(data: bytes) -> Sequence[Hint]:
    try:
        return _HINTS.decode(data[NODE:])
    except (msgspec.DecodeError, RecursionError):
        return ()  # whoever wrote that: looking again does no harm
