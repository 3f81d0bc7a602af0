"""Signatures in a request's query, as WeChat, WeCom and Weibo make them: SHA-1 over a token, a time and a random word.

They cover no body unless what is ``sealed`` is part of them. Rule: https://open.weibo.com/wiki/Messages_enter and
https://developers.weixin.qq.com/doc/subscription/guide/dev/push/
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

from channels.base import BadSignature, Request, Secret

#: A request signed longer ago than this is a replay; the platforms give up after seconds.
MAX_AGE = timedelta(minutes=10)
#: Milliseconds since 1970 have 13 digits; a longer number is no time.
_DIGITS = 14


def signature(*parts: str) -> str:
    """SHA-1 over the parts, sorted by their bytes and joined, in hex."""
    joined = b"".join(sorted(part.encode(errors="surrogateescape") for part in parts))
    return hashlib.sha1(joined).hexdigest()  # noqa: S324 - the platforms' own scheme


def verify(token: Secret, request: Request, *, name: str, sealed: Sequence[str] = (), per_second: int = 1) -> None:
    """Check the signature ``name`` of the query. ``per_second``: what the time counts, 1000 for milliseconds.

    Raises:
        BadSignature: it does not fit, or is too old.
    """
    stamp, nonce = request.query.get("timestamp", ""), request.query.get("nonce", "")
    good = signature(str(token), stamp, nonce, *sealed)
    if not hmac.compare_digest(request.query.get(name, "").encode(errors="surrogateescape"), good.encode()):
        raise BadSignature(f"`{name}` does not fit")
    said = int(stamp) / per_second if stamp.isascii() and stamp.isdigit() and len(stamp) <= _DIGITS else 0
    if abs(request.at.timestamp() - said) > MAX_AGE.total_seconds():
        raise BadSignature("signed too long ago, or the clock is wrong")
