"""The day's customers where no platform stands between: mails to a real mailbox, and calls that a telephone system recorded."""

from __future__ import annotations

import asyncio
import io
import random
import uuid
import wave
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import _standard_webhooks as webhooks
from channels.base import Secret
from gateway.simulate.platforms import toml
from tests.channels.email.faults import Wire
from tests.channels.email.office import decoded, mail, settings
from tests.channels.email.servers import Dovecot, Post, dovecot
from tests.crash.traffic import World

#: Share of mails that are delivered twice, of those with which the connection breaks, of posts that the server puts off.
TWICE, RESET, PUT_OFF = 0.1, 0.1, 0.1
SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")


class Mailbox:
    """A real IMAP server behind a wire that breaks, and an SMTP server that puts mails off: ``async with``."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder, self._chance = folder, chance
        self._open = AsyncExitStack()
        self.mails: dict[str, list[str]] = {}
        """Customer → ids of their mails; what follows the first answers it."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            self._imap: Dovecot = opening.enter_context(dovecot())
            self._post = opening.enter_context(Post(self._folder))
            self._wire = await opening.enter_async_context(Wire(self._imap.imaps))
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    def table(self) -> str:
        """The account's table of the configuration."""
        tree = settings(self._imap, self._post, self._folder, imap_port=self._wire.port)
        return "\n".join(["\n[channels.email.day]", *(f"{key} = {toml(value)}" for key, value in tree.items())]) + "\n"

    async def write(self, customer: str, text: str) -> None:
        """A customer's mail arrives; some arrive twice, with some the connection breaks."""
        earlier = self.mails.setdefault(customer, [])
        address = f"{customer}@{customer}.example.com"  # many automatic mails to one domain would look like a loop
        id = f"<{len(earlier) + 1}-{uuid.uuid4().hex}@{customer}.example.com>"
        follows = {"in_reply_to": earlier[-1], "references": " ".join(earlier)} if earlier else {}
        earlier.append(id)
        body = mail(text, message_id=id, **{"from": f"{customer} <{address}>"}, **follows)
        for _ in range(1 + (self._chance.random() < TWICE)):
            await asyncio.to_thread(self._imap.deliver, body, sender=address)
        if self._chance.random() < RESET:
            self._wire.reset()
        if self._chance.random() < PUT_OFF:
            self._post.handler.data.append("451 come again")

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self._post.handler.data.clear()

    def posted(self) -> Counter[str]:
        """How often each mail of ours arrived, by its Message-ID: the same one twice is one for whoever reads it."""
        return Counter(str(decoded(one)["Message-ID"]) for one in self._post.posted)


class Exchange:
    """A telephone system that recorded calls: it tells of each until it is heard, and keeps the recordings."""

    def __init__(self, world: World) -> None:
        self._world = world
        app = web.Application()
        app.router.add_get("/{name}.wav", self._recording)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.close()

    @staticmethod
    def table() -> str:
        """The account's table of the configuration."""
        return f"\n[channels.phone.day]\nwebhook_secrets = [{toml(str(SECRET))}]\n"

    async def ring(self, customer: str, mark: str, text: str) -> None:
        """A call is over; what the agent noted of it carries the mark. Some are told of twice."""
        call: dict[str, Any] = {"call_id": mark, "recording_id": mark, "note": text, "agent": "101"}
        call |= {"url": str(self._server.make_url(f"/{mark}.wav")), "caller": f"+86138{int(customer[5:]):08}"}
        call["started_at"] = datetime.now(UTC).isoformat()
        body = msgspec.json.encode({"type": "recording.ready", "data": call})
        for _ in range(1 + (self._world.chance.random() < TWICE)):
            status, _ = await self._world.until_accepted(lambda: self._tell(mark, body))
            if status >= 300:
                self._world.ledger.faults.append(f"{mark}: HTTP {status}")

    async def _tell(self, mark: str, body: bytes) -> tuple[int, Any]:
        headers = webhooks.sign(SECRET, mark, datetime.now(UTC), body)
        return await self._world.call("POST", "/in/phone/day", data=body, headers=headers)

    async def _recording(self, request: web.Request) -> web.Response:
        """Half a second of silence, each of its own length, now and then not at hand."""
        if self._world.chance.random() < PUT_OFF:
            return web.Response(status=503)
        sound = io.BytesIO()
        with wave.open(sound, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(8000 + 2 * (hash(request.match_info["name"]) % 1000)))
        return web.Response(body=sound.getvalue(), content_type="audio/wav")
