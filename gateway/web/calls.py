"""Where calls are streamed to while they run: clients of vosk-server, and Twilio's Media Streams.

``GET /calls/vosk/{account}`` wants a token of the account, as ``Authorization: Bearer`` or, because most clients can set
nothing but an address, as ``?token=``; what is known of the call may stand beside it. ``GET /calls/twilio/{account}`` wants Twilio's
signature. Both are WebSockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSCloseCode, WSMsgType, web

from channels import _phone_media as media
from channels import _phone_vosk as protocol
from channels.base import BadPayload, BadSignature, Request
from channels.phone import Phone
from gateway.call import RunningCall, Turn
from gateway.calls import CALLS, Calls, TooMany
from gateway.context import GATEWAY, Gateway
from gateway.web.doors import public_url, remote
from gateway.web.problems import ProblemError

log = logging.getLogger(__name__)

#: Seconds without a frame after which a call counts as over.
SILENCE = 60.0
#: A subprotocol that FreeSWITCH's audio fork asks for; it says nothing that is not said here.
SUBPROTOCOLS = ("audio.drachtio.org",)
#: Largest frame, in bytes: clients of vosk-server send a fifth of a second, some a whole file in a few pieces.
MAX_FRAME = 4 * 1024 * 1024
MAX_MEDIA_FRAME = 256 * 1024
#: Samples a second that a call may come with.
MIN_RATE, MAX_RATE = 8_000, 48_000
#: Answers that a client may be behind before nothing more is read from it: five minutes at the usual pace. Until then what it
#: sends is on the disk at once, however slow the hearing is.
MAX_ANSWERS = 1500
#: Names in the address that are not about the call.
_OURS = ("token", "channels", "sample_rate")


class _Open(weakref.WeakSet[web.WebSocketResponse]):
    """The sockets that are open."""


_SOCKETS: web.AppKey[_Open] = web.AppKey("call_sockets", _Open)


def setup(app: web.Application) -> None:
    """The calls of an application, and their end with it."""
    app[CALLS] = Calls(app[GATEWAY])
    app[_SOCKETS] = _Open()
    app.on_shutdown.append(_close_all)


def routes() -> list[web.AbstractRouteDef]:
    """The two doors."""
    return [web.get("/calls/vosk/{account}", vosk), web.get("/calls/twilio/{account}", twilio)]


async def _close_all(app: web.Application) -> None:
    """The server stops: the calls are completed with what was said so far."""
    sockets = app[_SOCKETS]
    for ws in tuple(sockets):
        await ws.close(code=WSCloseCode.GOING_AWAY)


# --- vosk-server -----------------------------------------------------------------------------------------


async def vosk(http: web.Request) -> web.WebSocketResponse:
    """Serve one client until it ends the call.

    Raises:
        ProblemError: 401 without a token of the account, 426 for what is no WebSocket.
    """
    phone = _phone(http)
    scheme, _, bearer = http.headers.get("Authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else http.query.get("token", "")
    if phone is None or not phone.may_upload(token):
        raise ProblemError(401, "a token of this phone account is needed", headers={"WWW-Authenticate": "Bearer"})
    async with _socket(http, MAX_FRAME) as ws:
        known: dict[str, object] = {name: value for name, value in http.query.items() if name not in _OURS}
        config = protocol.Config(sample_rate=_number(http.query.get("sample_rate", ""), 8000))
        channels = _number(http.query.get("channels", ""), 1)
        await _Client(ws, http.app[CALLS], phone, known, config, channels).serve()
    return ws


class _Bad(Exception):
    """What a client sent ends its connection: why, for its programmer."""


class _Client:
    """A client of vosk-server: sound in, an answer for each piece of it."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        calls: Calls,
        phone: Phone,
        known: dict[str, object],
        config: protocol.Config,
        channels: int,
    ) -> None:
        self._ws, self._calls, self._phone, self._known = ws, calls, phone, known
        self._config, self._channels = config, channels
        self._answers: asyncio.Queue[tuple[asyncio.Future[Turn], bool]] = asyncio.Queue(MAX_ANSWERS)
        self._call: RunningCall | None = None

    async def serve(self) -> None:
        answering = asyncio.create_task(self._answer())
        try:
            if await self._read():
                await self._answers.join()
        finally:
            answering.cancel()
            if self._call is not None:
                await self._calls.end(self._call)
            await asyncio.gather(answering, return_exceptions=True)

    async def _read(self) -> bool:
        """Take what comes until the call is over; whether the client said so and waits for its last answers."""
        while self._call is None or not self._call.full:
            message = await self._ws.receive(SILENCE)
            if message.type is WSMsgType.BINARY:
                await self._sound(message.data)
            elif message.type is WSMsgType.TEXT:
                if await self._text(message.data):
                    return True
            else:
                return False
        return False

    async def _sound(self, samples: bytes) -> None:
        if self._call is None:
            self._call = await self._begun()
        self._call.add(samples)
        await self._answers.put((self._call.mark(), False))

    async def _begun(self) -> RunningCall:
        rate = self._config.sample_rate  # may be infinite, or no number at all
        if not MIN_RATE <= rate <= MAX_RATE or self._channels not in (1, 2):
            raise _Bad(f"a call has {MIN_RATE} to {MAX_RATE} samples a second on one or two channels")
        return await self._calls.begin(
            self._phone,
            self._phone.known(self._known),
            rate=int(rate),
            channels=self._channels,
            phrases=self._config.phrase_list,
        )

    async def _text(self, text: str) -> bool:
        """Do what a text message says; whether it is the last."""
        try:
            said = protocol.read(text, self._config)
        except BadPayload as err:
            raise _Bad(str(err)) from err
        if said.config is not None:
            self._config = said.config
        if self._call is None:
            self._known |= said.known
        if said.eof or said.reset:
            await self._ended(last=said.eof)
        return said.eof

    async def _ended(self, *, last: bool) -> None:
        if self._call is None:
            await self._ws.send_str(protocol.result((), self._config))
        else:
            await self._answers.put((self._call.mark(pause=True, last=last), True))

    async def _answer(self) -> None:
        """Answer in the order of the questions."""
        while True:
            turn, whole = await self._answers.get()
            segments, partial = await turn
            words = [word for segment in segments for word in segment.words]
            answer = protocol.result(words, self._config) if words or whole else protocol.partial(partial)
            with contextlib.suppress(ConnectionError):  # the reader sees it too, and the call goes on being heard
                if not self._ws.closed:
                    await self._ws.send_str(answer)
            self._answers.task_done()


