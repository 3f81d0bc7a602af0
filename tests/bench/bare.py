"""The limit that others stand beside: an aiohttp handler that reads JSON and answers JSON.

``python -m tests.bench.bare PORT``. Nothing of the gateway is in this process.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from tests.bench.process import SERVER_CORE, pin


async def answer(request: web.Request) -> web.Response:
    message = await request.json()
    return web.json_response({"conversation": message["thread"], "seq": 1, "duplicate": False})


async def serve(port: int) -> None:
    application = web.Application()
    application.router.add_post("/v1/messages", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    pin(SERVER_CORE)
    asyncio.run(serve(int(sys.argv[1])))
