# mypy: disable-error-code="import-not-found, misc"
"""A bot of the Bot Framework's SDK: ``with_botbuilder.py PORT``, without authentication, as its emulator speaks to it."""

from __future__ import annotations

import re
import sys
from typing import Any

from aiohttp import web
from botbuilder.core import ActivityHandler, BotFrameworkAdapter, BotFrameworkAdapterSettings
from botbuilder.schema import Activity

from tests.bench.peers.faq import RULES

_RULES = [(re.compile(pattern, re.IGNORECASE), answer) for _, pattern, _, answer in RULES]


class Faq(ActivityHandler):
    """Answers by the twenty rules."""

    async def on_message_activity(self, turn_context: Any) -> None:
        text = turn_context.activity.text
        await turn_context.send_activity(next((answer for rule, answer in _RULES if rule.search(text)), ""))


if __name__ == "__main__":
    # Without an id it asks for no token. The newer CloudAdapter takes about ten times its CPU time.
    adapter, bot = BotFrameworkAdapter(BotFrameworkAdapterSettings("", "")), Faq()

    async def ask(request: web.Request) -> web.StreamResponse:
        activity = Activity().deserialize(await request.json())
        answer = await adapter.process_activity(activity, "", bot.on_turn)
        return web.json_response(answer.body)

    application = web.Application()
    application.router.add_post("/ask", ask)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
