"""Customers and agents who do not give up: each says the same thing again until it is accepted."""

from __future__ import annotations

import asyncio
import base64
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from channels import _standard_webhooks as webhooks
from channels.base import Secret

#: What customers write; each message also carries its own mark.
TEXTS = (
    "How long does delivery take?",
    "我的快递收到就是坏的，要求退款！",
    "可以开发票吗？",
    "The lamp I bought is broken, I want my money back.",
    "怎麼退貨？",
    "转人工",
    "thanks",
)
#: A customer's pause between two messages, in seconds.
PAUSE = 0.6
#: Pause before the same request is repeated, in seconds.
AGAIN = 0.05
#: Share of an agent's turns before which they log in anew.
LOGINS = 0.2
#: Share of accepted messages that are sent once more.
REPEATS = 0.05


@dataclass
class Ledger:
    """What was sent, and what the server has said it has."""

    sent: set[str] = field(default_factory=set)
    accepted: dict[str, list[str]] = field(default_factory=dict)
    """Conversation's owner → marks of its messages in the order in which they were accepted."""
    replies: dict[str, str] = field(default_factory=dict)
    """Key of an agent's accepted reply → its text."""
    garbage: int = 0
    faults: list[str] = field(default_factory=list)


class World:
    """What every actor shares."""

    def __init__(self, base: str, ledger: Ledger, chance: random.Random) -> None:
        self.base, self.ledger, self.chance = base, ledger, chance
        self.stopping = asyncio.Event()
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))

    async def until_accepted(self, request: Callable[[], Awaitable[tuple[int, Any]]]) -> tuple[int, Any]:
        """Repeat a request until the server answers for good."""
        while True:
            try:
                status, body = await request()
                if status < 500 and status != 429:
                    return status, body
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass
            await asyncio.sleep(AGAIN)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """One request; the JSON body when there is one."""
        async with self.http.request(method, self.base + path, **options) as answer:
            body = await answer.read()
            return answer.status, msgspec.json.decode(body) if body[:1] in (b"{", b"[") else body

    def text(self, mark: str) -> str:
        return f"{self.chance.choice(TEXTS)} ({mark})"


class Caller:
    """A system that writes for its customers through the API."""

    def __init__(self, world: World, name: str, token: str) -> None:
        self.world, self.name = world, name
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self) -> None:
        count = 0
        accepted = self.world.ledger.accepted.setdefault(self.name, [])
        while not self.world.stopping.is_set():
            count += 1
            mark = f"{self.name}-{count}"
            self.world.ledger.sent.add(mark)
            body = {"external_id": mark, "sender": {"id": self.name}, "text": self.world.text(mark)}
            status, _ = await self._post(body)
            if status not in (200, 202):
                self.world.ledger.faults.append(f"{mark}: HTTP {status}")
                continue
            accepted.append(mark)
            if self.world.chance.random() < REPEATS:
                await self._post(body)
            await asyncio.sleep(self.world.chance.random() * PAUSE)

    async def _post(self, body: dict[str, Any]) -> tuple[int, Any]:
        headers = self._headers | {"Idempotency-Key": body["external_id"]}
        return await self.world.until_accepted(
            lambda: self.world.call("POST", "/v1/messages", json=body, headers=headers)
        )


class Garbler:
    """A signed webhook whose bytes nobody can read."""

    def __init__(self, world: World, secret: str) -> None:
        self.world, self._secret = world, Secret(secret)

    async def run(self) -> None:
        while not self.world.stopping.is_set():
            body = b"\xff{not json " + uuid.uuid4().bytes
            headers = webhooks.sign(self._secret, f"garbage-{self.world.ledger.garbage}", datetime.now(UTC), body)
            await self.world.until_accepted(
                lambda body=body, headers=headers: self.world.call(  # type: ignore[misc]
                    "POST", "/in/api/main", data=body, headers=headers
                )
            )
            self.world.ledger.garbage += 1
            await asyncio.sleep(2 * PAUSE)


