"""What a visitor's chat window talks to, beside the door that takes its messages.

The window reads one thing: the stored timeline of its own conversation. WebSocket, event stream and history are
three ways to the same rows, so there is nothing that one of them could miss.
"""

from __future__ import annotations

from aiohttp import web

from gateway.context import GATEWAY
from gateway.web.visitor import events, files, guard, settings, socket, timeline

__all__ = ["routes", "setup"]


def routes() -> list[web.AbstractRouteDef]:
    """The visitor's paths; session and messages are doors of the channel."""
    return [
        web.get("/widget/v1/settings", settings.settings),
        web.get("/widget/v1/history", timeline.history),
        web.get("/widget/v1/socket", socket.connect),
        web.post("/widget/v1/ticket", events.ticket),
        web.get("/widget/v1/events", events.stream),
        web.post("/widget/v1/uploads", files.upload),
        web.get(r"/widget/v1/files/{seq:\d{1,18}}/{n:\d{1,3}}", files.download),
    ]


def setup(app: web.Application) -> None:
    """The guard before every visitor path, the doors of the channel included."""
    app.middlewares.append(guard.middleware)
    app.on_response_prepare.append(guard.share)
    app.on_shutdown.append(guard.close_all)
    app[guard.GUARD] = guard.Guard(app[GATEWAY].config.limits.uploads)
