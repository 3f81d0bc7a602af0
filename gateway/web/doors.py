"""The doors of the push channels: raw bytes in, committed rows, and only then an answer.

This is the only place that may tell a platform "we have it".
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import cast
from weakref import WeakKeyDictionary

from aiohttp import web

from channels.base import Answer, BadPayload, BadSignature, Invalid, NamedRequests, PushChannel, Request
from gateway.context import GATEWAY, Gateway
from gateway.intake import accept
from gateway.passing_on import pass_on
from gateway.web.problems import ProblemError

log = logging.getLogger(__name__)

#: Bytes of large bodies that may be on their way at one moment, whoever sends them: who that is, is known at their end.
ROOM = 256 * 1024 * 1024
#: A body up to this size always has room: a flood of large ones does not shut the doors to what platforms send.
SMALL = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: How long an Idempotency-Key is known; a repeat after that is still told by the message's own id.
NAMED_FOR = timedelta(days=7)
#: What a platform reads when its delivery was kept aside: a repeat would bring the same bytes.
QUARANTINED = Answer(status=202, headers={"content-type": "text/plain"}, body=b"kept for a person to look at\n")


def routes(gateway: Gateway) -> list[web.AbstractRouteDef]:
    """One route per method and path; a fixed path is shared by all accounts of its channel."""
    doors: dict[tuple[str, str], list[PushChannel]] = defaultdict(list)
    for (name, account), channel in gateway.channels.items():
        if isinstance(channel, PushChannel):
            for route in channel.routes:
                doors[route.method, route.path or f"/in/{name}/{account}"].append(channel)
    return [web.route(method, path, _handler(behind)) for (method, path), behind in doors.items()]


def _handler(behind: Sequence[PushChannel]) -> Handler:
    limit = max(channel.limits.body for channel in behind)

    async def handle(http: web.Request) -> web.StreamResponse:
        gateway = http.app[GATEWAY]
        request = await read_request(http, gateway, limit)
        channel = _owner(behind, request)
        if len(request.body) > channel.limits.body:
            raise ProblemError(413, f"this door takes {channel.limits.body} bytes")
        return _response(await receive(gateway, channel, request))

    return handle


def _owner(behind: Sequence[PushChannel], request: Request) -> PushChannel:
    if len(behind) == 1:
        return behind[0]
    for channel in behind:
        if channel.owns(request):
            return channel
    raise BadSignature("no account answers to this key")


async def receive(gateway: Gateway, channel: PushChannel, request: Request) -> Answer:
    """Take one delivery in and answer it.

    Raises:
        BadSignature, Forbidden, Invalid: nothing was stored, the caller is told.
        Retry, StoreUnavailable: nothing was stored, the platform must come again.
    """
    try:
        if (answer := channel.handshake(request)) is not None:
            return answer
        messages = channel.accept(request)
    except BadPayload as err:
        await _quarantine(gateway, channel, request, str(err))
        return QUARANTINED
    except BadSignature:
        gateway.metrics.bad_signatures.labels(channel.name).inc()
        raise
    if _names_requests(type(channel)) and (named := cast("NamedRequests", channel).idempotency(request)) is not None:
        await _same_request(gateway, channel, *named, at=request.at)
    if not messages:
        pass_on(gateway.wake, channel, request)
    return channel.answer(request, await accept(gateway, messages, received_at=request.at))


@cache
def _names_requests(kind: type[PushChannel]) -> bool:
    """Asked for every delivery; looking a protocol's members up costs as much as reading the message."""
    return issubclass(kind, NamedRequests)


async def _same_request(gateway: Gateway, channel: PushChannel, key: str, fingerprint: str, at: datetime) -> None:
    """Refuse a key that stood for something else before, with nothing of the request stored.

    422 is what draft-ietf-httpapi-idempotency-key-header asks for. The key is kept before the message: should the
    commit fail then, a repeat of the same request passes.
    """
    scope = f"request {channel.name}/{channel.account}"
    kept = await gateway.store.put_once(scope, key, fingerprint.encode(), expires_at=at + NAMED_FOR)
    if kept != fingerprint.encode():
        raise Invalid("this Idempotency-Key was used with another body; take a new key", where="Idempotency-Key")