# --- Twilio ----------------------------------------------------------------------------------------------


async def twilio(http: web.Request) -> web.WebSocketResponse:
    """Serve one media stream until it stops. Nothing is ever said into it.

    Raises:
        BadSignature: it is not Twilio, or not this account's. ProblemError: 426 for what is no WebSocket.
    """
    gateway, phone = http.app[GATEWAY], _phone(http)
    if phone is None:
        raise BadSignature("no such account")
    phone.opens_stream(_request(http, gateway))
    async with _socket(http, MAX_MEDIA_FRAME) as ws:
        await _media(ws, http.app[CALLS], phone)
    return ws


async def _media(ws: web.WebSocketResponse, calls: Calls, phone: Phone) -> None:
    started = await _started(ws)
    if started is None:
        return
    try:
        known, tracks = phone.streamed(started)
    except (BadSignature, BadPayload) as err:
        raise _Bad(str(err)) from err
    call = await calls.begin(phone, known, rate=media.RATE, channels=len(tracks))
    mixer = media.Mixer(tracks)
    try:
        async for frame in _frames(ws):
            if frame.event == "stop" or call.full:
                break
            if frame.media is not None:
                call.add(mixer.add(frame.media))
    except BadPayload as err:
        raise _Bad(str(err)) from err
    finally:
        with contextlib.suppress(OSError):
            call.add(mixer.rest())
        await calls.end(call)


async def _started(ws: web.WebSocketResponse) -> media.Started | None:
    async for frame in _frames(ws):
        if frame.start is not None:
            return frame.start
        if frame.event != "connected":
            break
    return None


async def _frames(ws: web.WebSocketResponse) -> AsyncIterator[media.Frame]:
    while (message := await ws.receive(SILENCE)).type is WSMsgType.TEXT:
        try:
            yield media.read(message.data)
        except BadPayload as err:
            raise _Bad(str(err)) from err


# --- both ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _socket(http: web.Request, largest: int) -> AsyncIterator[web.WebSocketResponse]:
    """The opened socket; it is closed in any case, with a code that says why."""
    ws = web.WebSocketResponse(max_msg_size=largest, compress=False, protocols=SUBPROTOCOLS)
    if not ws.can_prepare(http).ok:
        raise ProblemError(426, "this path speaks WebSocket", headers={"Upgrade": "websocket"})
    await ws.prepare(http)
    http.app[_SOCKETS].add(ws)
    code, why = WSCloseCode.OK, ""
    try:
        yield ws
    except TimeoutError:
        why = "silent for too long"
    except _Bad as err:
        code, why = WSCloseCode.UNSUPPORTED_DATA, str(err)
    except TooMany as err:
        log.warning("calls: %s, one more is refused", err)
        code, why = WSCloseCode.TRY_AGAIN_LATER, str(err)
    except OSError as err:
        log.error("calls: a call could not be kept: %s", err.strerror)
        code, why = WSCloseCode.TRY_AGAIN_LATER, "it cannot be kept now"
    finally:
        await ws.close(code=code, message=why.encode()[:120])


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else default


def _phone(http: web.Request) -> Phone | None:
    channel = http.app[GATEWAY].channels.get(("phone", http.match_info["account"]))
    return channel if isinstance(channel, Phone) else None


def _request(http: web.Request, gateway: Gateway) -> Request:
    return Request(
        method=http.method,
        url=public_url(http, gateway),
        headers={name.lower(): value for name, value in http.headers.items()},
        remote=remote(http, gateway),
        at=gateway.clock(),
    )
