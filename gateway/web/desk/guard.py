"""Who may call the desk: the session cookie, the CSRF token, the Origin header and the role."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from gateway.context import GATEWAY, Gateway
from gateway.desk import people
from gateway.desk.actions import DeskError
from gateway.store.base import Agent, DeskSession, NotFound, Role
from gateway.web.doors import read_request
from gateway.web.problems import ProblemError

T = TypeVar("T")

CSRF_HEADER = "X-Desk-Token"
#: Most bytes of a JSON request: a long message in the widest encoding.
MAX_JSON = 1024 * 1024
_RANK: dict[Role, int] = {"agent": 0, "lead": 1, "admin": 2}


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A request of somebody who is logged in."""

    request: web.Request
    gateway: Gateway
    agent: Agent
    session: DeskSession


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DeskHandler = Callable[[Visit], Awaitable[web.StreamResponse]]


def reads(handler: DeskHandler, role: Role = "agent") -> Handler:
    """A handler that only looks: needs a session of at least this role."""

    async def handle(request: web.Request) -> web.StreamResponse:
        visit = await visit_of(request)
        _check_role(visit.agent, role)
        return await _answer(handler, visit)

    return handle


def acts(handler: DeskHandler, role: Role = "agent") -> Handler:
    """A handler that changes something: the page must also show its token and come from our own origin."""

    async def handle(request: web.Request) -> web.StreamResponse:
        visit = await visit_of(request)
        check_origin(request)
        _check_token(visit)
        _check_role(visit.agent, role)
        return await _answer(handler, visit)

    return handle


async def visit_of(request: web.Request) -> Visit:
    """The session behind the cookie. Raises :class:`ProblemError` 401."""
    gateway = request.app[GATEWAY]
    token = request.cookies.get(cookie_name(gateway), "")
    try:
        session, agent = await gateway.store.session(people.digest(token), gateway.clock())
    except NotFound:
        raise ProblemError(401, "Log in first.", code="login") from None
    return Visit(request=request, gateway=gateway, agent=agent, session=session)


def check_origin(request: web.Request) -> None:
    """Refuse a request that a browser sent from another site. Raises :class:`ProblemError` 403."""
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise ProblemError(403, "This request came from another site.", code="origin")
        return
    # Only host and port are compared: behind a proxy that ends TLS our own scheme differs.
    public = urlsplit(request.app[GATEWAY].config.public_url).netloc
    if _netloc(origin) not in {request.host, public} - {""}:
        raise ProblemError(403, "This request came from another site.", code="origin")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as `http://[`
        return ""


def set_cookie(response: web.StreamResponse, gateway: Gateway, token: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        cookie_name(gateway),
        token,
        max_age=int(gateway.config.desk.session_hours * 3600),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=_is_https(gateway),
    )


def drop_cookie(response: web.StreamResponse, gateway: Gateway) -> None:
    """Take the browser's session away."""
    response.del_cookie(cookie_name(gateway), path="/", httponly=True, samesite="Strict", secure=_is_https(gateway))


def cookie_name(gateway: Gateway) -> str:
    """With https the ``__Host-`` prefix: the browser then takes it from nobody but this very host (RFC 6265bis 4.1.3)."""
    return "__Host-allears-desk" if _is_https(gateway) else "allears-desk"


async def body_of(request: web.Request, type: type[T]) -> T:
    """The request's JSON as a struct. Raises :class:`ProblemError` 400, 408, 413 or 422."""
    read = await read_request(request, request.app[GATEWAY], MAX_JSON)
    try:
        return msgspec.json.decode(read.body, type=type)
    except msgspec.ValidationError as err:
        raise ProblemError(422, str(err), code="value") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ProblemError(400, "not JSON", code="value") from None


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Private JSON: no cache keeps it."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _answer(handler: DeskHandler, visit: Visit) -> web.StreamResponse:
    try:
        return await handler(visit)
    except DeskError as err:
        status = {"taken": 409, "changed": 409, "state": 409, "forbidden": 403}.get(err.code, 422)
        raise ProblemError(status, str(err), code=err.code, **err.facts) from None
    except NotFound:
        raise ProblemError(404, "There is no such thing.", code="not_found") from None


def _check_token(visit: Visit) -> None:
    shown = visit.request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(shown.encode(), visit.session.csrf.encode()):
        raise ProblemError(403, "The page's token is missing or old; load the page again.", code="csrf")


def _check_role(agent: Agent, role: Role) -> None:
    if _RANK[agent.role] < _RANK[role]:
        raise ProblemError(403, f"Only for the role {role}.", code="forbidden")


def _is_https(gateway: Gateway) -> bool:
    return gateway.config.public_url.startswith("https://")
