"""What one node does for all: a worker under a lease of the store. Where its node ends, another takes over.

Without a database in common there is one process, and it gets every lease at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable

from gateway.context import Gateway
from gateway.store.base import Stale, Store, StoreError

log = logging.getLogger(__name__)

#: Seconds between two looks at a lease: whether it is free, or still ours.
LOOK = 2.0


@runtime_checkable
class Worker(Protocol):
    """Something that works as long as the application lives."""

    async def run(self) -> None: ...


class Singular:
    """A worker that runs on one node at a time, made anew each time this node is the one: what it remembered may be old.

    ``name`` is the one that it beats under.
    """

    def __init__(self, gateway: Gateway, name: str, make: Callable[[Gateway], Worker]) -> None:
        self._gateway, self._store = gateway, gateway.store
        self._name, self._lease, self._make = name, f"only:{name}", make

    async def run(self) -> None:
        """Work when it is this node's turn, for ever; cancel to stop. Raises what the worker raises."""
        while True:
            token = await taken(self._store, self._lease)
            if token is None:
                await asyncio.sleep(LOOK * random.uniform(0.75, 1.25))  # noqa: S311 - spreads the load, guards nothing
                continue
            try:
                async with returned(self._store, self._lease), _beside(self._make(self._gateway)) as working:
                    await _until_lost(self._store, self._lease, token, working)
            finally:
                self._gateway.metrics.ended(self._name)


async def taken(store: Store, lease: str) -> int | None:
    """The token of a lease that this node has now; None where another has it, or the store does not answer in time."""
    try:
        async with asyncio.timeout(LOOK):
            return await store.take_lease(lease)
    except (StoreError, TimeoutError):
        return None


@asynccontextmanager
async def returned(store: Store, lease: str) -> AsyncIterator[None]:
    """Give a lease back at the end, so that nobody has to wait for it."""
    try:
        yield
    finally:
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(LOOK):
                await store.free_lease(lease)


@asynccontextmanager
async def _beside(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until_lost(store: Store, lease: str, token: int, working: asyncio.Task[None]) -> None:
    """Wait as long as the lease is ours. Raises what the worker raised; Stale is the lease's loss."""
    while True:
        done, _ = await asyncio.wait([working], timeout=LOOK)
        if done:
            with contextlib.suppress(Stale):
                await working
            return
        if not store.alive() or await _is_lost(store, lease, token):
            log.warning("%s: another node may have it by now", lease)
            return


async def _is_lost(store: Store, lease: str, token: int) -> bool:
    """Whether somebody else has it. Where the store does not answer, :meth:`Store.alive` will tell."""
    try:
        async with asyncio.timeout(LOOK):
            return await store.take_lease(lease) != token
    except (StoreError, TimeoutError):
        return False
