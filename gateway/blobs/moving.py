"""All files from one place into another, as they lie: what is there already is passed over, and nothing is removed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from gateway.blobs import KEY_MARK, WrongKey
from gateway.blobs.disk import WAITING
from gateway.blobs.naming import word_of
from gateway.blobs.place import Place
from gateway.blobs.spool import Spool
from gateway.store.base import NotFound

#: Files that are copied at once.
PARALLEL = 4


class Copied(NamedTuple):
    """How many files were copied, how many were there already."""

    copied: int
    there: int


async def copy(source: Place, target: Place, folder: Path, told: Callable[[Copied], None]) -> Copied:
    """Copy what is ours; ``folder`` is this machine's own. An interrupted copy is simply done again.

    Raises:
        StoreUnavailable: one of the places is away; :class:`WrongKey` when they were sealed with two secrets.
    """
    await _mark(source, target, folder)
    copied = there = 0
    async for names in _batches(source):
        done = await asyncio.gather(*(_one(source, target, name, folder) for name in names))
        copied, there = copied + sum(done), there + len(done) - sum(done)
        told(Copied(copied, there))
    return Copied(copied, there)


async def _batches(source: Place) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for name in source.names():
        if word_of(name):
            batch.append(name)
        if len(batch) == PARALLEL:
            yield batch
            batch = []
    if batch:
        yield batch


async def _one(source: Place, target: Place, name: str, folder: Path) -> bool:
    """Whether it was copied."""
    with contextlib.suppress(NotFound):
        if await target.size(name) == await source.size(name):
            return False
    if (path := source.path(name)) is not None and target.path(name) is None:
        await target.keep(name, path)
        return True
    spool = await asyncio.to_thread(Spool, folder / WAITING)
    try:
        async for piece in source.read(name):
            await asyncio.to_thread(spool.write, piece)
        await asyncio.to_thread(spool.finish)
        await target.keep(name, spool.path)
    finally:
        await asyncio.to_thread(spool.discard)
    return True


async def _mark(source: Place, target: Place, folder: Path) -> None:
    """Both were sealed with one secret, or one of them with none yet."""
    ours, theirs = await _read(source), await _read(target)
    if ours and theirs and ours != theirs:
        raise WrongKey("the attachments here and there were sealed with different secrets")
    if ours and not theirs:
        await _one(source, target, KEY_MARK, folder)


async def _read(place: Place) -> bytes:
    try:
        return b"".join([piece async for piece in place.read(KEY_MARK)])
    except NotFound:
        return b""
