"""Killed at each commit of a message that goes another way: it is said once, and nothing of it is forgotten."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import config
from gateway.app import assemble
from gateway.context import utc_now
from gateway.desk import actions, people
from tests.gateway.test_contacts import CONFIG, OURS, Twilio, World

ROOT = Path(__file__).parents[2]
TEXT = "Your money is on its way."


@asynccontextmanager
async def opened(file: Path, twilio: Twilio) -> AsyncIterator[World]:
    gateway = assemble(config.load(file, env={}))
    await gateway.store.open()
    try:
        yield World(gateway, utc_now, twilio)
    finally:
        await gateway.egress.close()
        await gateway.store.close()


# The first settled row is the one that the platform refuses, the second the road's own.
@pytest.mark.parametrize("fuse", ["settle_sends:before:1", "settle_sends:after:1", "join:before:1", "join:after:1"])
async def test_it_is_said_once(tmp_path: Path, fuse: str) -> None:
    twilio, app = Twilio(), web.Application()
    app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", twilio.send)
    async with TestServer(app) as server:
        file = tmp_path / "allears.toml"
        listen = 'listen = "127.0.0.1:0"\ndata = "data"\n'
        file.write_text(listen + CONFIG.format(ours=OURS, url=str(server.make_url("/")).rstrip("/")))
        async with opened(file, twilio) as world:
            texts, whats = await world.texted(), await world.texted(account="wa")
            agent = await people.add_agent(world.gateway, login="mei", name="Mei", role="agent")
            taken = await actions.claim(world.gateway, agent, whats)
            await actions.reply(world.gateway, agent, whats, fence=taken.fence, key="12345678", text=TEXT)
        twilio.closed["AC2"] = 63016
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.crash.server", str(file), fuse, cwd=ROOT
        )
        async with asyncio.timeout(50):
            assert await process.wait() == -9
        async with opened(file, twilio) as world:
            await world.outbox.drain()
            assert [text for _, _, text in twilio.sent].count(TEXT) == 1
            assert await world.notices(whats, "rerouted") == [texts]
            assert [row.state for row in await world.rows() if row.state not in ("sent", "superseded")] == []
