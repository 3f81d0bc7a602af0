"""Nodes as a company runs them: processes of `allears serve` on one PostgreSQL database, and people who write to any of them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from gateway.store.postgres import PostgresStore
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"
SECRET = "0123456789012345678901234567890123456789"
#: Seconds that anything may take on a busy machine; no test needs so long.
PATIENCE = 90.0

CONFIG = f"""
secret = "{SECRET}"
[egress]
allow = ["127.0.0.0/8"]
[outbox]
ladder = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
[channels.webchat.main]
site_key = "lantern"
session_secret = "{SECRET}"
rate = 5000
[channels.api.main]
[[channels.api.main.tokens]]
name = "tests"
sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
scopes = ["messages:write", "messages:read", "records:read"]
"""


class Node:
    """One process of `allears serve`."""

    def __init__(self, town: Town, name: str, *words: str, program: Sequence[str] = (), **env: str) -> None:
        self.name, self.town = name, town
        self.port = free_port()
        self.log = town.folder / f"{name}.log"
        self._words, self.env = words, env
        self._program = program or (sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(town.file))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = {
            **os.environ,
            "ALLEARS_LISTEN": f"127.0.0.1:{self.port}",
            "ALLEARS_DATA": f"data-{self.name}",
            **self.env,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._program, *self._words], cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
            )

    async def ready(self) -> Node:
        """Wait until it takes requests."""
        await until(self._answers, f"{self.name} does not come up")
        return self

    async def _answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.town.http.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    @property
    def stands_still(self) -> bool:
        """Whether it got SIGSTOP, or gave it to itself."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    async def ended(self) -> int:
        """Wait for its end; the exit status."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, PATIENCE)

    async def stop(self) -> int:
        """As a supervisor does; the exit status."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    def kill(self) -> None:
        """As a crash; safe to repeat."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    async def write(
        self, text: str, sender: str = "customer", id: str = "", http: aiohttp.ClientSession | None = None
    ) -> str:
        """A message through the API; its conversation."""
        body = {"text": text, "external_id": id or uuid.uuid4().hex, "sender": {"id": sender}}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (http or self.town.http).post(f"{self.url}/v1/messages", json=body, headers=headers) as answer:
            _served(answer)
            assert answer.status in (200, 202), await answer.text()
            return str((await answer.json())["conversation"])

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.town.http.get(self.url + path) as answer:
            return answer.status, await answer.read()


class Visitor:
    """A chat window: its session, and what it has shown."""

    def __init__(self, town: Town) -> None:
        self._town, self._token, self._last = town, "", 0
        self.lines: list[dict[str, Any]] = []

    async def open(self, node: Node) -> None:
        made = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        self._token = (await self._call(node, "session", {"visitor": made}))["token"]

    async def say(self, node: Node, text: str, id: str) -> None:
        await self._call(node, "messages", {"client_msg_id": id, "text": text})

    async def _call(self, node: Node, path: str, body: Any) -> Any:
        url, headers = f"{node.url}/widget/v1/{path}?site=lantern", {"Authorization": f"Bearer {self._token}"}
        async with self._town.http.post(url, data=msgspec.json.encode(body), headers=headers) as answer:
            _served(answer)
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def listen(self, node: Node) -> int:
        """Show lines until the connection ends, then say how it ended; the page would come again, after its last line."""
        async with self._town.http.ws_connect(f"{node.url}/widget/v1/socket?site=lantern") as ws:
            await ws.send_json({"type": "resume", "token": self._token, "last_seq": self._last})
            async for frame in ws:
                event = msgspec.json.decode(frame.data)
                if seq := event.get("seq"):
                    self._last = seq
                    self.lines.append(event)
        return ws.close_code or 0


class Town:
    """The database, the nodes on it, and a look into the database from outside."""

    def __init__(self, folder: Path, database: str, redis: str = "", more: str = "") -> None:
        self.folder, self.database = folder, database
        self.file = folder / "allears.toml"
        self._redis = f'[redis]\nurl = "{redis}"\n' if redis else ""
        self.furnish(more)
        self.nodes: list[Node] = []
        self.store = PostgresStore(database, connections=2)
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))

    def furnish(self, more: str) -> None:
        """Write the configuration, with more in it."""
        self.file.write_text(f'{CONFIG}[store]\nurl = "{self.database}"\nconnections = 5\n{self._redis}{more}')

    def node(self, name: str, *words: str, **more: Any) -> Node:
        """A node that starts now; words are those of `allears serve`."""
        node = Node(self, name, *words, **more)
        self.nodes.append(node)
        node.start()
        return node

    async def close(self) -> None:
        for node in self.nodes:
            node.kill()
        await self.http.close()
        await self.store.close()

    async def worked_on(self, count: int) -> list[Any]:
        """The inbox rows, once there are so many and all are done."""

        async def there() -> bool:
            rows = await self.inbox()
            return len(rows) >= count and all(row.state == "done" for row in rows)

        await until(there, "messages are not worked on")
        return await self.inbox()

    async def inbox(self) -> list[Any]:
        return await self._all(self.store.inbox)

    async def outbox(self) -> list[Any]:
        return await self._all(self.store.outbox)

    async def _all(self, listing: Callable[..., Awaitable[Any]]) -> list[Any]:
        page = await listing(limit=500)
        rows = list(page.items)
        while page.cursor:
            page = await listing(limit=500, cursor=page.cursor)
            rows += page.items
        return rows

    async def all_said(self) -> None:
        """Wait until nothing is to be sent any more."""

        async def quiet() -> bool:
            return all(row.state not in ("waiting", "sending") for row in await self.outbox())

        await until(quiet, "not everything is sent")


def _served(answer: aiohttp.ClientResponse) -> None:
    """Raises ClientError where trying again helps."""
    if answer.status >= 500:
        raise aiohttp.ClientError(f"HTTP {answer.status}")


@asynccontextmanager
async def town(folder: Path, database: str, redis: str = "", more: str = "") -> AsyncIterator[Town]:
    """A town whose nodes all end with it."""
    made = Town(folder, database, redis, more)
    try:
        await made.store.open()
        yield made
    finally:
        await made.close()


async def until(holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """Wait for it."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if await holds():
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(otherwise) from None
