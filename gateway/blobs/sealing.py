"""Files sealed at rest: AES-256-GCM in chunks, under keys derived from the installation's secret.

A sealed file is a header and chunks of :data:`CHUNK` bytes, each with its tag. The construction is STREAM (Hoang, Reyhanitabar,
Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015): a chunk's nonce is its place and
whether it is the last, so none can be moved, left out or cut off. Each file has a key of its own, made from a random salt, so none
can come from another file. The header's tag ties salt, size and digest together: no file can stand in for another.

The file's name in its place is made from its digest by AES-SIV (RFC 5297): the same file gets the same name, we can read the
digest from it, and who keeps the files for us cannot find out whether one that they know is among them.
"""

from __future__ import annotations

import hmac
import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from gateway.blobs.place import Damaged
from gateway.keys import Keys

MAGIC = b"allears\x01"
SALT, TAG = 32, 16
#: Bytes that are sealed at once: what a request for a part has to open at least.
CHUNK = 64 * 1024
SEALED_CHUNK = CHUNK + TAG
_SIZE = struct.Struct(">Q")
#: Magic, salt, size of the plain bytes, tag of the header.
HEADER = len(MAGIC) + SALT + _SIZE.size + 32


class Sealing:
    """The keys of an installation's files."""

    def __init__(self, keys: Keys) -> None:
        self._content = keys.key("files")
        self._names = AESSIV(keys.key("files names") + keys.key("files names too"))
        #: Tells keys apart and tells nothing of them.
        self.fingerprint = keys.tag("files fingerprint", "")

    def word(self, digest: str) -> str:
        """What stands for a digest in the name of its file: 96 hex digits."""
        return self._names.encrypt(bytes.fromhex(digest), None).hex()

    def digest(self, word: str) -> str:
        """The digest that a word stands for, empty for a word of others."""
        try:
            return self._names.decrypt(bytes.fromhex(word), None).hex()
        except InvalidTag:
            return ""

    def sealer(self) -> Sealer:
        """For a new file."""
        return Sealer(self, secrets.token_bytes(SALT))

    def opener(self, header: bytes, digest: str) -> Opener:
        """For a file of that digest. Raises :class:`Damaged` when the header is not its own."""
        salt, size = header[len(MAGIC) :][:SALT], header[len(MAGIC) + SALT :][: _SIZE.size]
        if len(header) != HEADER or not hmac.compare_digest(header, self.header(salt, size, digest)):
            raise Damaged("the file was sealed with another key, or was changed")
        return Opener(self.cipher(salt), _SIZE.unpack(size)[0])

    def cipher(self, salt: bytes) -> AESGCM:
        """The cipher of one file's chunks."""
        return AESGCM(hmac.digest(self._content, b"chunks" + salt, "sha256"))

    def header(self, salt: bytes, size: bytes, digest: str) -> bytes:
        """The header of one file."""
        key = hmac.digest(self._content, b"header" + salt, "sha256")
        return MAGIC + salt + size + hmac.digest(key, size + bytes.fromhex(digest), "sha256")


class Sealer:
    """Seals a file as it comes; the header is known at the end."""

    def __init__(self, sealing: Sealing, salt: bytes) -> None:
        self._sealing, self._salt, self._cipher = sealing, salt, sealing.cipher(salt)
        self._waiting = bytearray()
        self._count = self._size = 0

    def add(self, piece: bytes) -> bytes:
        """Sealed chunks for what is certainly not the end."""
        self._waiting += piece
        self._size += len(piece)
        whole = max(0, len(self._waiting) - 1) // CHUNK
        sealed = b"".join(self._chunk(bytes(self._waiting[n * CHUNK : (n + 1) * CHUNK])) for n in range(whole))
        del self._waiting[: whole * CHUNK]
        return sealed

    def end(self, digest: str) -> tuple[bytes, bytes]:
        """The last chunk, and the header."""
        last = self._chunk(bytes(self._waiting), last=True)
        return last, self._sealing.header(self._salt, _SIZE.pack(self._size), digest)

    def _chunk(self, plain: bytes, *, last: bool = False) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._count, last), plain, None)
        self._count += 1
        return sealed


class Opener:
    """Opens the chunks of one file; ``size`` is that of the plain bytes."""

    def __init__(self, cipher: AESGCM, size: int) -> None:
        self._cipher, self.size = cipher, size
        self._last = max(0, size - 1) // CHUNK

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Where the chunks that hold the plain bytes from ``start`` up to ``stop`` begin and end in the sealed file."""
        end = HEADER + min(-(-stop // CHUNK) * SEALED_CHUNK, self.size + (self._last + 1) * TAG)
        return HEADER + start // CHUNK * SEALED_CHUNK, end

    def open(self, number: int, sealed: bytes) -> bytes:
        """The plain bytes of a chunk. Raises :class:`Damaged`."""
        try:
            return self._cipher.decrypt(_nonce(number, number == self._last), sealed, None)
        except InvalidTag as err:
            raise Damaged("the file was changed") from err


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
