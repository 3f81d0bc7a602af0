"""Who is waiting for what: signals that say "look again", never what is there.

The rows are the truth. A lost signal costs a poll interval, never a message; so a signal may be carried by
anything (one process: this module; many nodes: ``gateway/redis/wake.py``).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from channels.base import Finding

#: Topics. A conversation's own is ``conversation(id)``.
INBOX = "inbox"
OUTBOX = "outbox"
DESK = "desk"
HEARING = "hearing"
FILES = "files"
LISTENING = "listening"

#: Topics of work: it is enough that one of the others looks. All other topics show something, and reach everybody.
WORK = frozenset({INBOX, OUTBOX, HEARING, FILES, LISTENING})

#: Seconds after which who shows something looks again without a signal: where none can be lost (one process), where one
#: can, and where none comes (many nodes, no Redis now).
SURE, CARRIED, MISSING = 30.0, 10.0, 3.0

#: Something passing that is not stored, such as ``{"type": "typing", "who": "agent"}``.
Hint = Mapping[str, Any]

#: Most hints that wait for one listener; older ones are dropped first.
MAX_HINTS = 32


def conversation(id: str) -> str:
    """The topic of one conversation."""
    return f"conversation:{id}"


def call(id: str) -> str:
    """The topic of the call that runs in a conversation: something was said, or it is over."""
    return f"call:{id}"


class Listener:
    """Waits for its topics. Signals between two calls of :meth:`next` are one wake-up."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._hints: list[Hint] = []

    def poke(self, hint: Hint | None) -> None:
        """Called by the wake when a topic was signalled."""
        if hint is not None:
            self._hints = [*self._hints[1 - MAX_HINTS :], hint]
        self._event.set()

    async def next(self, timeout: float | None = None) -> tuple[Hint, ...]:
        """Wait for a signal, at most ``timeout`` seconds; the hints that came with it."""
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the signal, and the
            # worker would never stop.
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return ()
        self._event.clear()
        hints, self._hints = tuple(self._hints), []
        return hints


class Wake(Protocol):
    """Signals by topic."""

    @property
    def poll(self) -> float:
        """Seconds after which who shows something looks again by itself."""
        ...

    def signal(self, topic: str, hint: Hint | None = None) -> None:
        """Wake everyone who listens to the topic."""
        ...

    def listen(self, *topics: str) -> Any:
        """A context manager that gives a :class:`Listener`."""
        ...


@runtime_checkable
class Connects(Protocol):
    """A wake that needs a server."""

    async def check(self) -> Finding:
        """Whether it answers, without side effects."""
        ...


class LocalWake:
    """The wake of one process. ``poll``: :data:`MISSING` where other nodes work on the same store."""

    def __init__(self, poll: float = SURE) -> None:
        self.poll = poll
        self._listeners: dict[str, set[Listener]] = defaultdict(set)

    def signal(self, topic: str, hint: Hint | None = None) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.poke(hint)

    def topics(self) -> frozenset[str]:
        """What somebody listens to now."""
        return frozenset(self._listeners)

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Listener]:
        listener = Listener()
        for topic in topics:
            self._listeners[topic].add(listener)
        try:
            yield listener
        finally:
            for topic in topics:
                self._listeners[topic].discard(listener)
                if not self._listeners[topic]:
                    del self._listeners[topic]
