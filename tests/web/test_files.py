"""A kept file as an answer, wherever it lies: whole, in parts as a player asks for them, and broken off where it is not itself."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway import config
from gateway.app import assemble
from gateway.context import GATEWAY, Gateway
from gateway.web import problems
from gateway.web.files import send
from tests.blobs.places import names
from tests.servers import s3

DATA = os.urandom(700_001)
SIZE = len(DATA)

Client = TestClient[web.Request, web.Application]


@pytest.fixture(params=["disk", "disk-sealed", "moto", "moto-sealed"])
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateway]:
    where, _, sealed = request.param.partition("-")
    table = f"[files]\nencrypt = {str(bool(sealed)).lower()}\n"
    if where == "moto":
        table = s3.server("moto").table(prefix=f"t/{secrets.token_hex(8)}", encrypt=bool(sealed))
    file = tmp_path / "allears.toml"
    file.write_text(f'secret = "{"0" * 40}"\n{table}')
    it = assemble(config.load(file, env={}))
    yield it
    await it.blobs.close()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    app = web.Application()
    app[GATEWAY] = gateway
    problems.install(app)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await send(request, request.match_info["digest"], {"Content-Type": "audio/wav"})

    app.router.add_get("/{digest}", handler)
    async with TestClient(TestServer(app)) as it:
        yield it


@pytest.fixture
async def path(gateway: Gateway) -> str:
    return "/" + (await gateway.blobs.put(DATA, name="a", type="", limit=SIZE)).digest


async def test_whole(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, await answer.read()) == (200, DATA)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert (answer.content_length, answer.headers["Content-Type"]) == (SIZE, "audio/wav")
    head = await client.head(path)
    assert (head.status, head.content_length, await head.read()) == (200, SIZE, b"")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, SIZE),
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=300000-", 300_000, SIZE),
        ("bytes=-500", SIZE - 500, SIZE),
        (f"bytes={SIZE - 1}-{SIZE + 99}", SIZE - 1, SIZE),
        ("bytes=-9999999", 0, SIZE),
    ],
)
async def test_parts(asked: str, start: int, stop: int, client: Client, path: str) -> None:
    answer = await client.get(path, headers={"Range": asked})
    assert (answer.status, await answer.read()) == (206, DATA[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"


async def test_parts_that_there_are_not(client: Client, path: str) -> None:
    answer = await client.get(path, headers={"Range": f"bytes={SIZE}-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("asked", ["bytes=9-1", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6"])
async def test_what_is_no_part_is_the_whole(asked: str, client: Client, path: str) -> None:
    answer = await client.get(path, headers={"Range": asked})
    assert (answer.status, await answer.read()) == (200, DATA)


async def test_the_rest_of_the_same_file_and_of_no_other(client: Client, path: str) -> None:
    tag = (await client.head(path)).headers["ETag"]
    same = await client.get(path, headers={"Range": "bytes=5-", "If-Range": tag})
    other = await client.get(path, headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert (same.status, other.status) == (206, 200)


async def test_what_is_not_there(client: Client, gateway: Gateway) -> None:
    assert (await client.get("/" + "0" * 64)).status == 404
    assert (await client.get("/nonsense")).status == 404


async def test_a_file_that_is_not_itself_is_never_whole(
    client: Client, path: str, gateway: Gateway, tmp_path: Path
) -> None:
    (name,) = await names(gateway.blobs)
    copy = tmp_path / "copy"
    pieces = [piece async for piece in gateway.blobs._place.read(name)]
    copy.write_bytes(b"".join(pieces)[:-1] + bytes([pieces[-1][-1] ^ 1]))
    await gateway.blobs._place.remove(name)
    await gateway.blobs._place.keep(name, copy)
    with pytest.raises(aiohttp.ClientPayloadError):
        await (await client.get(path)).read()


async def test_a_place_that_is_away_is_503(client: Client, path: str, gateway: Gateway) -> None:
    if gateway.blobs._place.path("") is not None:
        pytest.skip("a disk of its own is not away")
    s3.server("moto").freeze()
    try:
        # Its patience is a minute; that of a browser is not ours to test.
        gateway.blobs._place._patience = 1  # type: ignore[attr-defined]
        answer = await client.get(path)
    finally:
        s3.server("moto").thaw()
    assert answer.status == 503
    assert gateway.blobs.trouble
