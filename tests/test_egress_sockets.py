"""WebSockets go the same checked road as calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Refused, Retry, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import MAX_FRAME, Egress
from gateway.tools import GatewayTools


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4004)
            elif message.data == "much":
                await socket.send_str("x" * (MAX_FRAME + 1))
            else:
                await socket.send_str(message.data)
        return socket

    async def closed(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.2:9/")

    app = web.Application()
    app.add_routes([web.get("/", echo), web.get("/closed", closed), web.get("/elsewhere", elsewhere)])
    running = TestServer(app)
    await running.start_server()
    yield running
    await running.close()


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.1/32"])
    yield GatewayTools(egress, Blobs(tmp_path))
    await egress.close()


def url(server: TestServer, path: str = "/") -> str:
    return str(server.make_url(path)).replace("http://", "ws://")


async def test_texts_go_both_ways_and_time_runs_out(server: TestServer, tools: GatewayTools) -> None:
    async with tools.socket(url(server)) as socket:
        await socket.send("灯")
        assert await socket.receive(5) == "灯"
        assert await socket.receive(0.01) is None
        await socket.send("still there")
        assert await socket.receive(5) == "still there"


async def test_a_close_says_its_code(server: TestServer, tools: GatewayTools) -> None:
    async with tools.socket(url(server)) as socket:
        assert socket.code == 0
        await socket.send("bye")
        with pytest.raises(Retry):
            await socket.receive(5)
        assert socket.code == 4004
        with pytest.raises(Retry):
            await socket.send("more")


async def test_a_text_that_is_too_large_ends_it(server: TestServer, tools: GatewayTools) -> None:
    async with tools.socket(url(server)) as socket:
        await socket.send("much")
        with pytest.raises(Retry):
            await socket.receive(5)


@pytest.mark.parametrize("address", ["ws://10.0.0.1/", "wss://169.254.169.254/", "ws://localhost.:9/", "file:///etc/x"])
async def test_private_addresses_are_refused(tools: GatewayTools, address: str) -> None:
    other = Egress()
    with pytest.raises(Refused):
        async with other.socket(address):
            pass
    await other.close()


async def test_a_redirect_leads_nowhere(server: TestServer, tools: GatewayTools) -> None:
    with pytest.raises(Refused):
        async with tools.socket(url(server, "/elsewhere")):
            pass


async def test_a_refusal_says_what_it_is(server: TestServer, tools: GatewayTools) -> None:
    with pytest.raises(Unauthorized):
        async with tools.socket(url(server, "/closed")):
            pass
    with pytest.raises(Retry):
        async with tools.socket("ws://127.0.0.1:9/"):
            pass
