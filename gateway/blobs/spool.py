"""A file on its way in: written under a temporary name on this machine, hashed and sealed as it comes."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.blobs.place import disk
from gateway.sniff import HEAD

if TYPE_CHECKING:
    from gateway.blobs.sealing import Sealer


class Spool:
    """``size``, ``digest`` and ``head`` are those of the plain bytes; with a ``sealer`` only sealed bytes reach the disk."""

    def __init__(self, folder: Path, sealer: Sealer | None = None) -> None:
        self._sealer = sealer
        with disk():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path = folder / secrets.token_hex(16)
            self._file: BinaryIO = self.path.open("xb")
            if sealer is not None:
                from gateway.blobs.sealing import HEADER

                self._file.seek(HEADER)
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, piece: bytes) -> None:
        """Add bytes. Raises StoreUnavailable when the disk does not take them, here and in :meth:`finish`."""
        with disk():
            self._file.write(piece if self._sealer is None else self._sealer.add(piece))
        self._hash.update(piece)
        self.size += len(piece)
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]

    def finish(self) -> None:
        """All is here. The file is whole, and no more durable than any other."""
        with disk():
            if self._sealer is not None:
                last, header = self._sealer.end(self.digest)
                self._file.write(last)
                self._file.seek(0)
                self._file.write(header)
            self._file.close()

    def discard(self) -> None:
        """Close and remove the temporary file; one that has moved to its place stays there."""
        with contextlib.suppress(OSError):  # a full disk may fail the flush of what we throw away
            self._file.close()
        self.path.unlink(missing_ok=True)
