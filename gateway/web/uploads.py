"""``/v1/recordings/uploads``: recordings in pieces, by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

The core protocol with creation, expiration and termination. An upload whose last byte is acknowledged is a message: the
answer to the last piece comes after the commit, and one that was lost is told by HEAD.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Final

from aiohttp import web

from channels.base import Request
from channels.phone import Phone
from gateway.context import GATEWAY, Gateway
from gateway.intake import accept, pieces_of
from gateway.store.base import NotFound
from gateway.uploads import Busy, TooMany, Upload, Uploads
from gateway.web.doors import public_url, remote
from gateway.web.problems import ProblemError
from gateway.web.recordings import account, pieces

log = logging.getLogger(__name__)

VERSION: Final = "1.0.0"
PATH: Final = "/v1/recordings/uploads"
#: Most pairs of metadata, and the longest value in bytes.
MAX_PAIRS, MAX_VALUE = 20, 4096
#: Most digits of a length.
MAX_DIGITS = 18
#: How often what nobody goes on with is looked for, in seconds.
TIDY_EVERY = 3600.0
UPLOADS: web.AppKey[Uploads] = web.AppKey("uploads", Uploads)


def routes() -> list[web.AbstractRouteDef]:
    """Creation and the three ways to go on with an upload."""
    return [
        web.options(PATH, about),
        web.post(PATH, create),
        web.head(PATH + "/{id}", head),
        web.patch(PATH + "/{id}", patch),
        web.delete(PATH + "/{id}", delete),
    ]


def setup(app: web.Application) -> None:
    """Uploads lie in the data folder, on this node: what goes on with one comes here."""
    app[UPLOADS] = Uploads(app[GATEWAY].data / "uploads")
    app.cleanup_ctx.append(_tidied)


async def _tidied(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(_tidy(app[UPLOADS], app[GATEWAY]))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _tidy(uploads: Uploads, gateway: Gateway) -> None:
    while True:
        try:
            if removed := await uploads.sweep(gateway.clock()):
                log.info("uploads: %d that nobody went on with were removed", removed)
        except OSError as err:
            log.warning("uploads: not this time: %s", err)
        await asyncio.sleep(TIDY_EVERY)


async def about(http: web.Request) -> web.Response:
    """What this server understands."""
    return _answer(
        204,
        {
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,expiration,termination",
            "Tus-Max-Size": str(http.app[GATEWAY].config.speech.max_file),
        },
    )


async def create(http: web.Request) -> web.Response:
    """A new upload. ``Upload-Metadata`` has the names that ``POST /v1/recordings`` has in its query.

    Raises:
        ProblemError: 400, 401, 412, 413, 429.
    """
    phone = _checked(http)
    gateway, length = http.app[GATEWAY], http.headers.get("Upload-Length", "")
    if not length.isdecimal() or not length.strip("0"):
        raise ProblemError(400, "Upload-Length says how many bytes will come; at least one")
    if len(length) > MAX_DIGITS or int(length) > gateway.config.speech.max_file:
        raise ProblemError(413, f"this door takes {gateway.config.speech.max_file} bytes")
    said = _metadata(http.headers.get("Upload-Metadata", ""))
    try:
        upload = await http.app[UPLOADS].create(phone.account, int(length), said)
    except TooMany as err:
        raise ProblemError(429, "finish or delete other uploads first", headers={"Retry-After": "60"}) from err
    base = gateway.config.base_url if gateway.config.public_url else ""
    return _answer(201, {"Location": f"{base}{PATH}/{upload.id}", **_expiry(http, upload)})


async def head(http: web.Request) -> web.Response:
    """How far it is. One that is all here and no message yet becomes one first: then, whole means durable."""
    phone = _checked(http)
    upload, size = await _found(http, phone)
    if size == upload.length and not upload.conversation:
        async with http.app[UPLOADS].lock(upload.id):
            upload = await _finish(http, phone, upload)
    return _answer(200, {"Upload-Length": str(upload.length), **_state(http, upload, size)})


async def patch(http: web.Request) -> web.Response:
    """The next bytes. What came of a piece that broke off is kept.

    Raises:
        ProblemError: 409 for another place than where it stands, 415, 423 while another request writes it.
    """
    phone = _checked(http)
    if http.content_type != "application/offset+octet-stream":
        raise ProblemError(415, "the type of a piece is application/offset+octet-stream")
    lock = http.app[UPLOADS].lock(http.match_info["id"])
    if lock.locked():
        raise ProblemError(423, "another request is writing this upload")
    async with lock:
        upload, size = await _found(http, phone)
        if http.headers.get("Upload-Offset", "") != str(size):
            raise ProblemError(409, f"it stands at {size}", headers={"Upload-Offset": str(size)})
        if upload.length - size < (http.content_length or 0):
            raise ProblemError(413, "there is more than Upload-Length said")
        if not upload.conversation:
            size = await _taken(http, upload, size)
            if size == upload.length:
                upload = await _finish(http, phone, upload)
    return _answer(204, _state(http, upload, size))


async def _taken(http: web.Request, upload: Upload, size: int) -> int:
    try:
        return await http.app[UPLOADS].take(upload, size, pieces(http))
    except Busy as err:
        raise ProblemError(423, "another request is writing this upload") from err


async def delete(http: web.Request) -> web.Response:
    """Forget an upload; a recording that it has become stays."""
    upload, _ = await _found(http, _checked(http))
    async with http.app[UPLOADS].lock(upload.id):
        await http.app[UPLOADS].remove(upload.id)
    return _answer(204, {})


async def _finish(http: web.Request, phone: Phone, upload: Upload) -> Upload:
    """All bytes are here: keep the file, then its message, then say so."""
    gateway, uploads = http.app[GATEWAY], http.app[UPLOADS]
    limit = gateway.config.speech.max_file
    name = upload.said.get("file", upload.said.get("filename", "recording"))
    kept = await gateway.blobs.put(pieces_of(uploads.path(upload.id)), name=name, type="", limit=limit)
    if kept.state != "kept":
        raise ProblemError(400, kept.reason)
    request = Request(url=public_url(http, gateway), remote=remote(http, gateway), at=gateway.clock())
    message = phone.uploaded(kept, upload.said, upload.said.get("idempotency_key", "") or upload.id, request)
    (accepted,) = await accept(gateway, [message], received_at=request.at)
    return await uploads.finished(upload, accepted.conversation)


def _checked(http: web.Request) -> Phone:
    """The account, for a client that speaks our version."""
    phone = account(http.app[GATEWAY], http)
    if http.headers.get("Tus-Resumable") != VERSION:
        raise ProblemError(412, f"Tus-Resumable must be {VERSION}", headers={"Tus-Version": VERSION})
    return phone


async def _found(http: web.Request, phone: Phone) -> tuple[Upload, int]:
    try:
        return await http.app[UPLOADS].find(http.match_info["id"], phone.account)
    except NotFound as err:
        raise ProblemError(404, "there is no such upload (any more)") from err


def _metadata(header: str) -> dict[str, str]:
    """``name base64, name base64`` as names and values. Raises :class:`ProblemError` 400."""
    said: dict[str, str] = {}
    for pair in header.split(",")[: MAX_PAIRS + 1] if header.strip() else ():
        name, _, value = pair.strip().partition(" ")
        try:
            said[name] = base64.b64decode(value, validate=True).decode()
        except ValueError as err:
            raise ProblemError(400, "Upload-Metadata has pairs of a name and base64 of UTF-8") from err
        if not name or len(value) > MAX_VALUE or len(said) > MAX_PAIRS:
            raise ProblemError(400, f"Upload-Metadata has at most {MAX_PAIRS} pairs of {MAX_VALUE} bytes")
    return said


def _state(http: web.Request, upload: Upload, size: int) -> dict[str, str]:
    told = {"Allears-Conversation": upload.conversation} if upload.conversation else _expiry(http, upload)
    return {"Upload-Offset": str(size), **told}


def _expiry(http: web.Request, upload: Upload) -> dict[str, str]:
    return {"Upload-Expires": format_datetime(http.app[UPLOADS].expires(upload.id), usegmt=True)}


def _answer(status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(status=status, headers={"Tus-Resumable": VERSION, "Cache-Control": "no-store", **headers})
