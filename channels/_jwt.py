"""JSON web tokens with one algorithm, HS256 (RFC 7515, RFC 7519), and nothing to choose from.

A token says by itself how it wants to be checked (its ``alg``); believing it is the classic hole. Here the
algorithm is fixed: a header that names another one, none, or critical extensions is refused before its
signature is looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

import msgspec

from channels.base import BadSignature

#: Longest token we look at, in characters; ours have about 400.
MAX_TOKEN = 8192
#: How far, in seconds, another computer's clock may be ahead of ours.
SKEW = 60

_HEADER = {"alg": "HS256", "typ": "JWT"}


def sign(key: bytes, claims: Mapping[str, Any]) -> str:
    """The claims as a compact HS256 token."""
    head = f"{_encode(msgspec.json.encode(_HEADER))}.{_encode(msgspec.json.encode(claims))}"
    return f"{head}.{_encode(_mac(key, head))}"


def verify(key: bytes, token: str, at: datetime, *, audience: str) -> dict[str, Any]:
    """The claims of a token that was signed with ``key`` for ``audience`` and has not expired.

    ``exp`` is required; ``iat`` may not lie in the future. Raises :class:`BadSignature` for everything else, and
    never says more than a person may know who holds a bad token.
    """
    if len(token) > MAX_TOKEN or token.count(".") != 2:
        raise BadSignature("not a token")
    head, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_mac(key, head), _decode(signature)):
        raise BadSignature("the token's signature is wrong")
    header, _, payload = head.partition(".")
    _check_header(_object(header))
    claims = _object(payload)
    _check_times(claims, at.timestamp())
    if claims.get("aud") != audience:
        raise BadSignature("the token is for somebody else")
    return claims


def _mac(key: bytes, head: str) -> bytes:
    return hmac.new(key, head.encode("ascii", "replace"), hashlib.sha256).digest()


def _check_header(header: dict[str, Any]) -> None:
    if header.get("alg") != "HS256" or header.get("typ", "JWT") != "JWT" or "crit" in header:
        raise BadSignature("the token is not an HS256 token")


def _check_times(claims: dict[str, Any], now: float) -> None:
    expires, issued = claims.get("exp"), claims.get("iat", now)
    if not _is_number(expires) or not _is_number(issued):
        raise BadSignature("the token says not when it ends")
    if now >= expires:
        raise BadSignature("the token has expired")
    if issued > now + SKEW:
        raise BadSignature("the token is from the future")


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _object(part: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(_decode(part))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as err:
        raise BadSignature("not a token") from err
    if not isinstance(value, dict):
        raise BadSignature("not a token")
    return value


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadSignature("not a token") from err
