"""A whole gateway on loopback with a web chat, people at its desk, and browsers for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from channels.base import Attachment, Inbound, Sender
from gateway.app import application, assemble
from gateway.config import load
from gateway.context import Gateway
from gateway.desk import people
from gateway.intake import accept
from gateway.store.base import Agent, Role

CONFIG = """
data = "data"
listen = "127.0.0.1:0"
secret = "0123456789012345678901234567890123456789"
[limits]
file = 100000
[company]
timezone = "Asia/Shanghai"
[channels.webchat.shop]
site_key = "lantern"
session_secret = "0123456789012345678901234567890123456789"
"""

COMPLAINT = "Order 20261102003317 arrived broken and I am furious. I want a refund. Let me talk to a human."
#: Something the bot answers by itself.
QUESTION = "How do I change my delivery address?"


class Clock:
    """Now, moved by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def go(self, **by: float) -> None:
        self.ahead += timedelta(**by)


class Browser:
    """One browser at the desk: cookies, the page's token, and the Origin that browsers send."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session
        self.csrf = ""

    async def call(self, method: str, path: str, json: Any = None, **more: Any) -> tuple[int, Any, Mapping[str, str]]:
        headers = {"Accept": "application/json"}
        if method == "POST":
            headers |= {"Origin": self.url, "X-Desk-Token": self.csrf}
        headers |= more.pop("headers", {})
        if json is not None:
            more["data"] = msgspec.json.encode(json)
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as answer:
            body = await answer.read()
            return answer.status, msgspec.json.decode(body) if "json" in answer.content_type else body, answer.headers

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        status, body, _ = await self.call("GET", f"/desk/api/{path}", **more)
        return status, body

    async def post(self, path: str, json: Any = None, **more: Any) -> tuple[int, Any]:
        status, body, _ = await self.call("POST", f"/desk/api/{path}", {} if json is None else json, **more)
        return status, body

    async def act(self, conversation: str, action: str, **body: Any) -> tuple[int, Any]:
        return await self.post(f"conversations/{conversation}/{action}", body)

    async def follow(self, link: str) -> int:
        """Enter by a one-time link; the status of the page's first call."""
        await self.call("POST", self.url + link[link.index("/desk/") :])
        status, me = await self.get("me")
        if status == 200:
            self.csrf = me["csrf"]
        return status

    def plant(self, token: str) -> None:
        """Put a session cookie into this browser, as a thief or an attacker would."""
        self.session.cookie_jar.update_cookies({"allears-desk": token}, URL(self.url))

    @property
    def token(self) -> str:
        """The session cookie's value."""
        return next((cookie.value for cookie in self.session.cookie_jar if "allears-desk" in cookie.key), "")


class House:
    """The running gateway."""

    def __init__(self, url: str, gateway: Gateway, clock: Clock, runner: web.AppRunner) -> None:
        self.url, self.gateway, self.clock, self.runner = url, gateway, clock, runner
        self._sessions: list[aiohttp.ClientSession] = []

    def browser(self) -> Browser:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._sessions.append(session)
        return Browser(self.url, session)

    async def agent(self, login: str, role: Role = "agent", password: str = "") -> Agent:
        return await people.add_agent(self.gateway, login=login, name=login.title(), role=role, password=password)

    async def enter(self, login: str, role: Role = "agent") -> Browser:
        """A new colleague, logged in."""
        agent = await self.agent(login, role)
        browser = self.browser()
        assert await browser.follow(await people.new_login_link(self.gateway, agent.id)) == 200
        return browser

    async def heard(self, text: str = COMPLAINT, *, name: str = "Ann", thread: str = "t1", **more: Any) -> str:
        """A customer writes; the conversation, once the bot has dealt with it."""
        (accepted,) = await write(self.gateway, text, name=name, thread=thread, **more)
        await self.until(lambda: self._is_dealt_with(accepted.conversation))
        return str(accepted.conversation)

    async def _is_dealt_with(self, conversation: str) -> bool:
        found = await self.gateway.store.conversation(conversation)
        open_rows = await self.gateway.store.inbox(state="open")
        return bool(found.number) and not open_rows.items and not await self.gateway.store.pending(conversation)

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something that workers do."""
        async with asyncio.timeout(60):
            while not await true():  # noqa: ASYNC110 - what it waits for tells nobody
                await asyncio.sleep(0.02)

    async def said(self, conversation: str) -> list[str]:
        """What the customer has read, oldest first."""
        entries = await self.gateway.store.timeline(conversation, visible_only=True)
        return [entry.text for entry in entries if entry.kind == "outbound"]

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()


async def write(
    gateway: Gateway, text: str, *, name: str = "Ann", thread: str = "t1", attachments: tuple[Attachment, ...] = ()
) -> Any:
    now = gateway.clock()
    message = Inbound(
        channel="webchat",
        account="shop",
        external_id=f"{thread}-{now.timestamp()}",
        thread=thread,
        sender=Sender(id=thread, name=name),
        at=now,
        text=text,
        attachments=attachments,
    )
    return await accept(gateway, [message], received_at=now)


@asynccontextmanager
async def opened(folder: Path, extra: str = "") -> AsyncIterator[House]:
    file = folder / "allears.toml"
    file.write_text(extra + CONFIG)
    clock = Clock()
    gateway = assemble(load(file, env={}), clock=clock)
    runner = web.AppRunner(application(gateway), shutdown_timeout=0.5)  # a browser keeps its connections
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    house = House(f"http://{host}:{port}", gateway, clock, runner)
    try:
        yield house
    finally:
        await house.close()
        await runner.cleanup()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


@pytest.fixture
async def https_house(tmp_path: Path) -> AsyncIterator[House]:
    """The same behind a proxy that ends TLS."""
    async with opened(tmp_path, 'public_url = "https://desk.example"\n') as house:
        yield house


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose workers stand still, so that a test decides who comes first."""
    file = tmp_path / "allears.toml"
    file.write_text(CONFIG)
    gateway = assemble(load(file, env={}), clock=Clock())
    await gateway.store.open()
    yield gateway
    await gateway.egress.close()
    await gateway.store.close()


@pytest.fixture
def writes() -> Callable[..., Awaitable[Any]]:
    return write


@pytest.fixture
def question() -> str:
    return QUESTION


@pytest.fixture
def complaint() -> str:
    return COMPLAINT
