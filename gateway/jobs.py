"""Jobs that wait in rows, done by one node at a time: several look at the same rows, and each takes what no other has in hand."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from gateway.store.base import Store

T = TypeVar("T")

#: Rows that are looked at for each that is wanted: the first ones are in other hands.
LOOK = 4


async def in_hand(store: Store, kind: str, waiting: Mapping[str, T], room: int) -> Sequence[tuple[str, T]]:
    """Up to ``room`` of what waits, by its name, that is this node's now, with the job's name; each goes into :func:`done`."""
    names = {f"{kind}:{name}": one for name, one in waiting.items()}
    return [(name, names[name]) for name in await store.take_jobs(tuple(names), room)]


async def done(store: Store, name: str, work: Awaitable[None]) -> None:
    """Do a job that is in hand, and give it out of the hand however it ends."""
    try:
        await work
    finally:
        await store.free_jobs((name,))
