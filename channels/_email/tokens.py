"""The signed token in our addresses: ``desk+r<thread>-<mac>@shop.example`` brings an answer back to its thread.

Lower case and digits only, so it survives servers that fold the case of addresses. ``r`` stands in Reply-To,
``b`` in the envelope, where only reports of delivery come back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Literal

Use = Literal["r", "b"]

_TOKEN = re.compile(r"([rb])([0-9a-z]{1,32})-([a-z2-7]{16})")


def mint(key: bytes, thread: str, use: Use = "r") -> str:
    """The token of a thread, whose id is at most 32 lower-case letters and digits. Raises ValueError otherwise."""
    if not re.fullmatch(r"[0-9a-z]{1,32}", thread):
        raise ValueError("a thread id is 1 to 32 lower-case letters and digits")
    return f"{use}{thread}-{_mac(key, use, thread)}"


def check(keys: Sequence[bytes], token: str) -> tuple[Use, str] | None:
    """Use and thread of a genuine token; the first key is the current one, older ones still open. Else None."""
    found = _TOKEN.fullmatch(token.lower())
    if found is None:
        return None
    use: Use = "r" if found.group(1) == "r" else "b"
    thread, mac = found.group(2), found.group(3)
    genuine = [hmac.compare_digest(_mac(key, use, thread), mac) for key in keys]
    return (use, thread) if any(genuine) else None


def address(own: str, token: str) -> str:
    """Our address with a token in it: ``desk@shop.example`` becomes ``desk+TOKEN@shop.example``."""
    local, _, domain = own.rpartition("@")
    return f"{local}+{token}@{domain}"


def in_address(email: str) -> str:
    """What stands behind the last ``+`` of an address's local part, empty when there is none."""
    return email.rpartition("@")[0].rpartition("+")[2] if "+" in email.rpartition("@")[0] else ""


def _mac(key: bytes, use: Use, thread: str) -> str:
    digest = hmac.new(key, f"{use}{thread}".encode(), hashlib.sha256).digest()[:10]
    return base64.b32encode(digest).decode().lower()
