"""Uploads that may break off: their bytes lie beside the blobs until all are there, and only then become a message.

An upload is a data file and a small JSON file with what was said of it. How far it is, is the data file's size: it is synced
before a piece is acknowledged, so nothing that was acknowledged is sent again, after a crash neither. The message's id is the
upload's, so an upload that is finished twice is one message.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import msgspec

from gateway.store.base import NotFound, StoreUnavailable

#: An upload without a byte for so long is thrown away; a finished one is known so long.
LIFE = timedelta(hours=24)
#: Most unfinished uploads of one account.
MAX_OPEN = 200
_ID = re.compile(r"[0-9a-f]{32}")


class TooMany(Exception):
    """The account has :data:`MAX_OPEN` unfinished uploads."""


class Busy(Exception):
    """Another process of this machine writes the upload."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """``account`` brings ``length`` bytes; ``said`` is what it tells of them. ``conversation`` once it is a message."""

    id: str
    account: str
    length: int
    said: Mapping[str, str] = {}
    conversation: str = ""


class Uploads:
    """The folder of the uploads. ``max_open`` unfinished ones an account may have."""

    def __init__(self, folder: Path, *, max_open: int = MAX_OPEN) -> None:
        self._folder, self._max_open = folder, max_open
        self._locks: dict[str, asyncio.Lock] = {}

    async def create(self, account: str, length: int, said: Mapping[str, str]) -> Upload:
        """A new upload, durable. Raises :class:`TooMany`, StoreUnavailable."""
        upload = Upload(id=secrets.token_hex(16), account=account, length=length, said=said)
        unfinished = sum(one.account == account and not one.conversation for one in await asyncio.to_thread(self._all))
        if unfinished >= self._max_open:
            raise TooMany
        with _disk():
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(self.path(upload.id).touch, mode=0o600)
            await asyncio.to_thread(self._write, upload)
        return upload

    async def find(self, id: str, account: str) -> tuple[Upload, int]:
        """The upload of this account and how many of its bytes are here. Raises :class:`NotFound`."""
        if not _ID.fullmatch(id):
            raise NotFound("no upload")
        try:
            upload = msgspec.json.decode(await asyncio.to_thread(self._about(id).read_bytes), type=Upload)
            size = upload.length if upload.conversation else self.path(id).stat().st_size
        except (FileNotFoundError, msgspec.MsgspecError) as err:
            raise NotFound("no upload") from err
        if upload.account != account:
            raise NotFound("no upload")
        return upload, size

    async def take(self, upload: Upload, at: int, pieces: AsyncIterator[bytes]) -> int:
        """Append what comes behind byte ``at``, up to the upload's length; how many bytes are here then, durably.

        What came before an error of the iterator stays. Raises :class:`Busy`, and StoreUnavailable when the disk is full.
        """
        with _disk():
            file = await asyncio.to_thread(open, self.path(upload.id), "ab")
        try:
            _alone(file, at)
            async for piece in pieces:
                room = upload.length - file.tell()
                with _disk():
                    await asyncio.to_thread(file.write, piece[:room])
                if len(piece) > room:
                    break
        finally:
            with _disk():
                await asyncio.to_thread(_sync, file)
                size = file.tell()
                file.close()
        return size

    async def finished(self, upload: Upload, conversation: str) -> Upload:
        """It is a message: its bytes are a blob and are not needed here; that it came is known for a while."""
        done = msgspec.structs.replace(upload, conversation=conversation)
        with _disk():
            await asyncio.to_thread(self._write, done)
        await asyncio.to_thread(self.path(upload.id).unlink, True)
        return done

    async def remove(self, id: str) -> None:
        """Forget it, with its bytes."""
        for path in (self.path(id), self._about(id)):
            await asyncio.to_thread(path.unlink, True)

    async def sweep(self, now: datetime) -> int:
        """Throw away what nobody went on with; how many there were."""
        removed = 0
        for upload in await asyncio.to_thread(self._all):
            if self.expires(upload.id) < now and not self.lock(upload.id).locked():
                await self.remove(upload.id)
                removed += 1
        self._locks = {id: lock for id, lock in self._locks.items() if lock.locked()}
        return removed

    def expires(self, id: str) -> datetime:
        """When it is thrown away unless a byte comes before."""
        touched = 0.0
        for path in (self.path(id), self._about(id)):
            with contextlib.suppress(FileNotFoundError):
                touched = max(touched, path.stat().st_mtime)
        return datetime.fromtimestamp(touched, UTC) + LIFE

    def lock(self, id: str) -> asyncio.Lock:
        """Held while somebody writes it."""
        return self._locks.setdefault(id, asyncio.Lock())

    def path(self, id: str) -> Path:
        """Where its bytes lie."""
        return self._folder / f"{id}.part"

    def _about(self, id: str) -> Path:
        return self._folder / f"{id}.json"

    def _all(self) -> list[Upload]:
        found = []
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
                found.append(msgspec.json.decode(path.read_bytes(), type=Upload))
        return found

    def _write(self, upload: Upload) -> None:
        """Whole or not at all."""
        temporary = self._folder / f"{upload.id}.new"
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(upload))
            _sync(file)
        os.replace(temporary, self._about(upload.id))


def _alone(file: IO[bytes], at: int) -> None:
    """Hold the file until it is closed, as it was when the caller looked at it. Raises :class:`Busy`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        raise Busy from err
    if file.tell() != at:
        raise Busy


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise StoreUnavailable(f"the folder of the uploads cannot be written: {err.strerror}") from err
