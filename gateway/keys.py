"""Keys for every purpose, derived from the installation's one secret; and the tokens made with them."""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache

from channels.base import Secret


class Keys:
    """Derives one key per purpose (HMAC-SHA256 as a PRF), so no key is used for two things."""

    def __init__(self, secret: Secret) -> None:
        if len(secret) < 32:
            raise ValueError("the installation's secret has fewer than 32 characters; `allears init` makes a good one")
        self._secret = secret.encode()
        self._keys: dict[str, bytes] = {}
        self._begun: dict[str, hmac.HMAC] = {}
        self._tags = lru_cache(maxsize=4096)(self._tag)

    def key(self, purpose: str) -> bytes:
        """32 bytes for a purpose. Purposes are fixed words and names of the configuration, so all are kept."""
        if purpose not in self._keys:
            self._keys[purpose] = hmac.digest(self._secret, purpose.encode(), "sha256")
        return self._keys[purpose]

    def tag(self, purpose: str, text: str, length: int = 26) -> str:
        """An unguessable lower-case base32 tag of ``text``; ``length`` characters carry five bits each."""
        return self._tags(purpose, text, length)  # a case's own is wanted at each of its turns

    def _tag(self, purpose: str, text: str, length: int) -> str:
        if purpose not in self._begun:
            self._begun[purpose] = hmac.new(self.key(purpose), digestmod="sha256")
        mac = self._begun[purpose].copy()  # OpenSSL takes longer to begin than to hash a few words
        mac.update(text.encode())
        digest = mac.digest()
        # Five bytes are eight characters; base64.b32encode is Python and takes its time for every group.
        return base64.b32encode(digest[: -(-length // 8) * 5]).decode().lower().rstrip("=")[:length]

    def fits(self, purpose: str, text: str, tag: str, length: int = 26) -> bool:
        """Whether ``tag`` is the tag of ``text``, in constant time."""
        # Not from memory: how long it takes would tell a stranger which cases are being talked about.
        return hmac.compare_digest(self._tag(purpose, text, length).encode(), tag.encode())

    def __repr__(self) -> str:
        return "Keys(***)"
