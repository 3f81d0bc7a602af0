"""The api channel for the contract suite: its signed webhooks, which are its door without a person behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import _standard_webhooks as webhooks
from channels.api import ReplyEvent
from channels.base import Secret

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
SETTINGS = {
    "webhook_secrets": [str(SECRET)],
    "reply_url": "https://crm.example/replies",
    "reply_secret": str(SECRET),
}
#: The same settings without a credential: they must be refused.
UNSAFE = {**SETTINGS, "webhook_secrets": []}
#: What may never be seen in a log, repr or error.
SECRETS = (str(SECRET),)


def sign(body: bytes, at: datetime, id: str = "evt-1") -> dict[str, str]:
    """The headers of a good delivery."""
    return webhooks.sign(SECRET, id, at, body)


#: What ``text.json`` says.
EXPECTED = [
    {
        "external_id": "letter-2026-118",
        "thread": "card-4711",
        "sender": "card-4711",
        "text": "电饭煲用了两天就不通电了，我要求退货退款。订单号 202611200017。",
        "origin": "letter",
    }
]


class Platform:
    """The caller's server behind ``reply_url``: it checks every signature, as a good receiver does."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.script: list[tuple[int, dict[str, str]]] = []
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/replies", self._take)
        self._server = TestServer(app)
        self.settings: dict[str, Any] = {}

    async def __aenter__(self) -> Platform:
        await self._server.start_server()
        self.settings = {"reply_url": str(self._server.make_url("/replies"))}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.close()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhooks.verify((SECRET,), headers, body, datetime.now(UTC))
        status, answer = self.script.pop(0) if self.script else (200, {})
        if status == 200 and request.method == "POST":
            said = msgspec.json.decode(body, type=ReplyEvent).data
            self.sent.append(
                {
                    "text": said.text,
                    "thread": said.thread,
                    "reply_to": said.reply_to,
                    "buttons": [button.label for button in said.buttons],
                }
            )
        if status == 0 and request.transport is not None:
            request.transport.close()
        return web.Response(status=status or 200, headers=answer)
