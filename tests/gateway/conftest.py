"""A whole gateway on loopback with the API channel and a file sink, stepped by hand or running."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.base import Inbound, Sender
from gateway import config
from gateway.app import application, assemble
from gateway.context import Gateway
from gateway.flow import Flow
from gateway.intake import accept
from gateway.outbox import Outbox
from gateway.store.base import Entry

TOKEN = "a-token-of-the-tests"
CONFIG = """
secret = "0123456789012345678901234567890123456789"
public_url = "http://127.0.0.1:1"

[company]
timezone = "Asia/Shanghai"

[limits]
request_seconds = 1.0

[egress]
allow = ["127.0.0.0/8"]

[channels.api.main]
[[channels.api.main.tokens]]
name = "tests"
sha256 = "{token}"
scopes = ["messages:write", "messages:read", "records:read"]

[sinks.file]
kind = "jsonl"
"""


class Clock:
    """Now, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # a Friday, ten o'clock in Shanghai

    def __call__(self) -> datetime:
        return self.now

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)


class Town:
    """The gateway, its workers stepped by hand, and customers who write."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self.gateway, self.clock = gateway, clock
        self.flow, self.outbox = Flow(gateway), Outbox(gateway)
        self._count = 0

    async def write(
        self, text: str, *, thread: str = "t", id: str = "", email: str = "", work: bool = True, **more: Any
    ) -> str:
        """One message, taken all the way; the conversation's id."""
        self._count += 1
        message = Inbound(
            channel="api",
            account="main",
            external_id=id or f"m{self._count}",
            thread=thread,
            sender=Sender(id=thread, email=email),
            at=self.clock(),
            text=text,
            raw=text.encode(errors="replace"),
            **more,
        )
        accepted = await accept(self.gateway, [message], received_at=self.clock())
        if work:
            await self.work()
        return accepted[0].conversation

    async def work(self) -> None:
        """Until nothing is open and nothing is due."""
        while await self.flow.step():
            pass
        await self.outbox.drain()

    async def lines(self, conversation: str, kind: str = "") -> list[Entry]:
        """The timeline, or its lines of one kind."""
        entries = await self.gateway.store.timeline(conversation)
        return [entry for entry in entries if kind in ("", entry.kind)]

    def events(self) -> list[dict[str, Any]]:
        """What the file sink has got."""
        path = self.gateway.blobs.folder.parent / "events.jsonl"
        return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store_url() -> str:
    """The embedded store; a module that also runs on PostgreSQL says so itself."""
    return ""


@pytest.fixture
def config_file(tmp_path: Path, store_url: str) -> Path:
    path = tmp_path / "allears.toml"
    token = hashlib.sha256(TOKEN.encode()).hexdigest()
    path.write_text(CONFIG.replace("{token}", token) + f'[store]\nurl = "{store_url}"\n')
    return path


@pytest.fixture
async def gateway(config_file: Path, clock: Clock) -> AsyncIterator[Gateway]:
    made = assemble(config.load(config_file, env={}), clock=clock)
    await made.store.open()
    yield made
    await made.egress.close()
    await made.store.close()


@pytest.fixture
def town(gateway: Gateway, clock: Clock) -> Town:
    return Town(gateway, clock)


@pytest.fixture
async def server(config_file: Path) -> AsyncIterator[TestServer]:
    """The running application with its workers, on the real clock."""
    running = TestServer(application(assemble(config.load(config_file, env={}))))
    async with running:
        yield running


@pytest.fixture
async def client(server: TestServer) -> AsyncIterator[TestClient[Any, Any]]:
    made: TestClient[Any, Any] = TestClient(server)
    async with made:
        yield made


@pytest.fixture
def post(client: TestClient[Any, Any]) -> Callable[..., Awaitable[tuple[int, dict[str, Any]]]]:
    """Send a message to ``/v1/messages`` with the token."""

    async def send(body: Any, **more: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with client.post("/v1/messages", data=data, headers=headers, **more) as answer:
            return answer.status, await answer.json()

    return send
