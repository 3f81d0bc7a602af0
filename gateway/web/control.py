"""The running server's side of the command line: operations by name, for who holds the installation's secret."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.context import GATEWAY
from gateway.operations import OperationError, perform
from gateway.web.doors import read_request
from gateway.web.problems import ProblemError

PREFIX = "/control"
#: Most bytes of a request: an operation's parameters, a long list of ids among them.
MAX_BODY = 1024 * 1024
#: Purpose and text of the bearer token; both sides derive it from the installation's secret.
PURPOSE, WHO = "control", "command line"


def routes() -> list[web.AbstractRouteDef]:
    return [web.post(PREFIX + "/{operation}", _control)]


async def _control(http: web.Request) -> web.Response:
    gateway = http.app[GATEWAY]
    token = http.headers.get("Authorization", "").removeprefix("Bearer ")
    if not gateway.keys.fits(PURPOSE, WHO, token):
        raise ProblemError(401, "this is for the command line of the same installation")
    request = await read_request(http, gateway, MAX_BODY)
    try:
        rows = await perform(gateway, http.match_info["operation"], msgspec.json.decode(request.body, type=dict))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise ProblemError(400, "not a JSON object") from err
    except OperationError as err:
        raise ProblemError(422, str(err)) from err
    return web.json_response({"rows": rows}, dumps=lambda value: msgspec.json.encode(value).decode())
