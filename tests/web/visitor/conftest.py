"""A whole gateway on loopback with two chat windows, and visitors who talk to it as a browser does."""

from __future__ import annotations

import asyncio
import base64
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from channels.base import Attachment, Outbound
from gateway import wake
from gateway.app import build
from gateway.config import load
from gateway.context import GATEWAY, Gateway
from gateway.store.base import Entry, NewSend, conversation_id

CONFIGURATION = """
data = "data"
listen = "127.0.0.1:0"
secret = "ssssssssssssssssssssssssssssssssssssssss"
[limits]
file = 100000
request_seconds = 1.5
[channels.webchat.main]
site_key = "lantern"
session_secret = "main-session-secret-main-session-secret"
identity_secret = "main-identity-secret-main-identity-secret"
origins = ["https://shop.example"]
rate = 5000
[channels.webchat.slow]
site_key = "slow"
session_secret = "slow-session-secret-slow-session-secret"
rate = 5
"""


class Visitor:
    """A browser that holds one session."""

    def __init__(self, running: Running, token: str, site: str) -> None:
        self.running, self.token, self.site = running, token, site

    @property
    def conversation(self) -> str:
        account = {"lantern": "main", "slow": "slow"}[self.site]
        channel = self.running.gateway.channels["webchat", account]
        thread = channel.session(self.token, self.running.gateway.clock()).thread  # type: ignore[attr-defined]
        return conversation_id("webchat", account, thread)

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any, Mapping[str, str]]:
        """(status, decoded JSON or bytes, headers) with this visitor's token."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return await self.running.call(method, path, site=self.site, headers=headers, **more)

    async def say(self, text: str, id: str = "", **more: Any) -> tuple[int, Any]:
        """Post a message; (status, body)."""
        body = {"client_msg_id": id or str(uuid.uuid4()), "text": text, **more}
        status, answer, _ = await self.call("POST", "messages", json=body)
        return status, answer

    async def upload(self, data: bytes, name: str = "photo.png") -> tuple[int, Any]:
        status, answer, _ = await self.call("POST", "uploads", data=data, headers={"X-File-Name": quote(name)})
        return status, answer

    async def history(self, after: int = 0) -> list[dict[str, Any]]:
        status, body, _ = await self.call("GET", "history", query={"after": str(after)})
        assert status == 200
        events: list[dict[str, Any]] = body["events"]
        return events

    @asynccontextmanager
    async def socket(
        self, last_seq: int | None = None, token: str = ""
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An open line that has asked to resume."""
        url = f"{self.running.url}/widget/v1/socket?site={self.site}"
        async with self.running.session.ws_connect(url) as ws:
            await ws.send_json({"type": "resume", "token": token or self.token, "last_seq": last_seq})
            yield ws


class Running:
    """A gateway that runs, and a client for it."""

    def __init__(self, url: str, app: web.Application, session: aiohttp.ClientSession) -> None:
        self.url, self.app, self.session = url, app, session
        self.gateway: Gateway = app[GATEWAY]

    async def call(
        self, method: str, path: str, *, site: str = "lantern", query: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """(status, decoded JSON or bytes, headers) of one request below ``/widget/v1``."""
        if "json" in more:
            more["data"] = msgspec.json.encode(more.pop("json"))
        url = f"{self.url}/widget/v1/{path}"
        async with self.session.request(method, url, params={"site": site, **(query or {})}, **more) as answer:
            body = await answer.read()
            kind = answer.content_type
            return answer.status, msgspec.json.decode(body) if "json" in kind else body, answer.headers

    async def visitor(self, site: str = "lantern", secret: bytes = b"", **hello: Any) -> Visitor:
        """A fresh visitor, or the one with this secret."""
        if not hello:
            made = base64.urlsafe_b64encode(secret or os.urandom(32)).decode().rstrip("=")
            hello = {"visitor": made}
        status, body, _ = await self.call("POST", "session", site=site, json=hello)
        assert status == 200, body
        return Visitor(self, body["token"], site)

    async def reply(self, conversation: str, text: str, *files: Attachment, author: str = "Mei") -> None:
        """An agent's answer, as the desk queues it."""
        store, now = self.gateway.store, self.gateway.clock()
        held = await store.conversation(conversation)
        out = Outbound(
            key=f"agent/{uuid.uuid4()}", channel=held.channel, account=held.account, thread=held.thread,
            text=text, kind="human", author=author, attachments=files,
        )  # fmt: skip
        send = NewSend(
            key=out.key, destination=f"channel:{held.channel}/{held.account}", lane=conversation,
            conversation=conversation, kind="human", fence=held.fence, body=msgspec.json.encode(out), not_before=now,
        )  # fmt: skip
        await store.say(conversation, held.fence, [send])
        self.gateway.wake.signal(wake.OUTBOX)

    async def note(self, conversation: str, text: str, *files: Attachment) -> int:
        """An internal note, which no visitor may see."""
        entry = Entry(
            seq=0, kind="note", at=self.gateway.clock(), text=text, author="a1", visible=False, attachments=files
        )
        return await self.gateway.store.note(conversation, entry)


async def until(ws: aiohttp.ClientWebSocketResponse, wanted: Any, seconds: float = 60.0) -> list[dict[str, Any]]:
    """All frames up to the first that ``wanted`` says yes to."""
    frames = []
    async with asyncio.timeout(seconds):
        while True:
            frames.append(await ws.receive_json())
            if wanted(frames[-1]):
                return frames


@asynccontextmanager
async def start(folder: Path, port: int = 0) -> AsyncIterator[Running]:
    """The gateway over a folder; a second start on the same folder is a restart."""
    file = folder / "allears.toml"
    file.write_text(CONFIGURATION)
    app = build(load(file, {}))
    runner = web.AppRunner(app, shutdown_timeout=5)
    async with aiohttp.ClientSession() as session:
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield Running(f"http://127.0.0.1:{runner.addresses[0][1]}", app, session)
        finally:
            await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One for all tests of a module: visitors know nothing of each other, and reading the knowledge takes a second."""
    async with start(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture
def starting(tmp_path: Path) -> Any:
    """Start and stop it yourself: ``async with starting() as running``."""
    return lambda port=0: start(tmp_path, port)


@pytest.fixture
def frames() -> Any:
    """:func:`until`."""
    return until
