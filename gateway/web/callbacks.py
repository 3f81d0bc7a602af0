"""``POST /sinks/<name>/callback``: a ticket system tells how a complaint stands."""

from __future__ import annotations

import logging

from aiohttp import web

from channels.base import BadPayload, BadSignature, Request
from gateway.context import GATEWAY, Gateway
from gateway.sinks.base import CallsBack
from gateway.ticket_updates import apply
from gateway.web.doors import read_request
from gateway.web.problems import ProblemError

log = logging.getLogger(__name__)

#: What stands for a channel's name where a callback is kept.
SINK = "sink"
#: Largest callback in bytes: a status and a comment.
MAX_BODY = 64 * 1024


def routes() -> list[web.AbstractRouteDef]:
    """The door of all sinks that call back."""
    return [web.post("/sinks/{name}/callback", callback)]


async def callback(http: web.Request) -> web.Response:
    """Take one callback in. 200 says that it is durable, or was before; what cannot be read is kept (202)."""
    gateway, name = http.app[GATEWAY], http.match_info["name"]
    sink = gateway.sinks.get(name)
    if not isinstance(sink, CallsBack):
        raise ProblemError(404)
    request = await read_request(http, gateway, MAX_BODY)
    try:
        update = sink.update(request)
    except BadSignature:
        gateway.metrics.bad_signatures.labels(f"sink:{name}").inc()
        raise
    except BadPayload as err:
        await _quarantine(gateway, name, request, str(err))
        return web.json_response({"result": "quarantined"}, status=202)
    if update is None:
        return web.json_response({"result": "ignored"})
    return web.json_response({"result": await apply(gateway, name, update)})


async def _quarantine(gateway: Gateway, name: str, request: Request, reason: str) -> None:
    headers = {key: value for key, value in request.headers.items() if key.startswith(("webhook-", "content-type"))}
    id = await gateway.store.quarantine(SINK, name, request.body, reason, headers=headers, at=request.at)
    gateway.metrics.quarantined.labels(f"sink:{name}").inc()
    log.warning("sink %s: a callback could not be read, kept as quarantine %d: %s", name, id, reason)
