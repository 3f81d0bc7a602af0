"""One operation of the API, declared once: the route and its description are both made from it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from aiohttp import hdrs, web

from channels.api import Scope
from channels.base import Invalid
from gateway.context import GATEWAY, Gateway
from gateway.web.api_access import Caller, caller

#: A body of any bytes, as a request or an answer.
BYTES = "application/octet-stream"
#: An answer in words, where there is nothing for a program in it.
TEXT = "text/plain"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to an operation, checked: who calls, the parts of the path, the query."""

    gateway: Gateway
    caller: Caller
    path: Mapping[str, str]
    query: Any
    http: web.Request


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``answers`` maps a status to the types its body may have (``BYTES``, ``TEXT``); ``errors`` are problem details.

    ``handler`` is None where a channel's door serves it. ``headers`` are request headers: name to (required, help).
    """

    id: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    description: str = ""
    scope: Scope | None = None
    query: type[msgspec.Struct] | None = None
    headers: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    body: Any = None
    answers: Mapping[int, tuple[Any, ...]]
    errors: tuple[int, ...] = ()
    handler: Handler | None = None

    def path_names(self) -> list[str]:
        """The names in the path's braces."""
        return re.findall(r"{(\w+)}", self.path)


def route(operation: Operation) -> web.RouteDef:
    """The route of an operation that is not a door's: token first, then the query, then the handler."""
    handler, scope = operation.handler, operation.scope
    if handler is None or scope is None:
        raise ValueError(f"{operation.id} is served by a channel's door")

    async def handle(http: web.Request) -> web.StreamResponse:
        gateway = http.app[GATEWAY]
        who = caller(gateway, {"authorization": http.headers.get(hdrs.AUTHORIZATION, "")}, scope)
        query = read_query(http, operation.query) if operation.query else None
        return await handler(Call(gateway=gateway, caller=who, path=http.match_info, query=query, http=http))

    return web.route(operation.method, operation.path, handle)


def read_query(http: web.Request, type: type[msgspec.Struct]) -> Any:
    """The query as a struct; unknown parameters are left alone. Raises :class:`Invalid`."""
    given: dict[str, Any] = {}
    for one in msgspec.structs.fields(type):
        values = http.query.getall(one.name, [])
        if len(values) > 1:
            raise Invalid("given more than once", where=one.name)
        if values:
            given[one.name] = _whole(values[0]) if isinstance(one.default, int) else values[0]
    try:
        return msgspec.convert(given, type)
    except msgspec.ValidationError as err:
        problem, _, path = str(err).partition(" - at `$")
        raise Invalid(problem, where=path.rstrip("`").lstrip(".")) from err


def _whole(text: str) -> int | str:
    # What is no whole number stays text, and the check by type says so.
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def json(value: msgspec.Struct, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of JSON."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
