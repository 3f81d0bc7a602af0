"""Case numbers: short enough to read out, impossible to guess, the same for the same message."""

from __future__ import annotations

from datetime import datetime

from gateway.keys import Keys

#: Ten base32 characters, 50 bits a day: with a million cases a day two meet about once in 6 years.
TAG = 10


def case_number(keys: Keys, key: str, at: datetime) -> str:
    """The number of the case that the inbound message ``key`` opens, as ``261122-7KQX2-M2PDA``.

    It derives from the idempotency key, so deciding the message again after a crash gives the same number.
    """
    tag = keys.tag("case", key, TAG).upper()
    return f"{at:%y%m%d}-{tag[:5]}-{tag[5:]}"
