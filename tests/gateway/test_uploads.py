"""Uploads in pieces (tus 1.0.0): what was acknowledged is never sent again, and whole means durable."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway import config
from gateway.app import application, assemble
from gateway.context import GATEWAY, Gateway
from gateway.uploads import LIFE, MAX_OPEN, Busy, Uploads
from gateway.web.uploads import PATH, UPLOADS, VERSION
from tests.ports import free_port

SPEECH = Path(__file__).parents[1] / "transcription" / "speech"
CALL = (SPEECH / "call.flac").read_bytes()
TOKEN, OTHER = "an-upload-token", "another-token"
CONFIG = f"""
secret = "0123456789012345678901234567890123456789"
listen = "127.0.0.1:PORT"
[speech]
max_file = 1000000
[channels.phone.main]
tokens = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]
[channels.phone.other]
tokens = ["{hashlib.sha256(OTHER.encode()).hexdigest()}"]
"""
PIECE = {"Content-Type": "application/offset+octet-stream"}


class Client:
    """One that speaks tus."""

    def __init__(self, session: Any, base: str = "", token: str = TOKEN) -> None:
        self.session, self.base = session, base
        self.headers = {"Tus-Resumable": VERSION, "Authorization": f"Bearer {token}"}

    async def call(self, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.base + path, data=data, headers={**self.headers, **named}
        ) as answer:
            await answer.read()
            return answer.status, answer.headers

    async def create(self, length: int = len(CALL), **said: str) -> str:
        pairs = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
        status, headers = await self.call("POST", PATH, Upload_Length=str(length), Upload_Metadata=pairs)
        assert status == 201
        assert headers["Upload-Expires"].endswith("GMT")
        return str(headers["Location"])

    async def send(self, path: str, data: Any, offset: int) -> tuple[int, Any]:
        return await self.call("PATCH", path, data, Upload_Offset=str(offset), **PIECE)

    async def offset(self, path: str) -> int:
        status, headers = await self.call("HEAD", path)
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        return int(headers["Upload-Offset"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    file = tmp_path / "allears.toml"
    file.write_text(CONFIG.replace("PORT", "0"))
    async with TestClient(TestServer(application(assemble(config.load(file, env={}))))) as client:
        yield client


@pytest.fixture
def client(server: TestClient[Any, Any]) -> Client:
    return Client(server)


def gateway(server: TestClient[Any, Any]) -> Gateway:
    return server.server.app[GATEWAY]  # type: ignore[attr-defined,no-any-return]


async def messages(server: TestClient[Any, Any]) -> list[Any]:
    store = gateway(server).store
    return [await store.inbox_message(row.id) for row in (await store.inbox(limit=50)).items]


async def test_a_recording_in_pieces_is_one_message(server: TestClient[Any, Any], client: Client) -> None:
    path = await client.create(call_id="42", caller="+8613800138000", name="李雷", file="a.flac")
    assert await client.offset(path) == 0
    half = len(CALL) // 2
    status, headers = await client.send(path, CALL[:half], 0)
    assert (status, headers["Upload-Offset"]) == (204, str(half))
    assert await messages(server) == []
    status, headers = await client.send(path, CALL[half:], half)
    assert (status, headers["Upload-Offset"]) == (204, str(len(CALL)))
    (message,) = await messages(server)
    assert (message.thread, message.sender.name, message.attachments[0].name) == ("42", "李雷", "a.flac")
    assert message.attachments[0].digest == hashlib.sha256(CALL).hexdigest()
    assert headers["Allears-Conversation"]
    assert await client.offset(path) == len(CALL), "asked again, it is whole"
    assert (await client.send(path, b"", len(CALL)))[0] == 204
    assert len(await messages(server)) == 1


async def test_a_piece_that_breaks_off_is_gone_on_with(server: TestClient[Any, Any], client: Client) -> None:
    path = await client.create()

    async def breaking() -> AsyncIterator[bytes]:
        yield CALL[:50_000]
        raise ConnectionResetError

    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await client.send(path, breaking(), 0)
    async with server.server.app[UPLOADS].lock(path.rsplit("/", 1)[-1]):  # type: ignore[attr-defined]
        pass  # the server is done with what came
    at = await client.offset(path)
    assert 0 <= at <= 50_000
    assert (await client.send(path, CALL[at:], at))[0] == 204
    (message,) = await messages(server)
    assert message.attachments[0].digest == hashlib.sha256(CALL).hexdigest()


async def test_all_bytes_without_a_message_become_one_when_asked(server: TestClient[Any, Any], client: Client) -> None:
    """What a kill between the last byte and the commit leaves."""
    path = await client.create()
    uploads = server.server.app[UPLOADS]  # type: ignore[attr-defined]
    uploads.path(path.rsplit("/", 1)[-1]).write_bytes(CALL)
    assert await client.offset(path) == len(CALL)
    assert len(await messages(server)) == 1


async def test_the_same_key_twice_is_one_recording(server: TestClient[Any, Any], client: Client) -> None:
    for _ in range(2):
        path = await client.create(idempotency_key="k1", call_id="1")
        assert (await client.send(path, CALL, 0))[0] == 204
    assert len(await messages(server)) == 1


async def test_what_is_wrong_is_refused_and_changes_nothing(server: TestClient[Any, Any], client: Client) -> None:
    path = await client.create()
    stranger, other = Client(server, token="no"), Client(server, token=OTHER)
    assert (await stranger.call("POST", PATH, Upload_Length="5"))[0] == 401
    assert (await stranger.call("HEAD", path))[0] == 401
    for method in ("HEAD", "DELETE"):
        assert (await other.call(method, path))[0] == 404, "another account's"
    assert (await other.send(path, CALL, 0))[0] == 404
    assert (await client.send(path, CALL, 7))[0] == 409
    assert (await client.call("PATCH", path, CALL, Upload_Offset="0"))[0] == 415
    assert (await client.call("HEAD", path, Tus_Resumable="0.2.2"))[0] == 412
    assert (await client.send(path, CALL + b"more", 0))[0] == 413
    for length, status in (("", 400), ("0", 400), ("-1", 400), ("x", 400), ("1000001", 413), ("9" * 30, 413)):
        assert (await client.call("POST", PATH, Upload_Length=length))[0] == status
    assert (await client.call("POST", PATH, Upload_Length="5", Upload_Metadata="call_id ***"))[0] == 400
    for gone in ("0" * 32, "x", "..%2f..%2fallears.db"):
        assert (await client.call("HEAD", f"{PATH}/{gone}"))[0] == 404
    assert await client.offset(path) == 0
    assert await messages(server) == []
    status, headers = await client.call("OPTIONS", PATH)
    assert (status, headers["Tus-Version"], headers["Tus-Max-Size"]) == (204, "1.0.0", "1000000")


async def test_one_writes_at_a_time(server: TestClient[Any, Any], client: Client) -> None:
    path = await client.create()
    async with server.server.app[UPLOADS].lock(path.rsplit("/", 1)[-1]):  # type: ignore[attr-defined]
        assert (await client.send(path, CALL, 0))[0] == 423


async def test_it_is_forgotten_when_told_and_after_a_day(server: TestClient[Any, Any], client: Client) -> None:
    path = await client.create()
    assert (await client.call("DELETE", path))[0] == 204
    assert (await client.call("HEAD", path))[0] == 404
    path = await client.create()
    uploads, now = server.server.app[UPLOADS], gateway(server).clock()  # type: ignore[attr-defined]
    assert await uploads.sweep(now + LIFE - timedelta(minutes=1)) == 0
    assert await uploads.sweep(now + LIFE + timedelta(minutes=1)) == 1
    assert (await client.call("HEAD", path))[0] == 404
    assert not list((gateway(server).blobs.folder.parent / "uploads").iterdir())


async def test_an_account_has_only_so_many_open(server: TestClient[Any, Any], client: Client) -> None:
    server.server.app[UPLOADS]._max_open = 2  # type: ignore[attr-defined]
    assert MAX_OPEN > 2
    for _ in range(2):
        await client.create()
    assert (await client.call("POST", PATH, Upload_Length="5"))[0] == 429
    assert (await Client(server, token=OTHER).call("POST", PATH, Upload_Length="5"))[0] == 201


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_full_disk_is_told_and_it_is_gone_on_with(server: TestClient[Any, Any], client: Client) -> None:
    path = await client.create()
    data = server.server.app[UPLOADS].path(path.rsplit("/", 1)[-1])  # type: ignore[attr-defined]
    data.unlink()
    data.symlink_to("/dev/full")
    assert (await client.send(path, CALL, 0))[0] == 503
    data.unlink()
    data.touch()
    assert (await client.send(path, CALL, await client.offset(path)))[0] == 204
    assert len(await messages(server)) == 1


async def test_kill_in_the_middle_of_a_piece(tmp_path: Path) -> None:
    """kill -9 of the real server while it writes: the next one goes on where the disk stands."""
    port = free_port()
    file = tmp_path / "allears.toml"
    file.write_text(CONFIG.replace("PORT", str(port)))
    env = {name: value for name, value in os.environ.items() if not name.startswith(config.ENV_PREFIX)}

    async def serving() -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(file))
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command, cwd=Path(__file__).parents[2], env=env, stdout=null, stderr=null
        )
        async with aiohttp.ClientSession() as session, asyncio.timeout(60):
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                        if answer.status == 200:
                            return process
                except aiohttp.ClientConnectionError:
                    assert process.returncode is None
                await asyncio.sleep(0.05)

    async with aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{port}")
        process = await serving()
        path = (await client.create(call_id="42")).removeprefix(client.base)
        part = next((tmp_path / "data" / "uploads").glob("*.part"))

        async def slowly() -> AsyncIterator[bytes]:
            yield CALL[:60_000]
            async with asyncio.timeout(20):
                while True:
                    if part.stat().st_size:
                        break
                    await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
            yield CALL[60_000:]

        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await client.send(path, slowly(), 0)
        process = await serving()
        at = await client.offset(path)
        assert 0 < at <= 60_000
        assert (await client.send(path, CALL[at:], at))[0] == 204
        process.kill()
        await process.wait()
    kept = hashlib.sha256(CALL).hexdigest()
    assert (tmp_path / "data" / "blobs" / kept[:2] / kept[2:]).read_bytes() == CALL


async def test_two_processes_do_not_write_one_upload(tmp_path: Path) -> None:
    """They share the folder and not the locks of their memory."""
    one, other = Uploads(tmp_path), Uploads(tmp_path)
    upload = await one.create("main", 6, {})

    async def slowly(begun: asyncio.Event, go_on: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"abc"
        begun.set()
        await go_on.wait()

    begun, go_on = asyncio.Event(), asyncio.Event()
    writing = asyncio.create_task(one.take(upload, 0, slowly(begun, go_on)))
    await begun.wait()
    with pytest.raises(Busy):
        await other.take(upload, 0, _pieces(b"xyz"))
    go_on.set()
    assert await writing == 3
    with pytest.raises(Busy):
        await other.take(upload, 0, _pieces(b"xyz"))
    assert await other.take(upload, 3, _pieces(b"def")) == 6
    assert one.path(upload.id).read_bytes() == b"abcdef"


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
