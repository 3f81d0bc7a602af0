"""The live line to a window: ``GET /widget/v1/socket`` as a WebSocket.

The window opens with ``{"type":"resume","token":…,"last_seq":n}`` (null: the newest page). The gateway answers
``{"type":"ready","earlier":bool}``, then every line after ``n`` from the store, then lines as they are written.
Messages do not come this way: they are requests, whose answers say that they are stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Annotated, Literal

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Meta

from channels._jwt import MAX_TOKEN
from channels.base import BadSignature
from gateway import wake
from gateway.context import GATEWAY, Gateway
from gateway.store.base import StoreError
from gateway.web.problems import ProblemError
from gateway.web.visitor import timeline, who
from gateway.web.visitor.guard import GUARD
from gateway.web.visitor.who import Visitor

log = logging.getLogger(__name__)

#: Close codes of our own (RFC 6455 leaves 4000-4999 to us).
BAD_TOKEN = 4401
SLOW_DOWN = 4429

HEARTBEAT = 20.0
#: How long a window may take to say who it is, and to take in one frame.
HELLO_SECONDS = 10.0
SEND_SECONDS = 15.0
MAX_FRAME = 16 * 1024
#: Frames that a window may send in ten seconds.
FRAMES = 40
#: A "typing" is passed on at most once in so many seconds.
TYPING_SECONDS = 2.0


class Resume(msgspec.Struct, frozen=True, tag_field="type", tag="resume"):
    """The first frame."""

    token: Annotated[str, Meta(max_length=MAX_TOKEN)]
    last_seq: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class Typing(msgspec.Struct, frozen=True, tag_field="type", tag="typing"):
    """The visitor is writing."""


class Ready(msgspec.Struct, frozen=True, tag_field="type", tag="ready"):
    """Our first frame; ``after`` is the seq that the lines start after, ``earlier`` whether there are some before."""

    after: int
    earlier: bool
    kind: Literal["socket"] = "socket"


_FRAMES = msgspec.json.Decoder(Resume | Typing)


async def connect(http: web.Request) -> web.WebSocketResponse:
    """Serve one window until it goes."""
    guard = http.app[GUARD]
    # No per-message compression: its state would cost each idle window a quarter of a megabyte.
    ws = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME, compress=False)
    if not ws.can_prepare(http).ok:
        raise ProblemError(426, "this path speaks WebSocket", headers={"Upgrade": "websocket"})
    await ws.prepare(http)
    guard.sockets.add(ws)
    try:
        hello = await _hello(ws)
        visitor = who.by_token(http, hello.token)
    except BadSignature:
        await ws.close(code=BAD_TOKEN, message=b"invalid token")
        return ws
    with guard.seat(visitor.conversation) as free:
        if free:
            await _serve(ws, http.app[GATEWAY], visitor, hello.last_seq)
        else:
            await ws.close(code=SLOW_DOWN, message=b"too many windows")
    return ws


async def _hello(ws: web.WebSocketResponse) -> Resume:
    try:
        frame = await ws.receive(HELLO_SECONDS)
    except TimeoutError as err:
        raise BadSignature("no first frame") from err
    read = _read(frame.data) if frame.type is WSMsgType.TEXT else None
    if not isinstance(read, Resume):
        raise BadSignature("the first frame is not `resume`")
    return read


def _read(data: str) -> Resume | Typing | None:
    try:
        frame: Resume | Typing = _FRAMES.decode(data)
        return frame
    except (msgspec.DecodeError, RecursionError):
        return None


async def _serve(ws: web.WebSocketResponse, gateway: Gateway, visitor: Visitor, last_seq: int | None) -> None:
    pushing = asyncio.create_task(_push(ws, gateway, visitor, last_seq))
    try:
        await _hear(ws, gateway, visitor)
    finally:
        pushing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pushing


async def _push(ws: web.WebSocketResponse, gateway: Gateway, visitor: Visitor, last_seq: int | None) -> None:
    """Send lines until cancelled. A window that takes none is closed: it resumes where it was."""
    try:
        after = last_seq
        if after is None:
            after = max(0, await timeline.newest(gateway, visitor.conversation) - timeline.PAGE)
        await _send(ws, Ready(after, earlier=after > 0))
        async for event in timeline.follow(gateway, visitor.conversation, after):
            await _send(ws, event)
    except (TimeoutError, ConnectionError):
        log.info("a chat window of %s takes no data, closed", visitor.window.account)
        await ws.close(code=WSCloseCode.GOING_AWAY, message=b"too slow", drain=False)
    except StoreError as err:
        log.warning("a chat window of %s cannot be served: %s", visitor.window.account, err)
        await ws.close(code=WSCloseCode.TRY_AGAIN_LATER)


async def _send(ws: web.WebSocketResponse, event: object) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await ws.send_str(msgspec.json.encode(event).decode())


async def _hear(ws: web.WebSocketResponse, gateway: Gateway, visitor: Visitor) -> None:
    loop = asyncio.get_running_loop()
    heard, since, typed = 0, loop.time(), 0.0
    async for frame in ws:
        now = loop.time()
        if now - since > 10:
            heard, since = 0, now
        heard += 1
        if heard > FRAMES:
            await ws.close(code=SLOW_DOWN, message=b"slow down")
            return
        read = _read(frame.data) if frame.type is WSMsgType.TEXT else None
        if isinstance(read, Typing) and now - typed >= TYPING_SECONDS:
            typed = now
            hint = {"type": "typing", "who": "customer", "conversation": visitor.conversation}
            gateway.wake.signal(wake.conversation(visitor.conversation), hint)
