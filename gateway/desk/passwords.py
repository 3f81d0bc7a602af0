"""Password hashes: scrypt from the standard library, parameters kept with each hash so they can rise later."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets

#: 2**15 blocks of 1 KiB, three times over: 32 MiB and about a fifth of a second (OWASP's password storage sheet).
_LOG_N, _R, _P = 15, 8, 3
MIN_LENGTH = 10
MAX_LENGTH = 256


class WeakPassword(ValueError):
    """Too short or too long to be a password."""


def hash_password(password: str) -> str:
    """``scrypt$<log2 N>$<r>$<p>$<salt>$<hash>``. Raises :class:`WeakPassword`."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise WeakPassword(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    salt = secrets.token_bytes(16)
    return "$".join(
        ("scrypt", str(_LOG_N), str(_R), str(_P), _text(salt), _text(_derive(password, salt, _LOG_N, _R, _P)))
    )


def fits(password: str, stored: str) -> bool:
    """Whether the password has this hash. An empty or foreign hash fits nothing, after the same work."""
    log_n, r, p, salt, expected = _parse(stored) or (_LOG_N, _R, _P, b"\0" * 16, b"")
    return hmac.compare_digest(_derive(password[: MAX_LENGTH + 1], salt, log_n, r, p), expected)


async def hash_in_thread(password: str) -> str:
    """:func:`hash_password` beside the event loop. Raises :class:`WeakPassword`."""
    return await asyncio.to_thread(hash_password, password)


def _derive(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << log_n, r=r, p=p, maxmem=256 << 20, dklen=32)


def _parse(stored: str) -> tuple[int, int, int, bytes, bytes] | None:
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        return None
    return int(parts[1]), int(parts[2]), int(parts[3]), base64.b64decode(parts[4]), base64.b64decode(parts[5])


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
