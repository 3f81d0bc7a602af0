"""The whole application as `allears serve` runs it, with a strict HTTP server, and strangers of every kind."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from gateway.app import application, assemble
from gateway.config import load
from gateway.context import Gateway
from gateway.desk import people
from gateway.serve import server
from gateway.store.base import Role, conversation_id

TOKEN, OTHER = "first-token-of-the-tests", "other-token-of-the-tests"
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
SCOPES = '["messages:write", "messages:read", "records:read"]'
CONFIG = f"""
data = "data"
listen = "127.0.0.1:0"
secret = "the-installations-secret-0123456789012345"
[limits]
file = 200000
uploads = 3000000
request_seconds = 1.5
[company]
timezone = "Asia/Shanghai"
[egress]
allow = ["127.0.0.0/8"]
[channels.webchat.shop]
site_key = "lantern"
session_secret = "session-secret-0123456789012345678901234"
rate = 1000
[channels.api.main]
webhook_secrets = ["{WEBHOOK_SECRET}"]
[[channels.api.main.tokens]]
name = "first"
sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
scopes = {SCOPES}
reads = ["*"]
[channels.api.other]
[[channels.api.other.tokens]]
name = "other"
sha256 = "{hashlib.sha256(OTHER.encode()).hexdigest()}"
scopes = {SCOPES}
[sinks.file]
kind = "jsonl"
"""


class Clock:
    """Now, moved by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class House:
    """The running gateway, and a client for it."""

    token, other, webhook_secret = TOKEN, OTHER, WEBHOOK_SECRET

    def __init__(self, url: str, gateway: Gateway, clock: Clock, session: aiohttp.ClientSession, folder: Path) -> None:
        self.url, self.gateway, self.clock, self.session, self.folder = url, gateway, clock, session, folder
        self.port = int(url.rpartition(":")[2])

    async def call(self, method: str, path: str, json: Any = None, **more: Any) -> tuple[int, Any, Mapping[str, str]]:
        """(status, decoded JSON or text, headers) of one request."""
        if json is not None:
            more["data"] = msgspec.json.encode(json)
        async with self.session.request(method, self.url + path, allow_redirects=False, **more) as answer:
            body = await answer.read()
            decoded = msgspec.json.decode(body) if "json" in answer.content_type else body.decode(errors="replace")
            return answer.status, decoded, answer.headers

    async def api(
        self, method: str, path: str, json: Any = None, *, token: str = TOKEN, **more: Any
    ) -> tuple[int, Any]:
        """The API, with a token."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        status, body, _ = await self.call(method, path, json, headers=headers, **more)
        return status, body

    async def send(self, text: str, **more: Any) -> str:
        """A message through the API; its conversation."""
        body = {"text": text, "external_id": str(uuid.uuid4()), "sender": {"id": str(uuid.uuid4())}, **more}
        status, answer = await self.api("POST", "/v1/messages", body)
        assert status == 202, answer
        return str(answer["conversation"])

    async def case(self, conversation: str) -> str:
        """The number of a conversation's case, once the bot has dealt with it."""

        async def number() -> bool:
            return bool((await self.gateway.store.conversation(conversation)).number)

        await self.until(number)
        return (await self.gateway.store.conversation(conversation)).number

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await true():  # noqa: ASYNC110 - what it waits for tells nobody
                await asyncio.sleep(0.02)

    async def visitor(self) -> str:
        """A session token of a new visitor."""
        secret = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        status, body, _ = await self.call("POST", "/widget/v1/session?site=lantern", {"visitor": secret})
        assert status == 200
        return str(body["token"])

    async def chat(self, token: str, text: str, **more: Any) -> tuple[int, Any]:
        """A message of a visitor."""
        body = {"client_msg_id": str(uuid.uuid4()), "text": text, **more}
        headers = {"Authorization": f"Bearer {token}"}
        status, answer, _ = await self.call("POST", "/widget/v1/messages?site=lantern", body, headers=headers)
        return status, answer

    def conversation(self, token: str) -> str:
        """The conversation of a visitor."""
        session = self.gateway.channels["webchat", "shop"].session(token, self.clock())  # type: ignore[attr-defined]
        return conversation_id("webchat", "shop", session.thread)

    @asynccontextmanager
    async def desk(self, role: Role = "agent") -> AsyncIterator[Desk]:
        """A colleague who is logged in."""
        agent = await people.add_agent(self.gateway, login=f"{role}-{uuid.uuid4()}", name="Mei", role=role)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            link = await people.new_login_link(self.gateway, agent.id)
            async with session.post(self.url + link[link.index("/desk/") :], allow_redirects=False) as answer:
                assert answer.status == 303
            async with session.get(self.url + "/desk/api/me") as answer:
                yield Desk(self, agent, session, (await answer.json())["csrf"])

    async def raw(self, data: bytes, seconds: float = 5.0) -> bytes:
        """What the server answers to these bytes until it closes or ``seconds`` are over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        got = b""
        try:
            async with asyncio.timeout(seconds):
                while piece := await reader.read(65536):
                    got += piece
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return got


class Desk:
    """One agent's browser."""

    def __init__(self, house: House, agent: Any, session: aiohttp.ClientSession, csrf: str) -> None:
        self.house, self.agent, self.session, self.csrf = house, agent, session, csrf

    async def call(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        headers = {"Origin": self.house.url, "X-Desk-Token": self.csrf, "Accept": "application/json"}
        data = msgspec.json.encode({} if json is None else json) if method == "POST" else None
        url = f"{self.house.url}/desk/api/{path}"
        async with self.session.request(method, url, data=data, headers=headers) as answer:
            body = await answer.read()
            return answer.status, msgspec.json.decode(body) if "json" in answer.content_type else body


@asynccontextmanager
async def opened(folder: Path, extra: str = "", tables: str = "") -> AsyncIterator[House]:
    file = folder / "allears.toml"
    file.write_text(extra + CONFIG + tables)
    clock = Clock()
    gateway = assemble(load(file, env={}), clock=clock)
    runner = server(application(gateway))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        try:
            yield House(f"http://127.0.0.1:{runner.addresses[0][1]}", gateway, clock, session, folder)
        finally:
            await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for all tests of a module."""
    async with opened(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture
def opening(tmp_path: Path) -> Any:
    """Start one of your own: ``async with opening(extra, tables) as house``; they go before and behind the configuration."""
    return lambda extra="", tables="": opened(tmp_path, extra, tables)


@pytest.fixture(scope="session")
def open_in() -> Any:
    """The same for a module's own fixture, which says the folder too."""
    return opened
