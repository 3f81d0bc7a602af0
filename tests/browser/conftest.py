"""A real browser in front of a real gateway, both on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.ports import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CONFIGURATION = """
data = "data"
listen = "127.0.0.1:{port}"
secret = "ssssssssssssssssssssssssssssssssssssssss"
[company]
name = "Lantern Shop"
bot_name = "Lumi"
timezone = "Asia/Shanghai"
[channels.webchat.shop]
site_key = "lantern"
session_secret = "shop-session-secret-shop-session-secret"
identity_secret = "shop-identity-secret-shop-identity-secret"
origins = ["http://localhost:{guest}"]
rate = 100
buttons = [{{ en = "Where is my order?", zh-Hans = "我的订单到哪了？" }}]
"""
ROOT = Path(__file__).parents[2]


class Server:
    """``allears serve`` as a process of its own, so that it can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.guest = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._config = folder / "allears.toml"
        self._config.write_text(CONFIGURATION.format(port=self.port, guest=self.guest))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = (sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(self._config))
        log = (self.folder / "log.txt").open("ab")
        self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=log, stderr=log)
        log.close()
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while True:
                try:
                    async with session.get(self.url + "/widget.js") as answer:
                        assert answer.status == 200
                        return
                except aiohttp.ClientConnectionError:
                    assert self._process.returncode is None, (self.folder / "log.txt").read_text()
                    await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """As a power cut does it."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    await running.start()
    yield running
    await running.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_TEST_SERVERS") == "1":
            pytest.fail("chromium is not installed, and REQUIRE_TEST_SERVERS=1 wants the browser tests")
        pytest.skip("chromium is not installed: apt-get install chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


class Tabs:
    """Browser windows of one test; what a page complains about is kept."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    async def context(self, **options: Any) -> BrowserContext:
        options = {"locale": "en-GB", "viewport": {"width": 390, "height": 844}, **options}
        context = await self._browser.new_context(**options)
        context.set_default_timeout(15_000)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        self._contexts.append(context)
        return context

    async def open(self, url: str, **options: Any) -> Page:
        page = await (await self.context(**options)).new_page()
        await page.goto(url)
        return page

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def tabs(browser: Browser) -> AsyncIterator[Tabs]:
    made = Tabs(browser)
    yield made
    await made.close()
    assert not made.errors


@pytest.fixture
def guest(server: Server) -> Callable[[str, int], Any]:
    """A site of somebody else that embeds the window, on a port of its own."""

    @asynccontextmanager
    async def serve(policy: str, port: int) -> AsyncIterator[str]:
        text = (
            "<!doctype html><title>Shop</title><style>* { all: unset !important; color: red !important }</style>"
            f'<body><h1>Shop</h1><script src="{server.url}/widget.js" data-site-key="lantern" async></script></body>'
        )

        async def page(_: web.Request) -> web.Response:
            headers = {"Content-Security-Policy": policy} if policy else {}
            return web.Response(text=text, content_type="text/html", headers=headers)

        app = web.Application()
        app.router.add_get("/", page)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "localhost", port).start()
        try:
            yield f"http://localhost:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()

    return serve
