"""A kept file that was found: how large it is, and its bytes, whole or in parts."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gateway.blobs.place import Damaged, Place

if TYPE_CHECKING:
    from gateway.blobs.sealing import Opener, Sealing


class File(Protocol):
    """``size`` in bytes, as it was received."""

    digest: str
    size: int

    def pieces(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to, without, ``stop``. Who takes them all has the very file that was received.

        Raises:
            Damaged: they are not; before the last piece.
            StoreUnavailable: the place went away meanwhile.
        """
        ...

    def path(self) -> Path | None:
        """Where the plain bytes lie on this machine's disk, None where they do not."""
        ...


class Plain:
    """A file that lies as it is. Implements :class:`File`."""

    def __init__(self, place: Place, name: str, digest: str, size: int) -> None:
        self._place, self._name = place, name
        self.digest, self.size = digest, size

    def pieces(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its bytes, which the digest proves when they are all taken. A part of them is only as good as its place."""
        stop = self.size if stop is None else min(stop, self.size)
        part = self._place.read(self._name, start, stop)
        return _proven(part, self.digest) if (start, stop) == (0, self.size) else part

    def path(self) -> Path | None:
        """Where it lies, if that is here."""
        return self._place.path(self._name)


class Sealed:
    """A file whose every chunk is sealed. Implements :class:`File`."""

    def __init__(self, place: Place, name: str, digest: str, opener: Opener) -> None:
        self._place, self._name, self._opener = place, name, opener
        self.digest, self.size = digest, opener.size

    @classmethod
    async def found(cls, place: Place, name: str, digest: str, keys: Sealing) -> Sealed:
        """Raises :class:`NotFound`, :class:`Damaged`."""
        from gateway.blobs.sealing import HEADER

        header = b"".join([piece async for piece in place.read(name, 0, HEADER)])
        return cls(place, name, digest, keys.opener(header, digest))

    def pieces(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its bytes, each proven by its chunk."""
        stop = self.size if stop is None else min(stop, self.size)
        part = self._opened(start, stop)
        return _proven(part, self.digest) if (start, stop) == (0, self.size) else part

    def path(self) -> Path | None:
        """Nowhere."""
        return None

    async def _opened(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        from gateway.blobs.sealing import CHUNK, SEALED_CHUNK

        begin, end = self._opener.span(start, stop)
        number, waiting, given = start // CHUNK, bytearray(), start // CHUNK * CHUNK
        async with contextlib.aclosing(self._place.read(self._name, begin, end)) as pieces:
            async for piece in pieces:
                waiting += piece
                begin += len(piece)
                out = []
                while len(waiting) >= SEALED_CHUNK or (waiting and begin == end):
                    out.append(self._opener.open(number, bytes(waiting[:SEALED_CHUNK])))
                    del waiting[:SEALED_CHUNK]
                    number += 1
                if out:
                    plain = b"".join(out)
                    yield plain[max(0, start - given) : stop - given]
                    given += len(plain)
        if begin != end:
            raise Damaged("the file was cut off")


async def _proven(pieces: AsyncGenerator[bytes, None], digest: str) -> AsyncGenerator[bytes, None]:
    """The pieces, the last one only when all of them make the digest. Raises :class:`Damaged`."""
    found, last = hashlib.sha256(), b""
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            found.update(piece)
            if last:
                yield last
            last = piece
    if found.hexdigest() != digest:
        raise Damaged("the file is not the one that was received")
    yield last
