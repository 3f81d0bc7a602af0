"""Where whole files lie: a disk's folder or a bucket. A place knows names and bytes, nothing of digests, types or rows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

from gateway.store.base import NotFound, StoreUnavailable

#: Bytes gathered before a piece is written or handed on.
PIECE = 256 * 1024


class Damaged(NotFound):
    """The file is not there as it was received: what lies in its place are other bytes."""


class Place(Protocol):
    """Names are relative paths of ASCII letters, digits, ``/``, ``.`` and ``-``. Everything raises :class:`StoreUnavailable`
    when the place is away or full.
    """

    async def keep(self, name: str, file: Path) -> None:
        """Take a finished file of this machine in; when this returns, it is durable under its name, and confirmed.

        One of that name and size that is there already stays, as young as a new one. ``file`` may be gone afterwards; broken
        off, nothing is under the name that was not before.
        """
        ...

    async def size(self, name: str) -> int:
        """How many bytes it has. Raises :class:`NotFound`."""
        ...

    def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its bytes from ``start`` up to, without, ``stop``, in pieces. Raises :class:`NotFound` before the first one."""
        ...

    async def move(self, name: str, to: str) -> None:
        """Another name for it, over what has that name; it is as young as a new one. Raises :class:`NotFound`."""
        ...

    async def remove(self, name: str) -> None:
        """Take it away; one that is not there is gone already."""
        ...

    def names(self, prefix: str = "", *, before: float = math.inf) -> AsyncIterator[str]:
        """All that begin with ``prefix`` and were kept before a time (seconds since 1970), in no order."""
        ...

    async def tidy(self, before: float) -> int:
        """Remove what broke off before a time without having got a name; how many there were."""
        ...

    def path(self, name: str) -> Path | None:
        """Where it lies on this machine's disk, or would; None where it lies elsewhere."""
        ...

    async def check(self) -> str:
        """Try it without side effects; a word for the operator on where the files lie."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@contextlib.contextmanager
def disk() -> Iterator[None]:
    """A failing disk is the store being away: nothing is accepted then."""
    try:
        yield
    except OSError as err:
        raise StoreUnavailable(f"the attachment folder cannot be used: {err.strerror}") from err
