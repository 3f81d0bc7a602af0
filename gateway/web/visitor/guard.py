"""Before every visitor path: which sites may ask, how often, how many at once."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import WSCloseCode, hdrs, web
from aiohttp.typedefs import Handler

from channels.base import BadSignature
from channels.webchat import Webchat
from gateway.context import GATEWAY
from gateway.web import doors
from gateway.web.problems import ProblemError
from gateway.web.visitor import who
from gateway.web.visitor.allowance import Allowance

PREFIX = "/widget/v1/"
#: Paths that cost something, with how many requests of one visitor we take in ten seconds (messages: a setting).
BUSY = {"messages": 0, "uploads": 20, "ticket": 10, "history": 40}
WINDOW_SECONDS = 10.0
#: Open windows of one visitor: browser tabs and devices.
MAX_OPEN = 12
#: A browser may remember for this many seconds what a site may ask.
PREFLIGHT_SECONDS = 600


class Pace:
    """Lets ``burst`` through at once and then as many in :data:`WINDOW_SECONDS` (the generic cell rate algorithm).

    One number a key; keys that are at rest are swept out when there are many.
    """

    SWEEP_AT = 20_000

    def __init__(self) -> None:
        self._due: dict[tuple[str, ...], float] = {}

    def wait(self, key: tuple[str, ...], burst: int, now: float) -> float:
        """Seconds until the key may go on; 0 when it may now, which is then counted."""
        step = WINDOW_SECONDS / burst
        due = max(self._due.get(key, now), now)
        if due - now > WINDOW_SECONDS - step:
            return due - now - (WINDOW_SECONDS - step)
        self._due[key] = due + step
        if len(self._due) > self.SWEEP_AT:
            self._due = {key: due for key, due in self._due.items() if due > now}
        return 0.0


class Guard:
    """What the guard remembers: paces and open connections. Lost with the process, and nothing else with it."""

    def __init__(self, uploads: int) -> None:
        self.pace = Pace()
        self.uploads = Allowance(uploads)
        self.open: Counter[str] = Counter()
        self.sockets: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()
        self.streams: weakref.WeakSet[asyncio.Task[object]] = weakref.WeakSet()

    @contextmanager
    def seat(self, conversation: str) -> Iterator[bool]:
        """Take a place for a live connection; False when this visitor has too many."""
        self.open[conversation] += 1
        try:
            yield self.open[conversation] <= MAX_OPEN
        finally:
            self.open[conversation] -= 1
            if not self.open[conversation]:
                del self.open[conversation]


GUARD: web.AppKey[Guard] = web.AppKey("visitor-guard", Guard)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse pages of unlisted sites and visitors who hurry. Raises :class:`ProblemError`."""
    if request.path.startswith(PREFIX):
        if request.method == hdrs.METH_OPTIONS:
            return _preflight()
        channel = who.window(request)
        if not _welcome(request, channel):
            raise ProblemError(403, "this site may not show the chat window: add it to `origins`")
        _slow_down(request, channel)
    return await handler(request)


def _welcome(http: web.Request, channel: Webchat) -> bool:
    origin = http.headers.get(hdrs.ORIGIN, "")
    return not origin or channel.allows(origin, http.host, doors.public_url(http, http.app[GATEWAY]))


def _slow_down(http: web.Request, channel: Webchat) -> None:
    path = http.path.removeprefix(PREFIX)
    if path not in BUSY:
        return
    try:
        session = who.visitor(http).session
    except BadSignature:
        return  # the handler says so
    key, burst = (channel.account, session.thread, path), BUSY[path] or channel.site.rate
    wait = http.app[GUARD].pace.wait(key, burst, asyncio.get_running_loop().time())
    if wait:
        raise ProblemError(429, "slow down", headers={hdrs.RETRY_AFTER: str(int(wait) + 1)})


def _preflight() -> web.Response:
    """Tell a browser what a page of another site may ask; :func:`share` adds whether it may at all."""
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, X-File-Name",
        hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
    }
    return web.Response(status=204, headers=headers)


async def share(http: web.Request, response: web.StreamResponse) -> None:
    """Let listed sites read every answer, errors too. There are no cookies, so credentials are never shared."""
    origin = http.headers.get(hdrs.ORIGIN)
    if not origin or not http.path.startswith(PREFIX):
        return
    response.headers[hdrs.VARY] = hdrs.ORIGIN
    channel = who.find(http.app[GATEWAY], http.query.get("site", ""))
    if channel is not None and _welcome(http, channel):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = hdrs.RETRY_AFTER


async def close_all(app: web.Application) -> None:
    """Before the server stops: windows are told to come back, so that stopping does not wait for them."""
    guard = app[GUARD]
    for stream in set(guard.streams):
        stream.cancel()
    going = [ws.close(code=WSCloseCode.GOING_AWAY, message=b"restarting") for ws in set(guard.sockets)]
    await asyncio.gather(*going, return_exceptions=True)
