"""The desk on the web: where agents answer."""

from __future__ import annotations

from aiohttp import web

from gateway.web.desk import acting, administration, files, pages, reading, recordings, socket
from gateway.web.desk.login import Login


def routes() -> list[web.AbstractRouteDef]:
    """All routes under /desk."""
    return [
        *pages.routes(),
        *Login().routes(),
        *reading.routes(),
        *acting.routes(),
        *files.routes(),
        *recordings.routes(),
        *administration.routes(),
        *socket.routes(),
    ]


def setup(app: web.Application) -> None:
    """The live lines end when the server stops."""
    socket.setup(app)
