"""Names that outsiders give (message ids), as keys. Pure functions."""

from __future__ import annotations

import hashlib

#: Characters of a key. PostgreSQL's unique indexes take 2,704 bytes; no honest name comes near.
LONGEST = 500


def short(key: str, longest: int = LONGEST) -> str:
    """The key itself; in place of one that is too long its beginning and its sha256: different keys stay different."""
    if len(key) <= longest:
        return key
    return f"{key[: longest - 65]}~{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
