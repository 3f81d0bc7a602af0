"""Files of a conversation: taken in while they arrive, given back to their own visitor only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote, unquote

from aiohttp import web

from gateway.context import GATEWAY
from gateway.web.doors import pieces, remote
from gateway.web.files import send
from gateway.web.problems import ProblemError
from gateway.web.visitor import timeline, who
from gateway.web.visitor.guard import GUARD

#: A whole upload may take this long; a pause in it no longer than ``limits.request_seconds``.
UPLOAD_SECONDS = 600.0
MAX_NAME = 200


async def upload(http: web.Request) -> web.Response:
    """``POST uploads``, the file as the body, its name percent-encoded in ``X-File-Name``: a token to attach it with.

    The name is no part of the URL, which proxies write down.

    Raises :class:`ProblemError`: 408 too slow, 413 too large, 422 not a file that we keep, 429 too many from one address.
    """
    visitor, gateway = who.visitor(http), http.app[GATEWAY]
    limit = min(visitor.window.limits.file, gateway.config.limits.file)
    if (http.content_length or 0) > limit:
        raise ProblemError(413, f"a file has at most {limit} bytes")
    name = unquote(http.headers.get("X-File-Name", ""))[:MAX_NAME]
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            data = _allowed(http, visitor, pieces(http, gateway, limit))
            kept = await gateway.blobs.put(data, name=name, type=http.content_type, limit=limit)
    except TimeoutError as err:
        raise ProblemError(408, "the file took too long to arrive") from err
    if kept.state != "kept":
        raise ProblemError(422, kept.reason or "the file was refused")
    token = visitor.window.upload_token(visitor.session, kept, gateway.clock())
    body = {"upload": token, "name": kept.name, "type": kept.type, "size": kept.size}
    return web.json_response(body, headers={"Cache-Control": "no-store"})


async def _allowed(http: web.Request, visitor: who.Visitor, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes, as long as the address has some left; for whom the shop vouches it does not ask."""
    address, loop = remote(http, http.app[GATEWAY]), asyncio.get_running_loop()
    async for piece in data:
        wait = (
            0.0 if visitor.session.sender.verified else http.app[GUARD].uploads.take(address, len(piece), loop.time())
        )
        if wait:
            raise ProblemError(429, "too many files from your address", headers={"Retry-After": str(int(wait) + 1)})
        yield piece


async def download(http: web.Request) -> web.StreamResponse:
    """``GET files/<seq>/<n>``: a file of a line that this visitor may see; every other is 404."""
    visitor, gateway = who.visitor(http), http.app[GATEWAY]
    seq, n = int(http.match_info["seq"]), int(http.match_info["n"])
    lines = await timeline.read(gateway, visitor.conversation, max(0, seq - 1), 1)
    files = lines[0].attachments if lines and lines[0].seq == seq else ()
    if n >= len(files) or files[n].state != "kept":
        raise ProblemError(404, "there is no such file in this conversation")
    return await send(http, files[n].digest, _harmless(files[n].name, files[n].type))


def _harmless(name: str, type: str) -> dict[str, str]:
    """Headers under which no file can act as a page of ours, whatever is in it."""
    return {
        "Content-Type": type or "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name or 'file', safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
