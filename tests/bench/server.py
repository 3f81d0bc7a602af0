"""The servers under measurement: ``python -m tests.bench.server bare PORT``, ``… accept CONFIG`` or ``… full CONFIG``.

``bare`` is the limit: an aiohttp handler that reads JSON and answers JSON. ``full`` is the gateway as it is served;
``accept`` is the same without its workers, so that only the way to the committed inbox row is measured.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from gateway import app as house
from gateway import config
from gateway.context import Gateway
from gateway.serve import serve
from tests.bench.process import SERVER_CORE, pin


async def _answer(request: web.Request) -> web.Response:
    message = await request.json()
    return web.json_response({"conversation": message["thread"], "seq": 1, "duplicate": False})


async def _bare(port: int) -> None:
    application = web.Application()
    application.router.add_post("/v1/messages", _answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


async def _idle(app: web.Application) -> AsyncIterator[None]:
    yield


async def _ready(_: Gateway) -> None:
    return None


def main(kind: str, what: str) -> None:
    pin(SERVER_CORE)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if kind == "bare":
        asyncio.run(_bare(int(what)))
        return
    if kind == "accept":
        house._working = _idle
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(config.load(Path(what)), _ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
