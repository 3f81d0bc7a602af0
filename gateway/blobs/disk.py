"""Files in a folder of this machine: ``ab/cdef…`` is the one whose name starts with ``ab``."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

from gateway.blobs.place import PIECE, disk
from gateway.store.base import NotFound, StoreUnavailable

#: The folder of what is on its way in.
WAITING = "tmp"


class Disk:
    """Implements :class:`gateway.blobs.place.Place`. The folder is on a disk that keeps what it was told to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, name: str, file: Path) -> None:
        """Move a file of the same disk to its place, and make file and name durable."""
        await asyncio.to_thread(self._keep, self.path(name), file)

    async def size(self, name: str) -> int:
        """How many bytes it has."""
        with disk(), _there():
            return (await asyncio.to_thread(self.path(name).stat)).st_size

    async def read(self, name: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its bytes, read in another thread."""
        with disk(), _there():
            file = await asyncio.to_thread(open, self.path(name), "rb")
        try:
            left = (os.fstat(file.fileno()).st_size if stop is None else stop) - start
            await asyncio.to_thread(file.seek, start)
            while left > 0 and (piece := await asyncio.to_thread(file.read, min(left, PIECE))):
                left -= len(piece)
                yield piece
        finally:
            file.close()

    async def move(self, name: str, to: str) -> None:
        """Rename it. Its date is first, so that it is young wherever it is found."""
        with disk(), _there():
            await asyncio.to_thread(self._move, self.path(name), self.path(to))

    async def remove(self, name: str) -> None:
        """Unlink it."""
        with disk():
            await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    async def names(self, prefix: str = "", *, before: float = math.inf) -> AsyncIterator[str]:
        """A walk through the folder, a subfolder at a time."""
        for folder in await asyncio.to_thread(lambda: sorted(self._folder.glob("*"))):
            if folder.name == WAITING:
                continue
            for path in await asyncio.to_thread(_older, folder, before):
                name = path.relative_to(self._folder).as_posix()
                if name.startswith(prefix):
                    yield name

    async def tidy(self, before: float) -> int:
        """What a crash left in the folder of what comes in."""
        torn = await asyncio.to_thread(_older, self._folder / WAITING, before)
        for path in torn:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return len(torn)

    def path(self, name: str) -> Path:
        """Where it lies."""
        return self._folder / name

    async def check(self) -> str:
        """Whether the folder can be written."""
        there = next(parent for parent in (self._folder, *self._folder.parents) if parent.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            raise StoreUnavailable(f"{there} cannot be written")
        return f"on this machine's disk, {self._folder}"

    async def close(self) -> None:
        """There is nothing to close."""

    def _keep(self, target: Path, file: Path) -> None:
        with disk():
            if not _renewed(target, file.stat().st_size):
                _sync(file)
                fresh = not target.parent.exists()
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
                if fresh:
                    _sync(self._folder)
                    _sync(self._folder.parent)
            _sync(target.parent)

    def _move(self, path: Path, to: Path) -> None:
        os.utime(path)
        to.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, to)


@contextlib.contextmanager
def _there() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as err:
        raise NotFound("there is no such file") from err


def _renewed(path: Path, size: int) -> bool:
    """Whether the file is there, whole and from now on young."""
    try:
        os.utime(path)
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _older(folder: Path, before: float) -> list[Path]:
    found = []
    for path in folder.glob("*") if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another has just moved it to its place
            if path.stat().st_mtime < before:
                found.append(path)
    return found


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
