"""Attachment files by their content. A file is complete and durable before its digest is handed out, so a row can never name a
file that is not there. The same bytes are one file. What nothing names is swept away.

Nobody outside this package knows where files lie (:mod:`gateway.blobs.place`) and whether they are sealed
(:mod:`gateway.blobs.sealing`): they are put, found, read in parts, lent as a local copy, and removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from channels.base import Attachment
from gateway.blobs.disk import WAITING, Disk
from gateway.blobs.file import File, Plain, Sealed
from gateway.blobs.naming import SWEPT, checked, display_name, placed, word_of
from gateway.blobs.place import PIECE, Damaged, Place, disk
from gateway.blobs.spool import Spool
from gateway.sniff import BINARY, MAX_PIXELS, pixels, sniff
from gateway.store.base import NotFound, StoreUnavailable

if TYPE_CHECKING:
    from gateway.blobs.sealing import Sealing

__all__ = ["ORPHAN_SECONDS", "PIECE", "Blobs", "Damaged", "File", "WrongKey", "display_name"]

#: Seconds a file may lie around without a row that names it: a day, longer than any intake takes. Then it is set aside, and
#: after as long again it is gone.
ORPHAN_SECONDS = 86_400.0
#: Here is written whose key has sealed the files.
KEY_MARK = "sealed-with"


class WrongKey(StoreUnavailable):
    """The files were sealed with another secret: nothing sealed can be read, and nothing is added."""


class Blobs:
    """The attachment files. ``folder`` is this machine's own, for what is on its way, and where the files lie unless there is
    another ``place``. With ``sealed``, new files are sealed; ``sealing`` makes the keys when they are first needed, and without
    it (None) no file ever was.
    """

    def __init__(
        self,
        folder: Path,
        *,
        place: Place | None = None,
        sealing: Callable[[], Sealing] | None = None,
        sealed: bool = False,
    ) -> None:
        self.folder = folder
        #: What is wrong with the place, empty while it works: for who watches.
        self.trouble = ""
        self._place: Place = place or Disk(folder)
        self._make_sealing, self._sealed = sealing, sealed
        self._keys: Sealing | None = None

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
            StoreUnavailable: the disk is full, or the place away.
        """
        shown = display_name(name)
        with self._watched():
            keys = await self._sealing() if self._sealed else None
        spool = await asyncio.to_thread(Spool, self.folder / WAITING, keys.sealer() if keys else None)
        try:
            async with contextlib.aclosing(_pieces(data)) as pieces:
                async for piece in pieces:
                    if spool.size + len(piece) > limit:
                        return Attachment(name=shown, type=BINARY, state="refused", reason=f"larger than {limit} bytes")
                    await asyncio.to_thread(spool.write, piece)
            if not spool.size:
                return Attachment(name=shown, type=BINARY, state="refused", reason="the file is empty")
            await asyncio.to_thread(spool.finish)
            word = keys.word(spool.digest) if keys else spool.digest
            with self._watched():
                await self._place.keep(placed(word), spool.path)
        finally:
            await asyncio.to_thread(spool.discard)
        kind, reason = _judge(spool.head, shown)
        return Attachment(name=shown, type=kind, size=spool.size, digest=spool.digest, state="kept", reason=reason)

    async def find(self, digest: str) -> File:
        """A file to be read, whole or in parts.

        Raises:
            NotFound: there is none; :class:`Damaged` when it is another one.
            StoreUnavailable: nobody can tell.
        """
        with self._watched():
            if file := await self._found(checked(digest)):
                return file
            if await self._fetched_back(digest) and (file := await self._found(digest)):
                return file
        raise NotFound("there is no such file")

    async def read(self, digest: str) -> bytes:
        """The bytes of a file, proven to be those of the digest. Raises as :meth:`find` does."""
        file = await self.find(digest)
        with self._watched():
            return b"".join([piece async for piece in file.pieces()])

    @contextlib.asynccontextmanager
    async def local(self, digest: str) -> AsyncIterator[Path]:
        """The file as one of this machine, plain, for programs that want a path; only to be read, and only meanwhile.

        Raises as :meth:`find` does, also when there is no room for it.
        """
        file = await self.find(digest)
        if (path := file.path()) is not None:
            yield path
            return
        with disk():
            await asyncio.to_thread((self.folder / WAITING).mkdir, parents=True, exist_ok=True, mode=0o700)
            number, name = await asyncio.to_thread(tempfile.mkstemp, dir=self.folder / WAITING)
        copy = Path(name)
        try:
            with disk(), self._watched(), os.fdopen(number, "wb") as out:
                async for piece in file.pieces():
                    await asyncio.to_thread(out.write, piece)
            yield copy
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)

    async def remove(self, digest: str) -> None:
        """Take a file away for good (erasure); one that is not there is gone already. Raises StoreUnavailable."""
        checked(digest)
        with self._watched():
            for word in [word async for word, _ in self._words(digest)]:
                await self._place.remove(placed(word))
                async for name in self._place.names(SWEPT + word):
                    await self._place.remove(name)

    async def sweep(self, in_use: Callable[[str], Awaitable[bool]], *, now: float | None = None) -> int:
        """Remove what ``in_use`` (``store.blob_in_use``) does not know and nobody has put for two days; how many there were.

        Whoever puts a file that is there already relies on it, and their row comes later; many nodes do so while another one
        looks, and no lock holds a node that was frozen between its look and its act. So a look never removes: it sets aside,
        under a name of its own, where :meth:`find` still finds it. What has a row a day later comes back, the rest goes.
        """
        before = (time.time() if now is None else now) - ORPHAN_SECONDS
        with self._watched():
            removed = await self._place.tidy(before)
            if not isinstance(self._place, Disk):
                removed += await Disk(self.folder).tidy(before)
            async for name in self._place.names(before=before):
                removed += await self._looked_at(name, in_use)
        return removed

    async def check(self) -> str:
        """Try the place without side effects; a word for the operator. Raises StoreUnavailable, :class:`WrongKey`."""
        with self._watched():
            where = await self._place.check()
            await self._key_fits()
        return where + (", sealed" if self._sealed else "")

    async def close(self) -> None:
        """Let go of connections."""
        await self._place.close()

    # where files are

    async def _found(self, digest: str) -> File | None:
        async for word, keys in self._words(digest):
            try:
                if keys is None:
                    return Plain(self._place, placed(word), digest, await self._place.size(placed(word)))
                return await Sealed.found(self._place, placed(word), digest, keys)
            except Damaged:
                raise
            except NotFound:
                continue
        return None

    async def _words(self, digest: str) -> AsyncIterator[tuple[str, Sealing | None]]:
        """What the file may be called, the likeliest first, with the keys for what is sealed under that name."""
        if self._sealed:
            keys = await self._sealing()
            yield keys.word(digest), keys
        yield digest, None
        if not self._sealed and await self._was_sealed():
            keys = await self._sealing()
            yield keys.word(digest), keys

    async def _fetched_back(self, digest: str) -> bool:
        """Whether the file had been set aside, and is back."""
        async for word, _ in self._words(digest):
            async for name in self._place.names(SWEPT + word):
                await self._put_back(name)
                return True
        return False

    async def _looked_at(self, name: str, in_use: Callable[[str], Awaitable[bool]]) -> int:
        word = word_of(name)
        sealed = len(word) > 64
        if sealed and not await self._was_sealed():
            return 0
        digest = (await self._sealing()).digest(word) if sealed else word
        if not digest:
            return 0  # not ours
        used = await in_use(digest)
        if name.startswith(SWEPT) and not used:
            await self._place.remove(name)
            return 1
        if name.startswith(SWEPT):
            await self._put_back(name)
        elif not used:
            with contextlib.suppress(NotFound):  # another node was quicker
                await self._place.move(name, f"{SWEPT}{word}.{secrets.token_hex(8)}")
        return 0

    async def _put_back(self, name: str) -> None:
        with contextlib.suppress(NotFound):
            await self._place.move(name, placed(word_of(name)))

    # keys

    async def _sealing(self) -> Sealing:
        """The keys, once it is sure that they are the right ones."""
        if self._keys is None:
            keys = await self._key_fits()
            if keys is None:
                keys = self._made()
                await self._mark(keys.fingerprint)
            self._keys = keys
        return self._keys

    async def _was_sealed(self) -> bool:
        return self._keys is not None or await self._key_fits() is not None

    async def _key_fits(self) -> Sealing | None:
        """The keys, if they are those of what was sealed here before; None if nothing was. Raises :class:`WrongKey`."""
        if self._make_sealing is None:
            return None
        try:
            mark = b"".join([piece async for piece in self._place.read(KEY_MARK)]).decode(errors="replace").strip()
        except NotFound:
            return None
        keys = self._made()
        if mark != keys.fingerprint:
            raise WrongKey(
                "the attachments were sealed with another `secret` than the configuration's: put the old one back, or remove "
                f"`{KEY_MARK}` beside them to give the sealed ones up"
            )
        return keys

    def _made(self) -> Sealing:
        if self._make_sealing is None:
            raise StoreUnavailable("this file is sealed, and there are no keys")
        return self._make_sealing()

    async def _mark(self, fingerprint: str) -> None:
        spool = await asyncio.to_thread(Spool, self.folder / WAITING)
        try:
            await asyncio.to_thread(spool.write, fingerprint.encode() + b"\n")
            await asyncio.to_thread(spool.finish)
            await self._place.keep(KEY_MARK, spool.path)
        finally:
            await asyncio.to_thread(spool.discard)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Who watches is told how the place is."""
        try:
            yield
        except StoreUnavailable as err:
            self.trouble = str(err)
            raise
        self.trouble = ""


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
