"""The limit that all stand beside: aiohttp, twenty regular expressions, nothing else. ``python -m tests.bench.peers.limit PORT``."""

from __future__ import annotations

import re
import sys

from aiohttp import web

from tests.bench.peers.faq import RULES

_RULES = [(re.compile(pattern, re.IGNORECASE), answer) for _, pattern, _, answer in RULES]


async def ask(request: web.Request) -> web.Response:
    text = (await request.json())["text"]
    return web.json_response({"text": next((answer for rule, answer in _RULES if rule.search(text)), "")})


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/ask", ask)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
