# mypy: disable-error-code="import-not-found, misc, untyped-decorator"
"""A connector of opsdroid's: a request is a message, what the skill answers is the response."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from opsdroid.connector import Connector, register_event
from opsdroid.events import Message


class Door(Connector):
    """Takes requests at ``/ask``."""

    async def connect(self) -> None:
        self.said: dict[str, list[str]] = {}
        self.opsdroid.web_server.web_app.router.add_post("/ask", self.ask)

    async def listen(self) -> None:
        return None

    async def ask(self, request: web.Request) -> web.Response:
        body = await request.json()
        place = str(id(request))
        said = self.said[place] = []
        await self.opsdroid.parse(Message(body["text"], user=body["sender"], target=place, connector=self))
        del self.said[place]
        return web.json_response({"text": " ".join(said)})

    @register_event(Message)
    async def send_message(self, message: Any) -> None:
        self.said[message.target].append(message.text)
