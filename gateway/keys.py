"""Keys for every purpose, derived from the installation's one secret; and the tokens made with them."""

from __future__ import annotations

import base64
import hashlib
import hmac

from channels.base import Secret


class Keys:
    """Derives one key per purpose (HMAC-SHA256 as a PRF), so no key is used for two things."""

    def __init__(self, secret: Secret) -> None:
        if len(secret) < 32:
            raise ValueError("the installation's secret has fewer than 32 characters; `allears init` makes a good one")
        self._secret = secret.encode()

    def key(self, purpose: str) -> bytes:
        """32 bytes for a purpose."""
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).digest()

    def tag(self, purpose: str, text: str, length: int = 26) -> str:
        """An unguessable lower-case base32 tag of ``text``; ``length`` characters carry five bits each."""
        digest = hmac.new(self.key(purpose), text.encode(), hashlib.sha256).digest()
        return base64.b32encode(digest).decode().lower().rstrip("=")[:length]

    def fits(self, purpose: str, text: str, tag: str, length: int = 26) -> bool:
        """Whether ``tag`` is the tag of ``text``, in constant time."""
        return hmac.compare_digest(self.tag(purpose, text, length).encode(), tag.encode())

    def __repr__(self) -> str:
        return "Keys(***)"
