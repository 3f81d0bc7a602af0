"""The wake of many nodes: local listeners at once, the others through Redis.

Redis is never needed. While it is away every listener looks again by itself, more often; when it comes everybody looks once,
and nothing else has to be made good.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from channels.base import Finding
from gateway.metrics import Metrics
from gateway.redis.link import FAULTS, Away, Link, Script, until_one_ends
from gateway.redis.shown import BEAT, Shown, channel, message
from gateway.redis.work import KEPT, Work, stream
from gateway.wake import CARRIED, MAX_HINTS, MISSING, WORK, Hint, Listener, LocalWake

log = logging.getLogger(__name__)

#: Signals of one topic closer together than this (seconds) are one, but the first goes at once.
CALM = 0.005
#: Seconds before the next try to connect, at first and at most.
PAUSE, LONGEST_PAUSE = 0.2, 5.0
#: A connection that held so long (seconds) is a good one: pauses begin from the start, and its end is worth a word.
STEADY = 10.0

#: KEYS: one for the place, then streams. ARGV: the node, entries to keep, then channel and message by turns.
_SIGNAL = Script(
    """
for i = 2, #KEYS do redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[2], '*', 'n', ARGV[1]) end
for i = 3, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end
"""
)


class RedisWake:
    """:class:`gateway.wake.Wake` over Redis, and the worker that keeps the connection."""

    def __init__(self, link: Link, metrics: Metrics) -> None:
        self._link, self._metrics = link, metrics
        self._local = LocalWake()
        self._work = Work(link, self._local)
        self._shown = Shown(link, self._local)
        self._pending: dict[str, list[Hint]] = {}
        self._some = asyncio.Event()
        self._told = False

    @property
    def poll(self) -> float:
        """Longer while signals come."""
        return CARRIED if self._link.up else MISSING

    def signal(self, topic: str, hint: Hint | None = None) -> None:
        """Wake who listens here now, and the others as soon as Redis has it; never waits, never raises."""
        self._local.signal(topic, hint)
        if not self._link.up:
            return  # who listens elsewhere looks by itself
        hints = self._pending.setdefault(topic, [])
        if hint is not None:
            hints.append(hint)
            del hints[:-MAX_HINTS]
        self._some.set()

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Listener]:
        try:
            with self._local.listen(*topics) as listener:
                self._changed(topics)
                yield listener
        finally:
            self._changed(topics)

    def _changed(self, topics: tuple[str, ...]) -> None:
        self._work.changed.set()
        self._shown.changed(topics)

    async def check(self) -> Finding:
        """Whether Redis answers, for ``allears check --connect``."""
        try:
            await self._link.connect()
        except FAULTS as err:
            return Finding(what="redis", ok=False, detail=f"{type(err).__name__}: {err}")
        finally:
            await self._link.close()
        return Finding(what="redis", ok=True, detail="answers")

    async def run(self) -> None:
        """Keep connected for ever; cancel to stop."""
        pause, loop = PAUSE, asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                try:
                    await self._link.connect()
                    self._back()
                    await until_one_ends(
                        self._link.watch(BEAT), self._send(), self._work.run(), self._shown.run(), self._hold()
                    )
                except (*FAULTS, Away) as err:
                    self._gone(err)
                finally:
                    await self._link.close()
                if loop.time() - began > STEADY:
                    pause = PAUSE
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only that not all come at once
                pause = min(LONGEST_PAUSE, pause * 2)
        finally:
            await self._link.close()

    def _back(self) -> None:
        if not self._told:
            log.info("redis: connected")
        self._metrics.running("redis")
        self._workers()  # pages look when they are subscribed again

    async def _hold(self) -> None:
        await asyncio.sleep(STEADY)
        if self._told:
            log.info("redis: back")
        self._told = False
        await asyncio.Event().wait()

    def _gone(self, err: Exception) -> None:
        """Said once, not at each try."""
        self._pending.clear()
        fault = err.__cause__ or err
        if not self._told:
            why = f"{type(fault).__name__}: {fault}"
            log.warning("redis: away (%s); nodes look for work by themselves until it is back", why)
            self._workers()
        self._metrics.stopped("redis", f"away ({type(fault).__name__})")
        self._told = True

    def _workers(self) -> None:
        """Work of which nobody heard is found now."""
        for topic in self._local.topics() & WORK:
            self._local.signal(topic)

    async def _send(self) -> None:
        try:
            while True:
                await self._some.wait()
                await self._say()
                await asyncio.sleep(CALM)
        finally:
            with contextlib.suppress(Away):  # the last words of a node that stops
                await self._say()

    async def _say(self) -> None:
        """Tell the others what has gathered. Raises :class:`Away`."""
        self._some.clear()
        pending, self._pending = self._pending, {}
        if not pending:
            return
        streams = [stream(self._link, topic) for topic in pending if topic in WORK]
        messages: list[Any] = []
        for topic, hints in pending.items():
            if topic not in WORK:
                messages += (channel(self._link, topic), message(self._link.node, hints))
        try:
            await self._link.script(_SIGNAL, [self._link.prefix, *streams], [self._link.node, KEPT, *messages])
        except asyncio.CancelledError:
            self._pending = pending | self._pending  # it may not have got there; a second time does no harm
            raise