async def _quarantine(gateway: Gateway, channel: PushChannel, request: Request, reason: str) -> None:
    id = await gateway.store.quarantine(
        channel.name,
        channel.account,
        request.body,
        reason,
        headers=_kept_headers(request.headers.items()),
        tail=request.tail,
        at=request.at,
    )
    gateway.metrics.quarantined.labels(channel.name).inc()
    log.warning(
        "%s/%s: a delivery could not be read, kept as quarantine %d: %s", channel.name, channel.account, id, reason
    )


def _kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Signatures stay for the replay; bearer tokens and cookies never reach the disk. Odd bytes become marks."""
    return {
        name: value.encode(errors="surrogateescape").decode(errors="replace")
        for name, value in headers
        if name not in ("authorization", "cookie")
    }


async def read_request(http: web.Request, gateway: Gateway, limit: int) -> Request:
    """Read a request whole, within its size and time limits. Raises :class:`ProblemError` 408, 413 or 415."""
    if http.headers.get("Content-Encoding", "identity") != "identity":
        raise ProblemError(415, "send the body as it is, not compressed", headers={"Accept-Encoding": "identity"})
    if (http.content_length or 0) > limit:
        raise ProblemError(413, f"this door takes {limit} bytes")
    if http.content.is_eof():  # it came with its head, as nearly all do: there is nothing to wait for
        body = http.content.read_nowait()
        if len(body) > limit:
            raise ProblemError(413, f"this door takes {limit} bytes")
    else:
        body = await _awaited(http, gateway, limit)
    return Request(
        method=http.method,
        url=public_url(http, gateway),
        tail=http.match_info.get("tail", ""),
        query=dict(http.query) if http.query_string else {},
        headers={name.lower(): value for name, value in http.headers.items()},
        body=body,
        remote=remote(http, gateway),
        at=gateway.clock(),
    )


async def _awaited(http: web.Request, gateway: Gateway, limit: int) -> bytes:
    try:
        async with asyncio.timeout(gateway.config.limits.request_seconds):
            return await _read(http, limit)
    except TimeoutError as err:
        raise ProblemError(408, "the request took too long to arrive") from err


class _Room:
    """How much of large bodies is in memory while they arrive."""

    taken = 0


_ROOMS: WeakKeyDictionary[web.Application, _Room] = WeakKeyDictionary()


async def _read(http: web.Request, limit: int) -> bytes:
    room, chunks, size, large = _ROOMS.setdefault(http.app, _Room()), [], 0, 0
    try:
        async for chunk in http.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise ProblemError(413, f"this door takes {limit} bytes")
            if size > SMALL:
                room.taken, large = room.taken + len(chunk), large + len(chunk)
                if room.taken > ROOM:
                    raise ProblemError(503, "too many large requests at once", headers={"Retry-After": "5"})
            chunks.append(chunk)
    finally:
        room.taken -= large
    return b"".join(chunks)


async def pieces(http: web.Request, gateway: Gateway, limit: int) -> AsyncIterator[bytes]:
    """An upload's body as it arrives. Raises :class:`ProblemError` 413 above ``limit`` bytes, TimeoutError at a long pause."""
    size = 0
    while True:
        async with asyncio.timeout(gateway.config.limits.request_seconds):
            piece = await http.content.readany()
        if not piece:
            return
        size += len(piece)
        if size > limit:
            raise ProblemError(413, f"a file has at most {limit} bytes")
        yield piece


def public_url(http: web.Request, gateway: Gateway) -> str:
    """The URL as the platform wrote it (some sign it); never taken from the Host header."""
    base = gateway.config.base_url
    return base + http.path_qs


def remote(http: web.Request, gateway: Gateway) -> str:
    """The caller's address; behind a trusted proxy the last address that the proxy added."""
    # Some proxies add a line of their own instead of lengthening the caller's, so the last line counts too.
    if gateway.config.trust_proxy and (forwarded := http.headers.getall("X-Forwarded-For", ())):
        return forwarded[-1].rsplit(",", 1)[-1].strip()
    return http.remote or ""


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)
