"""What a window must know before it can show itself; all of it is public."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.context import GATEWAY
from gateway.web.visitor import who


async def settings(http: web.Request) -> web.Response:
    """``GET settings?site=…``: texts by language, colour and limits."""
    channel, company = who.window(http), http.app[GATEWAY].config.company
    body = {
        "title": channel.site.title,
        "company": company.called(),
        "bot": company.bot_name,
        "greeting": channel.site.greeting,
        "buttons": channel.site.buttons,
        "color": channel.site.color,
        "identity": bool(channel.site.identity_secret),
        "limits": {
            "text": channel.limits.text,
            "file": min(channel.limits.file, http.app[GATEWAY].config.limits.file),
            "files": min(channel.limits.files, http.app[GATEWAY].config.limits.files),
        },
    }
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-cache"}
    )
