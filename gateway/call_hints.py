"""What desks on other nodes are shown of a call that runs: it is nowhere stored, so the signal that goes through Redis carries it.

Sealed (AES-GCM under a key that derives from the installation's secret, bound to its conversation): nobody who can read Redis reads
a customer's words, and nobody who can write to it puts words in a customer's mouth.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.keys import Keys
from gateway.wake import Hint

_NONCE = 12


class CallHints:
    """Makes and reads these hints."""

    def __init__(self, keys: Keys) -> None:
        self._cipher = AESGCM(keys.key("calls in redis"))

    def hint(self, conversation: str, shown: Any) -> Hint:
        """What is shown of a call, to be signalled."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(shown), conversation.encode())
        return {"call": base64.b64encode(sealed).decode()}

    def shown(self, conversation: str, hint: Hint) -> Any:
        """What a hint shows; None where it is not ours."""
        try:
            sealed = base64.b64decode(str(hint.get("call", "")), validate=True)
            return msgspec.json.decode(self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], conversation.encode()))
        except (ValueError, InvalidTag):
            return None
