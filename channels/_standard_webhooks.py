"""Standard Webhooks: sign what we push, verify what others push to us.

The rules are those of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md:
HMAC-SHA256 (``v1``) over ``id.timestamp.body``; several signatures stand side by side while a secret is being
changed. The asymmetric ``v1a`` is not here: both ends of our webhooks share a secret, and it would be the only
user of a cryptography library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from channels.base import BadSignature, Secret

PREFIX = "whsec_"
#: How far the sender's clock may be from ours, in seconds, in either direction.
TOLERANCE = 300
#: Size of the random bytes in a secret.
MIN_KEY, MAX_KEY = 24, 64
#: Longest id and signature list that we look at, in characters; a list holds a signature per secret.
MAX_ID, MAX_SIGNATURES = 256, 4096


def sign(secret: Secret, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a webhook. ``id`` stays the same over all retries, ``at`` is the time of this attempt.

    Raises ValueError when the secret is not one, or the id cannot be signed (empty, or with a dot).
    """
    if not id or "." in id or not id.isascii() or not id.isprintable():
        raise ValueError("a webhook id is printable ASCII without a dot")
    stamp = str(int(at.timestamp()))
    signature = base64.b64encode(_mac(key_of(secret), id, stamp, body)).decode()
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}


def sign_all(secrets: Sequence[Secret], id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers with a signature of every secret in force, the current one first. Raises as :func:`sign`."""
    signed = [sign(secret, id, at, body) for secret in secrets]
    return {**signed[0], "webhook-signature": " ".join(headers["webhook-signature"] for headers in signed)}


def verify(secrets: Sequence[Secret], headers: Mapping[str, str], body: bytes, at: datetime) -> str:
    """The webhook's id, when one of the secrets signed exactly these bytes within five minutes of ``at``.

    ``headers`` has lower-case names. Raises :class:`BadSignature` for everything else, malformed headers too.
    """
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or "." in id or len(id) > MAX_ID or not id.isascii() or not id.isprintable():
        raise BadSignature("webhook-id is missing or malformed")
    if not _fresh(stamp, at):
        raise BadSignature("webhook-timestamp is missing, malformed or more than five minutes off")
    given = list(_signatures(headers.get("webhook-signature", "")))
    # Every pair is compared, so the time taken does not tell which secret or signature fitted.
    fits = [hmac.compare_digest(_mac(key_of(secret), id, stamp, body), one) for secret in secrets for one in given]
    if not any(fits):
        raise BadSignature("no signature fits")
    return id


def key_of(secret: Secret) -> bytes:
    """The key in a ``whsec_…`` secret. Raises ValueError, which says what is wrong but not the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not MIN_KEY <= len(key) <= MAX_KEY:
        raise ValueError(f"a webhook secret is `{PREFIX}` and the base64 of {MIN_KEY} to {MAX_KEY} random bytes")
    return key


def _mac(key: bytes, id: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()


def _fresh(stamp: str, at: datetime) -> bool:
    # isdecimal() alone lets other scripts' digits through; twelve digits reach to the year 33658.
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return False
    return abs(at.astimezone(UTC).timestamp() - int(stamp)) <= TOLERANCE


def _signatures(header: str) -> Iterator[bytes]:
    for entry in header[:MAX_SIGNATURES].split(" "):
        version, _, encoded = entry.partition(",")
        if version != "v1":
            continue
        try:
            yield base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
