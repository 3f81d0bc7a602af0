"""The same live line as server-sent events, for networks that let no WebSocket through.

An ``EventSource`` cannot send a header, and a session token must not stand in a URL that proxies write down: the
window gets a ticket for one connection within one minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from datetime import timedelta

import msgspec
from aiohttp import web

from channels.base import BadSignature
from channels.webchat import Session
from gateway.context import GATEWAY
from gateway.web.problems import ProblemError
from gateway.web.visitor import timeline, who
from gateway.web.visitor.guard import GUARD
from gateway.web.visitor.who import Visitor

SCOPE = "visitor-ticket"
TICKET_LIFE = timedelta(minutes=1)
#: Seconds between two comments that keep proxies awake.
BEAT = 15.0
SEND_SECONDS = 15.0
#: Milliseconds after which the browser comes again by itself.
RETRY_MS = 3000


async def ticket(http: web.Request) -> web.Response:
    """``POST ticket``: ``{"ticket": …}``, good for one ``GET events`` within a minute."""
    visitor, gateway = who.visitor(http), http.app[GATEWAY]
    made = secrets.token_urlsafe(24)
    value = msgspec.json.encode(visitor.session)
    await gateway.store.put_once(SCOPE, _hash(made), value, expires_at=gateway.clock() + TICKET_LIFE)
    return web.json_response({"ticket": made}, headers={"Cache-Control": "no-store"})


async def stream(http: web.Request) -> web.StreamResponse:
    """``GET events?ticket=…&after=seq`` or ``Last-Event-ID``: the lines after it, then lines as they are written."""
    visitor = await _redeem(http)
    after = await _start(http, visitor)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    with http.app[GUARD].seat(visitor.conversation) as free:
        if not free:
            raise ProblemError(429, "too many windows", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        if (task := asyncio.current_task()) is not None:
            http.app[GUARD].streams.add(task)
        await _write(response, f"retry: {RETRY_MS}\n: {'-' * 8}\n\n")
        async for event in timeline.follow(http.app[GATEWAY], visitor.conversation, after, beat=BEAT):
            await _write(response, _frame(event))
    return response


async def _redeem(http: web.Request) -> Visitor:
    gateway, channel = http.app[GATEWAY], who.window(http)
    value = await gateway.store.take_once(SCOPE, _hash(http.query.get("ticket", "")), gateway.clock())
    if value is None:
        raise BadSignature("the ticket is used or too old")
    session = msgspec.json.decode(value, type=Session)
    if session.account != channel.account:
        raise BadSignature("the ticket is for another window")
    return Visitor(channel, session)


async def _start(http: web.Request, visitor: Visitor) -> int:
    """A browser that comes again by itself says where it was in ``Last-Event-ID``."""
    last = http.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdigit() and len(last) <= 18:
        return int(last)
    if "after" in http.query:
        return timeline.number(http, "after")
    return max(0, await timeline.newest(http.app[GATEWAY], visitor.conversation) - timeline.PAGE)


def _frame(event: timeline.Event | None) -> str:
    if event is None:
        return ": ping\n\n"
    data = msgspec.json.encode(event).decode()
    if isinstance(event, timeline.Typing):
        return f"data: {data}\n\n"
    return f"id: {event.seq}\ndata: {data}\n\n"


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await response.write(text.encode())


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
