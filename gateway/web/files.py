"""A kept file as an answer, whole or the part that was asked for: browsers seek so in what they play."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from aiohttp import web

from gateway.context import GATEWAY
from gateway.web.problems import ProblemError


async def send(http: web.Request, digest: str, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with a file, piece by piece, wherever it lies; a range as RFC 9110 says, one at a time.

    Raises:
        NotFound: there is none. StoreUnavailable. ProblemError 416.
    """
    file = await http.app[GATEWAY].blobs.find(digest)
    tag = f'"{digest[:32]}"'
    part = _range(http, tag, file.size)
    start, stop = part or (0, file.size)
    answer = web.StreamResponse(headers={**headers, "Accept-Ranges": "bytes", "ETag": tag})
    answer.content_length = stop - start
    if part is not None:
        answer.set_status(206)
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    if http.method == "HEAD":
        await answer.prepare(http)
        return answer
    async with contextlib.aclosing(file.pieces(start, stop)) as pieces:
        first = await anext(pieces)  # what is away or damaged from the start can still be told
        await answer.prepare(http)
        await answer.write(first)
        async for piece in pieces:
            await answer.write(piece)
    await answer.write_eof()
    return answer


def _range(http: web.Request, tag: str, size: int) -> tuple[int, int] | None:
    """What is asked for, up to and without its end. None for the whole: no range, several, or one of another file."""
    if "Range" not in http.headers or http.headers.get("If-Range", tag) != tag:
        return None
    try:
        asked = http.http_range
    except ValueError:
        return None
    start, stop, _ = asked.indices(size)
    if start >= stop:
        raise ProblemError(416, headers={"Content-Range": f"bytes */{size}"})
    return start, stop
