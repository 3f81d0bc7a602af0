"""The whole way round: a message by the API, an answer by the bot, a signed webhook at the caller's end."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiohttp import ClientSession, web

from channels import _standard_webhooks as webhooks
from channels.base import Secret
from gateway.app import build
from gateway.config import load

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
TOKEN = "crm-token"
CONFIG = """
data = "data"
secret = "{secret}"
[egress]
allow = ["127.0.0.0/8"]
[outbox]
ladder = [0.05, 0.05]
[channels.api.crm]
reply_url = "{url}"
reply_secret = "{signs}"
[[channels.api.crm.tokens]]
name = "crm"
sha256 = "{token}"
scopes = ["messages:write"]
"""


async def start(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}"


async def test_an_answer_reaches_reply_url_once_though_its_server_stumbles(tmp_path: Path) -> None:
    attempts: list[str] = []
    bodies: dict[str, bytes] = {}
    arrived = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        id = webhooks.verify((SECRET,), headers, body, datetime.now(UTC))
        attempts.append(id)
        if len(attempts) == 1:
            return web.Response(status=500)
        bodies[id] = body
        arrived.set()
        return web.Response(status=204)

    crm = web.Application()
    crm.router.add_post("/replies", take)
    receiver, receiver_url = await start(crm)
    file = tmp_path / "allears.toml"
    hashed = hashlib.sha256(TOKEN.encode()).hexdigest()
    file.write_text(CONFIG.format(secret="s" * 40, url=f"{receiver_url}/replies", signs=SECRET, token=hashed))
    gateway, url = await start(build(load(file, env={})))

    said = {"sender": {"id": "u1"}, "thread": "case-9", "text": "I want to talk to a person."}
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k1"}
    async with ClientSession() as session, session.post(f"{url}/v1/messages", json=said, headers=headers) as answer:
        assert answer.status == 202
    await asyncio.wait_for(arrived.wait(), 60)
    await gateway.cleanup()
    await receiver.cleanup()

    assert attempts[0] == attempts[1], "a repeat is the same webhook"
    event = msgspec.json.decode(bodies[attempts[0]])
    assert (event["type"], event["data"]["id"], event["data"]["thread"]) == ("message.replied", attempts[0], "case-9")
    assert event["data"]["text"]
