"""The running server's side of the command line: operations by name, for who holds the installation's secret."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.context import GATEWAY
from gateway.operations import OperationError, perform
from gateway.web.problems import ProblemError

PREFIX = "/control"
#: Purpose and text of the bearer token; both sides derive it from the installation's secret.
PURPOSE, WHO = "control", "command line"


def routes() -> list[web.AbstractRouteDef]:
    return [web.post(PREFIX + "/{operation}", _control)]


async def _control(http: web.Request) -> web.Response:
    gateway = http.app[GATEWAY]
    token = http.headers.get("Authorization", "").removeprefix("Bearer ")
    if not gateway.keys.fits(PURPOSE, WHO, token):
        raise ProblemError(401, "this is for the command line of the same installation")
    params = msgspec.json.decode(await http.read(), type=dict)
    try:
        rows = await perform(gateway, http.match_info["operation"], params)
    except OperationError as err:
        raise ProblemError(422, str(err)) from err
    return web.json_response({"rows": rows}, dumps=lambda value: msgspec.json.encode(value).decode())
