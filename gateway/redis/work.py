"""Signals that there is work: one of the other nodes gets each, by a consumer group on a stream for each topic.

An entry says which node it comes from and nothing else. What nobody acknowledges or reads is no loss, so the streams are
short and nothing is acknowledged. Who gets a signal of its own hands it on once: it is not waiting to read then, so
another node gets it where there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.exceptions import ResponseError

from gateway.redis.link import ANSWER, Link
from gateway.wake import WORK, LocalWake

GROUP, CONSUMER = "nodes", "node"
#: Entries that a stream keeps, about.
KEPT = 100
#: Seconds that one read waits.
WAIT = 2.0

#: The group is gone: emptied, failed over to a server that had not heard of it, or never made.
_NO_GROUP = ("NOGROUP", "UNBLOCKED")


def stream(link: Link, topic: str) -> str:
    """The key of a topic's stream."""
    return f"{link.prefix}:work:{topic}"


class Work:
    """Reads the streams of those topics that somebody here listens to."""

    def __init__(self, link: Link, local: LocalWake) -> None:
        self._link, self._node, self._local = link, link.node.encode(), local
        self.changed = asyncio.Event()
        """Set when somebody begins or ends to listen."""

    async def run(self) -> None:
        """Read for ever. Raises :data:`gateway.redis.link.FAULTS` and :class:`Away`."""
        while True:
            self.changed.clear()
            topics = sorted(self._local.topics() & WORK)
            if topics:
                await self._read(topics)
            else:
                await self.changed.wait()

    async def _read(self, topics: Sequence[str]) -> None:
        asked = {stream(self._link, topic): ">" for topic in topics}
        try:
            async with asyncio.timeout(WAIT + ANSWER):
                found = await self._link.client.xreadgroup(
                    GROUP, CONSUMER, asked, count=KEPT, block=int(WAIT * 1000), noack=True
                )
        except ResponseError as err:
            if not str(err).startswith(_NO_GROUP):
                raise
            await self._begin(topics)
            return
        for key, entries in found or ():
            await self._got(key.decode(), [fields for _, fields in entries])

    async def _got(self, key: str, entries: Sequence[dict[bytes, bytes]]) -> None:
        own = [fields for fields in entries if fields.get(b"n") == self._node]
        if len(own) < len(entries):
            self._local.signal(key.rpartition(":")[2])
        elif any(b"on" not in fields for fields in own):
            fields = {"n": self._node, "on": "1"}
            await self._link.ask(lambda client: client.xadd(key, fields, maxlen=KEPT, approximate=True))

    async def _begin(self, topics: Sequence[str]) -> None:
        """Make the groups; what was signalled meanwhile may be lost, so everybody here looks."""
        for topic in topics:
            try:
                async with asyncio.timeout(ANSWER):
                    await self._link.client.xgroup_create(stream(self._link, topic), GROUP, id="0", mkstream=True)
            except ResponseError as err:
                if not str(err).startswith("BUSYGROUP"):
                    raise
            self._local.signal(topic)
