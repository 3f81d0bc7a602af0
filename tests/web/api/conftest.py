"""A whole gateway on loopback, with two accounts of the ``api`` channel and callers of every kind."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from channels.base import Secret
from gateway.app import build
from gateway.config import load
from gateway.context import GATEWAY, Gateway

WEBHOOK_SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
ALL = ("messages:write", "messages:read", "records:read")
#: token: (account, scopes, reads)
TOKENS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "main-token": ("main", ALL, ()),
    "writer-token": ("main", ("messages:write",), ()),
    "reader-token": ("main", ("messages:read", "records:read"), ()),
    "other-token": ("other", ALL, ()),
    "auditor-token": ("other", ("messages:read", "records:read"), ("*",)),
}


def configuration() -> str:
    """``allears.toml`` with the tokens."""
    lines = ['data = "data"', 'listen = "127.0.0.1:0"', f'secret = "{"s" * 40}"']
    lines += ["[limits]", "file = 100000", "request_seconds = 2.0"]
    for account in ("main", "other"):
        lines += [f"[channels.api.{account}]", f'webhook_secrets = ["{WEBHOOK_SECRET}"]']
        for token, (owner, scopes, reads) in TOKENS.items():
            if owner == account:
                lines += [f"[[channels.api.{account}.tokens]]", f'name = "{token}"']
                lines += [f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"']
                lines += [f"scopes = {list(scopes)!r}", f"reads = {list(reads)!r}"]
    return "\n".join(lines)


class Running:
    """A gateway that runs, and a client for it."""

    def __init__(self, url: str, app: web.Application, session: aiohttp.ClientSession) -> None:
        self.url, self.app, self.session = url, app, session
        self.gateway: Gateway = app[GATEWAY]

    async def call(
        self, method: str, path: str, *, token: str = "main-token", json: Any = None, **more: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """(status, decoded JSON or bytes, headers) of one request."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})} if token else more.pop("headers", {})
        if json is not None:
            more["data"] = msgspec.json.encode(json)
        async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
            body = await answer.read()
            decoded = msgspec.json.decode(body) if "json" in answer.content_type else body
            return answer.status, decoded, dict(answer.headers)

    async def get(self, path: str, *, token: str = "main-token", **more: Any) -> tuple[int, Any]:
        status, body, _ = await self.call("GET", path, token=token, **more)
        return status, body

    async def say(self, text: str, *, token: str = "main-token", **more: Any) -> dict[str, Any]:
        """Send a message; what the answer says."""
        body = {"sender": {"id": "u1"}, "text": text, "external_id": text[:50], **more}
        status, said, _ = await self.call("POST", "/v1/messages", token=token, json=body)
        assert status in (200, 202), said
        return dict(said)

    async def number(self, conversation: str) -> str:
        """The number of a conversation's record, once there is one."""
        async with asyncio.timeout(60):
            while not (found := await self.gateway.store.conversation(conversation)).number:  # noqa: ASYNC110 - polled as a client does
                await asyncio.sleep(0.02)
        return found.number


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    file = tmp_path / "allears.toml"
    file.write_text(configuration())
    app = build(load(file, env={}))
    runner = web.AppRunner(app, lingering_time=0.2)  # what is left of a refused body is not waited for
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        yield Running(f"http://{host}:{port}", app, session)
    await runner.cleanup()
