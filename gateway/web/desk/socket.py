"""The page's live line: it says "look again", never what is there. Typing, and what is said in a call that runs, it carries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from gateway import wake
from gateway.calls import CALLS
from gateway.store.base import NotFound
from gateway.web.desk import guard
from gateway.web.desk.guard import Visit
from gateway.web.problems import ProblemError

#: Signals closer together than this (seconds) are one frame.
CALM = 0.15
#: How often (seconds) a quiet line asks at least whether its session still stands.
RECHECK = 20.0
#: WebSocket close code for "log in again" (4000-4999 are the application's own, RFC 6455 7.4.2).
LOGGED_OUT = 4401
_LINES = web.AppKey("desk_lines", set[web.WebSocketResponse])


class _Open(msgspec.Struct):
    """The one frame that the page sends: which conversation it shows (empty: none)."""

    open: str


def routes() -> list[web.AbstractRouteDef]:
    """The one socket."""
    return [web.get("/desk/socket", live)]


def setup(app: web.Application) -> None:
    """Open lines are known, so that stopping does not wait for them."""
    app[_LINES] = set()
    app.on_shutdown.append(_close_all)


async def _close_all(app: web.Application) -> None:
    """Before the server stops: pages are told to come back."""
    lines = app[_LINES]
    going = [line.close(code=WSCloseCode.GOING_AWAY, message=b"restarting") for line in tuple(lines)]
    await asyncio.gather(*going, return_exceptions=True)


async def live(request: web.Request) -> web.StreamResponse:
    """Open the line. Browsers send cookies with cross-site sockets too, so the Origin header is required."""
    visit = await guard.visit_of(request)
    if "Origin" not in request.headers:
        raise ProblemError(403, "a socket needs its Origin", code="origin")
    guard.check_origin(request)
    socket = web.WebSocketResponse(heartbeat=25, max_msg_size=4096)
    await socket.prepare(request)
    line = _Line(visit, socket)
    request.app[_LINES].add(socket)
    try:
        async with _beside(line.watch_queue()):
            await line.read()
    finally:
        request.app[_LINES].discard(socket)
    return socket


class _Line:
    """One open page."""

    def __init__(self, visit: Visit, socket: web.WebSocketResponse) -> None:
        self._visit, self._socket = visit, socket

    async def read(self) -> None:
        """Follow the page from conversation to conversation until it goes."""
        watched: asyncio.Task[None] | None = None
        try:
            async for message in self._socket:
                id = _opened(message.data) if message.type is WSMsgType.TEXT else None
                if id is None:
                    continue
                await _stop(watched)
                watched = asyncio.create_task(self.watch(id)) if id else None
        finally:
            await _stop(watched)

    async def watch_queue(self) -> None:
        """Tell the page when the lists have changed; end when the session has."""
        with self._visit.gateway.wake.listen(wake.DESK) as signals:
            while not self._socket.closed:
                if not await self._is_logged_in():
                    await self._socket.close(code=LOGGED_OUT)
                    return
                await self._tell({"look": "queue"})
                await signals.next(min(RECHECK, self._visit.gateway.wake.poll))
                await asyncio.sleep(CALM)

    async def watch(self, id: str) -> None:
        """Follow the open conversation, and the call that may run in it."""
        async with _beside(self.watch_call(id)):
            await self.watch_conversation(id)

    async def watch_call(self, id: str) -> None:
        """Tell the page what is being said: frames of this kind are not stored anywhere, so they carry it."""
        calls, known, ran = self._visit.request.app[CALLS], 0, False
        with self._visit.gateway.wake.listen(wake.call(id)) as signals:
            while not self._socket.closed:
                call = calls.shown(id, known)
                known = call["known"] if call else 0
                if call or ran:
                    await self._tell({"call": call, "conversation": id})
                ran = call is not None
                told = [hint for hint in await signals.next(self._visit.gateway.wake.poll) if "call" in hint]
                if told and calls.hints and not (ran or calls.runs(id)):  # it runs on another node
                    await self._tell({"call": calls.hints.shown(id, told[-1]), "conversation": id})
                await asyncio.sleep(CALM)

    async def watch_conversation(self, id: str) -> None:
        """Tell the page when the open conversation has changed, and when its customer types."""
        with self._visit.gateway.wake.listen(wake.conversation(id)) as signals:
            while not self._socket.closed:
                for hint in await signals.next(self._visit.gateway.wake.poll):
                    if hint.get("type") == "typing":
                        await self._tell(
                            {"typing": hint.get("who", ""), "name": hint.get("name", ""), "conversation": id}
                        )
                # A hint and a change at the same moment are one wake-up, so a hint alone also means "look".
                await asyncio.sleep(CALM)
                await self._tell({"look": "conversation", "conversation": id})

    async def _is_logged_in(self) -> bool:
        gateway = self._visit.gateway
        try:
            await gateway.store.session(self._visit.session.token_hash, gateway.clock())
        except NotFound:
            return False
        return True

    async def _tell(self, frame: Mapping[str, Any]) -> None:
        # A page that has gone is noticed by the reader; nothing is lost, frames say only "look again".
        with contextlib.suppress(ConnectionError):
            await self._socket.send_json(frame)


def _opened(text: str) -> str | None:
    """The conversation that the page has opened (empty: none), or None for a frame that we do not know."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        return msgspec.json.decode(text, type=_Open).open[:200]
    return None


@asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await _stop(task)


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
