"""``POST /v1/recordings``: a recorded call as the body of a request, streamed to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from channels.base import Request
from channels.phone import Phone
from gateway.context import GATEWAY, Gateway
from gateway.intake import accept
from gateway.web.doors import public_url, remote
from gateway.web.problems import ProblemError

PIECE = 256 * 1024
#: Longest Idempotency-Key, in characters.
MAX_KEY = 200
#: Seconds without a byte after which an upload is given up.
SILENCE = 30.0


def routes() -> list[web.AbstractRouteDef]:
    """The one door."""
    return [web.post("/v1/recordings", upload)]


async def upload(http: web.Request) -> web.Response:
    """Keep the file, then its message; 202 for a new recording, 200 for one that was there.

    Raises:
        ProblemError: 401 without a token that may, 400 or 413 for a file that is not kept.
        StoreUnavailable: nothing was written.
    """
    gateway = http.app[GATEWAY]
    phone = _account(gateway, http)
    limit = gateway.config.speech.max_file
    if (http.content_length or 0) > limit:
        raise ProblemError(413, f"this door takes {limit} bytes")
    id = http.headers.get("Idempotency-Key", "")
    if len(id) > MAX_KEY or not id.isprintable():
        raise ProblemError(400, f"an Idempotency-Key has at most {MAX_KEY} printable characters")
    name = http.query.get("file", "recording")
    kept = await gateway.blobs.put(_pieces(http), name=name, type=http.content_type, limit=limit)
    if kept.state != "kept":
        raise ProblemError(413 if "larger" in kept.reason else 400, kept.reason)
    request = Request(url=public_url(http, gateway), remote=remote(http, gateway), at=gateway.clock())
    message = phone.uploaded(kept, dict(http.query), id, request)
    (accepted,) = await accept(gateway, [message], received_at=request.at)
    body = {
        "conversation": accepted.conversation,
        "seq": accepted.seq,
        "duplicate": accepted.duplicate,
        "sha256": kept.digest,
    }
    return web.json_response(body, status=200 if accepted.duplicate else 202)


def _account(gateway: Gateway, http: web.Request) -> Phone:
    """The account whose token the caller has. Every account is asked, so the time does not tell which."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    phones = [channel for channel in gateway.channels.values() if isinstance(channel, Phone)]
    fits = [phone for phone in phones if phone.may_upload(token.strip())]
    if scheme.lower() != "bearer" or not fits:
        raise ProblemError(401, "a bearer token of a phone account is needed", headers={"WWW-Authenticate": "Bearer"})
    return fits[0]


async def _pieces(http: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes. A client that falls silent is cut off; what it sent is thrown away."""
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                piece = await http.content.read(PIECE)
        except TimeoutError as err:
            raise ProblemError(408, "the upload fell silent") from err
        if not piece:
            return
        yield piece
