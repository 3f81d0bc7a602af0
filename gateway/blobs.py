"""Attachment files by their content: ``blobs/ab/cdef…`` is the file whose sha256 starts with ``abcdef``.

A file is complete and durable before its digest is handed out, so a row can never name a file that is not there. The
same bytes are one file. What nothing names for a day is swept away.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from channels.base import Attachment
from gateway.sniff import BINARY, HEAD, MAX_PIXELS, pixels, sniff
from gateway.store.base import NotFound, StoreUnavailable

#: Bytes gathered before a piece is written.
PIECE = 256 * 1024
#: Seconds a file may lie around without a row that names it: a day, far longer than any intake takes.
ORPHAN_SECONDS = 86_400.0
#: Longest display name in characters.
MAX_NAME = 120

_DIGEST = re.compile(r"[0-9a-f]{64}")


def display_name(name: str) -> str:
    """A name that is only a name: no folders, no control or direction characters, at most :data:`MAX_NAME` long."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    shown = shown.strip().lstrip(".").strip()
    if len(shown) > MAX_NAME:
        stem, dot, suffix = shown.rpartition(".")
        keep = dot + suffix if stem and len(suffix) <= 10 else ""
        shown = shown[: MAX_NAME - len(keep)] + keep
    return shown or "file"


class Blobs:
    """The folder of the attachment files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Between "is it there?" and "then its date is now" no sweep may take the file away.
        self._lock = threading.Lock()

    async def put(
        self,
        data: bytes | AsyncIterator[bytes],
        *,
        name: str,
        type: str,  # noqa: ARG002 - the sender's claim is never believed
        limit: int,
    ) -> Attachment:
        """Keep a file; when this returns ``kept``, it is durable.

        ``limit`` in bytes. A file that is empty or larger comes back ``refused`` with the reason, and nothing is kept. Errors of
        the iterator pass through.

        Raises:
            StoreUnavailable: the disk is full or away.
        """
        shown = display_name(name)
        writer = await asyncio.to_thread(_Writer, self.folder)
        try:
            async with contextlib.aclosing(_pieces(data)) as pieces:
                async for piece in pieces:
                    if writer.size + len(piece) > limit:
                        return Attachment(name=shown, type=BINARY, state="refused", reason=f"larger than {limit} bytes")
                    await asyncio.to_thread(writer.write, piece)
            if not writer.size:
                return Attachment(name=shown, type=BINARY, state="refused", reason="the file is empty")
            await asyncio.to_thread(self._keep, writer)
        finally:
            await asyncio.to_thread(writer.discard)
        kind, reason = _judge(writer.head, shown)
        return Attachment(name=shown, type=kind, size=writer.size, digest=writer.digest, state="kept", reason=reason)

    def path(self, digest: str) -> Path:
        """Where the file of a digest lies. Raises :class:`NotFound` for what is no sha256 in hex."""
        if not _DIGEST.fullmatch(digest):
            raise NotFound("not a digest")
        return self.folder / digest[:2] / digest[2:]

    async def read(self, digest: str) -> bytes:
        """The bytes of a file. Raises :class:`NotFound`."""
        try:
            return await asyncio.to_thread(self.path(digest).read_bytes)
        except FileNotFoundError as err:
            raise NotFound("there is no such file") from err

    async def remove(self, digest: str) -> None:
        """Take a file away for good (erasure); one that is not there is gone already."""
        await asyncio.to_thread(_unlink, self.path(digest))

    async def sweep(self, in_use: Callable[[str], Awaitable[bool]], *, now: float | None = None) -> int:
        """Remove files older than a day that ``in_use`` (``store.blob_in_use``) does not know; returns how many."""
        before = (time.time() if now is None else now) - ORPHAN_SECONDS
        removed = 0
        for path in await asyncio.to_thread(self._older, before):
            digest = path.parent.name + path.name
            if _DIGEST.fullmatch(digest) and await in_use(digest):
                continue
            removed += await asyncio.to_thread(self._remove_if_older, path, before)
        return removed

    def _older(self, before: float) -> list[Path]:
        found = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):  # an intake has just moved it to its place
                if path.stat().st_mtime < before:
                    found.append(path)
        return found

    def _remove_if_older(self, path: Path, before: float) -> bool:
        with self._lock:
            try:
                if path.stat().st_mtime >= before:
                    return False
            except FileNotFoundError:
                return False
            _unlink(path)
        return True

    def _keep(self, writer: _Writer) -> None:
        """Move the written file to its place, and make file and name durable."""
        target = self.path(writer.digest)
        with _disk(), self._lock:
            if target.exists():
                os.utime(target)
            else:
                writer.finish()
                fresh = not target.parent.exists()
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(writer.path, target)
                if fresh:
                    _sync_folder(self.folder)
                    _sync_folder(self.folder.parent)
            _sync_folder(target.parent)


class _Writer:
    """A file on its way in: written under a temporary name, hashed as it comes."""

    def __init__(self, folder: Path) -> None:
        with _disk():
            waiting = folder / "tmp"
            waiting.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path = waiting / secrets.token_hex(16)
            self._file: BinaryIO = self.path.open("xb")
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, piece: bytes) -> None:
        with _disk():
            self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Close and remove the temporary file; one that has moved to its place stays there."""
        with contextlib.suppress(OSError):  # a full disk may fail the flush of what we throw away
            self._file.close()
        _unlink(self.path)


def _judge(head: bytes, name: str) -> tuple[str, str]:
    """The type to hand a file out as, and why it is only a download where it looks like a picture."""
    kind = sniff(head, name)
    count = pixels(head, kind)
    if 0 <= count <= MAX_PIXELS:
        return kind, ""
    return BINARY, "the picture's size cannot be told" if count < 0 else f"a picture of {count} pixels is not shown"


async def _pieces(data: bytes | AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data in pieces of about :data:`PIECE` bytes. A download that is not wanted any more is closed at once."""
    if isinstance(data, bytes):
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]
        return
    gathered = bytearray()
    try:
        async for chunk in data:
            gathered += chunk
            if len(gathered) >= PIECE:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)
    finally:
        if isinstance(data, AsyncGenerator):
            await data.aclose()


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """A failing disk is the store being away: nothing is accepted then."""
    try:
        yield
    except OSError as err:
        raise StoreUnavailable(f"the attachment folder cannot be written: {err.strerror}") from err


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
