"""The bucket on bad days: nothing is called kept that is not, nothing half is left, nothing hangs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from channels.base import Attachment, Retry
from gateway.blobs import ORPHAN_SECONDS, Blobs, Damaged
from gateway.blobs.s3 import PART, S3, _session
from gateway.config import FileSettings
from gateway.egress import Egress
from gateway.store.base import NotFound, StoreUnavailable
from gateway.tools import GatewayTools
from tests.blobs.places import names, torn
from tests.ports import free_port
from tests.servers import s3
from tests.servers.s3 import Between

MB = 1024 * 1024
LARGE = 3 * PART + 12_345
KEYS = ("bucket", "endpoint", "region", "prefix", "access_key", "secret_key")


async def large(size: int = LARGE) -> AsyncIterator[bytes]:
    for _ in range(size // MB):
        yield b"large recording " * (MB // 16)
    yield b"x" * (size % MB)


def spelt(settings: FileSettings) -> str:
    """As a program of its own reads it."""
    return f"FileSettings(**{ ({name: str(getattr(settings, name)) for name in KEYS})!r})"


class Scene:
    """Files in a bucket behind a proxy that can be bad."""

    def __init__(self, between: Between, url: str, folder: Path) -> None:
        self.between, self.folder = between, folder
        self.settings = s3.server("moto").settings(url=url, prefix=f"t/{secrets.token_hex(8)}")
        self.place = S3(self.settings, patience=60, silence=15)
        self.blobs = Blobs(folder, place=self.place)

    async def unfinished(self) -> int:
        client = await self.place._open()
        page = await client.list_multipart_uploads(Bucket=s3.BUCKET, Prefix=self.settings.prefix)
        return len(page.get("Uploads", ()))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    between = Between(s3.server("moto"))
    async with between.running() as url:
        it = Scene(between, url, tmp_path / "blobs")
        yield it
        await it.blobs.close()


async def test_a_large_file_goes_in_parts(scene: Scene) -> None:
    kept = await scene.blobs.put(large(), name="call.wav", type="", limit=LARGE)
    assert kept.size == LARGE
    file = await scene.blobs.find(kept.digest)
    found = hashlib.sha256()
    async for piece in file.pieces():
        found.update(piece)
    assert (file.size, found.hexdigest()) == (LARGE, kept.digest)
    assert scene.between.largest == PART
    assert len({path for _, path in scene.between.seen if "partNumber=" in path}) == 4
    assert await scene.unfinished() == 0


async def test_the_same_bytes_are_sent_once(scene: Scene) -> None:
    data = os.urandom(MB)
    await scene.blobs.put(data, name="a", type="", limit=MB)
    await scene.blobs.put(data, name="b", type="", limit=MB)
    assert [method for method, _ in scene.between.seen].count("PUT") == 1


async def test_a_busy_store_is_asked_again(scene: Scene) -> None:
    scene.between.busy = 2
    kept = await scene.blobs.put(b"patience", name="a", type="", limit=10)
    scene.between.busy = 2
    assert await scene.blobs.read(kept.digest) == b"patience"


async def test_one_that_stays_busy_takes_nothing(scene: Scene) -> None:
    scene.between.busy = 99
    scene.place._patience = 8
    with pytest.raises(StoreUnavailable):
        await scene.blobs.put(b"no", name="a", type="", limit=10)
    assert "HTTP" not in scene.blobs.trouble
    assert scene.blobs.trouble
    assert torn(scene.blobs) == []
    scene.between.busy = 0
    assert await names(scene.blobs) == []
    await scene.blobs.put(b"yes", name="a", type="", limit=10)
    assert scene.blobs.trouble == ""


async def test_a_download_that_breaks_off_goes_on(scene: Scene) -> None:
    data = os.urandom(700_000)
    kept = await scene.blobs.put(data, name="a", type="", limit=MB)
    scene.between.cut = 2
    assert await scene.blobs.read(kept.digest) == data
    assert scene.between.cut == 0


async def test_one_that_always_breaks_off_ends(scene: Scene) -> None:
    kept = await scene.blobs.put(os.urandom(700_000), name="a", type="", limit=MB)
    scene.between.cut = 99
    with pytest.raises(StoreUnavailable):
        await scene.blobs.read(kept.digest)


async def test_other_bytes_are_noticed(scene: Scene) -> None:
    kept = await scene.blobs.put(b"the truth", name="a", type="", limit=10)
    scene.between.lie = True
    with pytest.raises(Damaged):
        await scene.blobs.read(kept.digest)


async def test_a_refused_part_leaves_nothing(scene: Scene) -> None:
    scene.between.fail_part = 3
    with pytest.raises(StoreUnavailable, match="AccessDenied"):
        await scene.blobs.put(large(), name="a", type="", limit=LARGE)
    assert await scene.unfinished() == 0
    assert await names(scene.blobs) == []
    assert torn(scene.blobs) == []


async def test_an_upload_that_is_given_up_leaves_nothing(scene: Scene) -> None:
    task = asyncio.create_task(scene.blobs.put(large(), name="a", type="", limit=LARGE))
    await scene.between.part(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await scene.unfinished() == 0
    assert await names(scene.blobs) == []
    assert torn(scene.blobs) == []


async def test_no_redirect_is_followed(scene: Scene) -> None:
    seen = []

    async def trap(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", trap)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scene.between.redirect = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with pytest.raises(StoreUnavailable):
        await scene.blobs.put(b"secret", name="a", type="", limit=10)
    await runner.cleanup()
    assert scene.between.seen
    assert seen == []


async def test_one_that_is_not_there_is_told_apart_from_one_that_nobody_can_see(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await scene.blobs.read("0" * 64)
    nowhere = Blobs(scene.folder, place=S3(msgspec.structs.replace(scene.settings, bucket="none-such")))
    with pytest.raises(StoreUnavailable):
        await nowhere.read("0" * 64)
    with pytest.raises(StoreUnavailable):
        await nowhere.put(b"x", name="a", type="", limit=10)
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        await nowhere.check()
    with pytest.raises(StoreUnavailable):
        await nowhere.put(large(), name="x", type="", limit=LARGE)
    await nowhere.close()


async def test_without_keys_and_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = FileSettings(bucket=s3.BUCKET, endpoint=s3.server("moto").url)
    _session.cache_clear()
    blobs = Blobs(tmp_path, place=S3(settings))
    with pytest.raises(StoreUnavailable, match="credentials"):
        await blobs.check()
    await blobs.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    _session.cache_clear()
    blobs = Blobs(tmp_path, place=S3(settings))
    assert s3.BUCKET in await blobs.check()
    await blobs.close()
    _session.cache_clear()


async def test_an_endpoint_that_refuses_connections(tmp_path: Path) -> None:
    settings = s3.server("moto").settings(url=f"http://127.0.0.1:{free_port()}")
    blobs = Blobs(tmp_path, place=S3(settings, patience=3, silence=1))
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await blobs.put(b"x", name="a", type="", limit=10)
    with pytest.raises(Retry):  # a reply with a file waits, it is not given up
        await GatewayTools(Egress(), blobs).read(Attachment(name="a", digest="0" * 64, state="kept"))
    await blobs.close()


async def test_an_endpoint_that_takes_and_says_nothing(tmp_path: Path) -> None:
    server = s3.Server("moto")
    blobs = Blobs(tmp_path, place=S3(server.settings(), patience=2, silence=1))
    kept = await blobs.put(b"before", name="a", type="", limit=10)
    server.freeze()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await blobs.put(b"during", name="a", type="", limit=10)
    assert time.monotonic() - started < 30
    server.thaw()
    assert await blobs.read(kept.digest) == b"before"
    await blobs.close()
    server.stop()


async def test_a_node_that_dies_in_the_middle_leaves_what_the_sweep_finds(scene: Scene) -> None:
    program = f"""
