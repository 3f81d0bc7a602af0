"""The gateway is killed at the commits around an action: it is done once, and told once."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.ports import free_port

TOKEN = "a-token-of-the-tests"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CONFIG = """
secret = "0123456789012345678901234567890123456789"
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[company]
timezone = "Asia/Shanghai"
[bot]
knowledge = "{knowledge}"
[egress]
allow = ["127.0.0.0/8"]
[systems.shop]
url = "{system}"
secret = "{secret}"
[channels.api.main]
[[channels.api.main.tokens]]
name = "tests"
sha256 = "{token}"
scopes = ["messages:write", "messages:read", "records:read"]
"""
EXAMPLES = Path(__file__).parents[2] / "bot" / "examples"
#: The commit at which the process dies: with the decision, around the call, around its result.
FUSES = (
    "settle:before:2",
    "settle:after:2",
    "append:before:3",
    "append:after:3",
    "settle_sends:before:3",
    "settle:before:3",
)
SECONDS = 60.0


class Shop:
    """The company's system: a payment for each key it has not seen."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def act(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["webhook-id"])
        return web.json_response({"values": {}})


class Running:
    """The real server as a process of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, fuse: str = "") -> None:
        command = (sys.executable, "-m", "tests.crash.server", str(self._config), *([fuse] if fuse else []))
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        assert (await asyncio.wait_for(self._process.stdout.readline(), SECONDS)).strip() == b"up"

    async def ended(self) -> int:
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), SECONDS)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Customer:
    """Writes and reads over the API, and does not give up while the server is away."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session, self._base = session, f"http://127.0.0.1:{port}/v1"
        self._headers = {"Authorization": f"Bearer {TOKEN}"}

    async def write(self, id: str, text: str) -> str:
        """The conversation's id."""
        body = {"external_id": id, "thread": "t", "text": text, "sender": {"id": "c"}}
        answer = await self._session.post(f"{self._base}/messages", json=body, headers=self._headers)
        return str((await answer.json())["conversation"])

    async def texts(self, conversation: str) -> list[str]:
        """What was said to the customer."""
        async with self._session.get(
            f"{self._base}/conversations/{conversation}/messages", headers=self._headers
        ) as answer:
            return [line["text"] for line in (await answer.json())["items"] if line["author"] != "customer"]

    async def told(self, conversation: str, words: str) -> list[str]:
        """What was said, once these words were."""
        async with asyncio.timeout(SECONDS):
            while True:
                said = await self.texts(conversation)
                if any(words in text for text in said):
                    return said
                await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fuse", FUSES)
async def test_a_refund_is_paid_once_and_told_once(tmp_path: Path, fuse: str) -> None:
    shop, port = Shop(), free_port()
    app = web.Application()
    app.router.add_post("/actions", shop.act)
    async with TestServer(app) as system, aiohttp.ClientSession() as session:
        config = tmp_path / "allears.toml"
        config.write_text(
            CONFIG.format(
                port=port,
                knowledge=EXAMPLES,
                system=system.make_url("/actions"),
                secret=SECRET,
                token=hashlib.sha256(TOKEN.encode()).hexdigest(),
            )
        )
        running, customer = Running(config), Customer(session, port)
        try:
            await running.start(fuse)
            conversation = await customer.write("m1", "please refund my order 20261102003317, it was 60 yuan")
            await customer.told(conversation, "Shall I")
            await customer.write("m2", "yes")
            assert await running.ended() == -signal.SIGKILL
            await running.start()
            said = await customer.told(conversation, "on its way back to you")
        finally:
            await running.stop()
    assert len(set(shop.keys)) == 1
    assert sum("on its way back" in text for text in said) == 1
    assert sum("passing it to our system" in text for text in said) <= 1