class Visitor:
    """A chat window: sends by request, reads by socket, resumes where it was."""

    def __init__(self, world: World, name: str, site: str) -> None:
        self.world, self.name, self._site = world, name, site
        self._secret = base64.urlsafe_b64encode(world.chance.randbytes(32)).decode().rstrip("=")
        self._token = ""
        self.lines: list[dict[str, Any]] = []

    async def run(self) -> None:
        _, session = await self.world.until_accepted(
            lambda: self.world.call("POST", f"/widget/v1/session?site={self._site}", json={"visitor": self._secret})
        )
        self._token = session["token"]
        reading = asyncio.create_task(self._read())
        try:
            await self._write()
            await reading
        finally:
            reading.cancel()

    async def _write(self) -> None:
        count = 0
        accepted = self.world.ledger.accepted.setdefault(self.name, [])
        headers = {"Authorization": f"Bearer {self._token}"}
        while not self.world.stopping.is_set():
            count += 1
            mark = f"{self.name}-{count}"
            self.world.ledger.sent.add(mark)
            body = {"client_msg_id": f"message-{count:08}", "text": self.world.text(mark)}

            async def post(body: dict[str, Any] = body) -> tuple[int, Any]:
                return await self.world.call(
                    "POST", f"/widget/v1/messages?site={self._site}", json=body, headers=headers
                )

            status, _ = await self.world.until_accepted(post)
            if status != 200:
                self.world.ledger.faults.append(f"{mark}: HTTP {status}")
                continue
            accepted.append(mark)
            if self.world.chance.random() < REPEATS:
                await self.world.until_accepted(post)
            await asyncio.sleep(self.world.chance.random() * PAUSE * 2)

    async def _read(self) -> None:
        """Until the window shows what the store holds; a dropped socket is opened again from the last line."""
        while True:
            try:
                async with self.world.http.ws_connect(
                    f"{self.world.base}/widget/v1/socket?site={self._site}"
                ) as socket:
                    last = self.lines[-1]["seq"] if self.lines else 0
                    await socket.send_json({"type": "resume", "token": self._token, "last_seq": last})
                    async for frame in socket:
                        event = msgspec.json.decode(frame.data)
                        if "seq" in event:
                            self.lines.append(event)
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass
            await asyncio.sleep(AGAIN)


class DeskAgent:
    """An agent: takes a waiting conversation, answers, notes, closes it or gives it back."""

    def __init__(self, world: World, login: str, password: str) -> None:
        self.world, self._login, self._password = world, login, password
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=5), cookie_jar=aiohttp.CookieJar(unsafe=True)
        )
        self._csrf = ""

    async def run(self) -> None:
        async with self._http:
            await self._enter()
            while not self.world.stopping.is_set():
                if self.world.chance.random() < LOGINS:
                    await self._enter()
                _, page = await self._ask("GET", "/desk/api/conversations?view=waiting")
                lines = page.get("items", []) if isinstance(page, dict) else []
                lines = [line for line in lines if line["channel"] != "phone"]  # nothing can be said into a call
                if lines:
                    await self._serve(self.world.chance.choice(lines)["id"])
                await asyncio.sleep(self.world.chance.random() * 0.3)

    async def _enter(self) -> None:
        credentials = {"login": self._login, "password": self._password}
        status, _ = await self._ask("POST", "/desk/api/login", json=credentials)
        assert status == 200, status
        _, me = await self._ask("GET", "/desk/api/me")
        self._csrf = me["csrf"]

    async def _serve(self, conversation: str) -> None:
        status, claimed = await self._act(conversation, "claim", {})
        if status != 200:
            return  # the other agent was faster
        fence = claimed["fence"]
        key = f"reply-{uuid.uuid4().hex}"
        text = f"Here is a person. ({key})"
        status, _ = await self._act(conversation, "reply", {"fence": fence, "key": key, "text": text})
        if status == 200:
            self.world.ledger.replies[key] = text
        await self._act(conversation, "note", {"key": f"note-{uuid.uuid4().hex}", "text": "called the warehouse"})
        if self.world.chance.random() < 0.3:
            body = {"fence": fence, "key": f"close-{uuid.uuid4().hex}", "disposition": "solved", "outcome": "refunded"}
            await self._act(conversation, "close", body)
        else:
            await self._act(conversation, "hand_back", {"fence": fence, "to": "bot"})

    async def _act(self, conversation: str, action: str, body: dict[str, Any]) -> tuple[int, Any]:
        path = f"/desk/api/conversations/{conversation}/{action}"
        return await self._ask("POST", path, json=body, headers={"X-Desk-Token": self._csrf})

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async def once() -> tuple[int, Any]:
            async with self._http.request(method, self.world.base + path, **options) as answer:
                body = await answer.read()
                return answer.status, msgspec.json.decode(body) if body[:1] in (b"{", b"[") else body

        return await self.world.until_accepted(once)