import asyncio
from pathlib import Path
from gateway.blobs import Blobs
from gateway.blobs.s3 import S3
from gateway.config import FileSettings
async def main():
    await Blobs(Path({str(scene.folder)!r}), place=S3({spelt(scene.settings)})).put(b"x" * {20 * PART}, name="a", type="", limit=10**9)
    print("kept")
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    await scene.between.part(2)
    process.kill()
    assert (await process.communicate())[0] == b""
    assert await names(scene.blobs) == [], "half a file is no file"
    assert await scene.unfinished() == 1
    assert len(torn(scene.blobs)) == 1

    async def nothing(digest: str) -> bool:
        return False

    assert await scene.blobs.sweep(nothing, now=time.time() + ORPHAN_SECONDS + 60) == 2
    assert await scene.unfinished() == 0
    assert torn(scene.blobs) == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A process that puts and borrows a recording holds some parts of it, never all."""
    program = f"""
import asyncio, resource
from pathlib import Path
from gateway.blobs import Blobs
from gateway.blobs.s3 import S3
from gateway.config import FileSettings
async def piece():
    for n in range(200):
        yield b"large recording " * 65536
async def main():
    blobs = Blobs(Path({str(tmp_path)!r}), place=S3({spelt(s3.server("moto").settings(prefix="memory"))}))
    await blobs.put(b"warm", name="a", type="", limit=10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = await blobs.put(piece(), name="a", type="", limit=10**9)
    async with blobs.local(kept.digest) as path:
        assert path.stat().st_size == kept.size == 200 * 1024**2
    await blobs.close()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 80


async def test_a_page_of_names_is_not_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.blobs.s3.PAGE", 3)
    for n in range(7):
        await scene.blobs.put(b"%d" % n, name="a", type="", limit=10)
    assert len(await names(scene.blobs)) == 7
