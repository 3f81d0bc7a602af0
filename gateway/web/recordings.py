"""``POST /v1/recordings``: a recorded call as the body of a request, streamed to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from channels.base import Request
from channels.phone import Phone
from gateway.blobs import PIECE
from gateway.context import GATEWAY, Gateway
from gateway.intake import accept
from gateway.web.doors import public_url, remote
from gateway.web.operation import BYTES, Operation, json
from gateway.web.problems import ProblemError

#: Longest Idempotency-Key, in characters.
MAX_KEY = 200
#: Seconds without a byte after which an upload is given up.
SILENCE = 30.0


class RecordingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the call; unknown names are left alone."""

    call_id: Annotated[str, Meta(description="The call's id; recordings with the same one are one conversation.")] = ""
    caller: Annotated[str, Meta(description="Who called, as a telephone number.")] = ""
    name: Annotated[str, Meta(description="The caller's name.")] = ""
    email: Annotated[str, Meta(description="The caller's mail address, where it is known.")] = ""
    agent: Annotated[str, Meta(description="Who answered.")] = ""
    started_at: Annotated[str, Meta(description="ISO 8601, or seconds since 1970.")] = ""
    language: Annotated[
        str, Meta(description="What is spoken, as a BCP 47 tag; found out by trying when left out.")
    ] = ""
    note: Annotated[str, Meta(description="What the agent wrote down.")] = ""
    file: Annotated[str, Meta(description="The file's name.")] = ""


class RecordingKept(msgspec.Struct, frozen=True, kw_only=True):
    """The recording is durable. ``duplicate``: it was there already, these are the ids it got then."""

    conversation: str
    seq: int
    duplicate: bool
    sha256: str


OPERATION = Operation(
    id="uploadRecording",
    method="POST",
    path="/v1/recordings",
    summary="Upload a recorded call",
    description="The body is the file; it is heard later and becomes a complaint record. Wants the bearer token of a phone "
    "account (`tokens` in its settings), which is none of this API's. 202 for a new recording, 200 for one that was there.",
    query=RecordingQuery,
    headers={"Idempotency-Key": (False, "Names the recording: at most 200 printable characters.")},
    body=BYTES,
    answers={200: (RecordingKept,), 202: (RecordingKept,)},
    errors=(400, 401, 408, 413, 503),
)


def routes() -> list[web.AbstractRouteDef]:
    """The one door."""
    return [web.post(OPERATION.path, upload)]


async def upload(http: web.Request) -> web.Response:
    """Keep the file, then its message; 202 for a new recording, 200 for one that was there.

    Raises:
        ProblemError: 401 without a token that may, 400 or 413 for a file that is not kept.
        StoreUnavailable: nothing was written.
    """
    gateway = http.app[GATEWAY]
    phone = account(gateway, http)
    limit = gateway.config.speech.max_file
    if (http.content_length or 0) > limit:
        raise ProblemError(413, f"this door takes {limit} bytes")
    id = http.headers.get("Idempotency-Key", "")
    if len(id) > MAX_KEY or not id.isprintable():
        raise ProblemError(400, f"an Idempotency-Key has at most {MAX_KEY} printable characters")
    name = http.query.get("file", "recording")
    kept = await gateway.blobs.put(pieces(http), name=name, type=http.content_type, limit=limit)
    if kept.state != "kept":
        raise ProblemError(413 if "larger" in kept.reason else 400, kept.reason)
    request = Request(url=public_url(http, gateway), remote=remote(http, gateway), at=gateway.clock())
    message = phone.uploaded(kept, dict(http.query), id, request)
    (accepted,) = await accept(gateway, [message], received_at=request.at)
    answer = RecordingKept(
        conversation=accepted.conversation, seq=accepted.seq, duplicate=accepted.duplicate, sha256=kept.digest
    )
    return json(answer, status=200 if accepted.duplicate else 202)


def account(gateway: Gateway, http: web.Request) -> Phone:
    """The account whose token the caller has. Every account is asked, so the time does not tell which.

    Raises :class:`ProblemError` 401.
    """
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    phones = [channel for channel in gateway.channels.values() if isinstance(channel, Phone)]
    fits = [phone for phone in phones if phone.may_upload(token.strip())]
    if scheme.lower() != "bearer" or not fits:
        raise ProblemError(401, "a bearer token of a phone account is needed", headers={"WWW-Authenticate": "Bearer"})
    return fits[0]


async def pieces(http: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes. A client that falls silent is cut off; what becomes of what it sent is the caller's."""
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                piece = await http.content.read(PIECE)
        except TimeoutError as err:
            raise ProblemError(408, "the upload fell silent") from err
        if not piece:
            return
        yield piece
