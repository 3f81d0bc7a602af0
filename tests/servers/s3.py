"""Real S3-compatible servers of the tests' own: moto's, and s3rver where npm has installed it (its path in ``TEST_S3RVER``).

:class:`Between` stands before one and does what networks and stores do on bad days.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from channels.base import Secret
from gateway.config import FileSettings
from tests.ports import free_port

if not os.environ.get("REQUIRE_TEST_SERVERS"):
    pytest.importorskip("aiobotocore", reason="the s3 extra is not installed")
    pytest.importorskip("cryptography", reason="the encryption extra is not installed")

from botocore.session import get_session  # type: ignore[import-untyped]

BUCKET = "letters"
#: What s3rver accepts; moto takes any.
KEY, SECRET = "S3RVER", "S3RVER"


def second() -> str:
    """The program of a second S3-compatible server (``npm install s3rver``); empty where it is not installed."""
    return os.environ.get("TEST_S3RVER") or shutil.which("s3rver") or ""


class Server:
    """A server process with an empty bucket; :meth:`freeze` and :meth:`thaw` at will."""

    def __init__(self, kind: str) -> None:
        self.kind, self.port = kind, free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="s3-"))
        self._process = self._started()
        atexit.register(self.stop)
        self._wait()
        self._make_bucket()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, *, url: str = "", prefix: str = "", encrypt: bool = False) -> FileSettings:
        """Settings for this server, or for what stands before it at ``url``."""
        return FileSettings(
            bucket=BUCKET,
            endpoint=url or self.url,
            region="us-east-1",
            prefix=prefix,
            access_key=KEY,
            secret_key=Secret(SECRET),
            encrypt=encrypt,
        )

    def table(self, *, prefix: str = "", encrypt: bool = False) -> str:
        """The same as a table of ``allears.toml``."""
        settings = self.settings(prefix=prefix)
        names = ("bucket", "endpoint", "region", "prefix", "access_key", "secret_key")
        lines = [f'{name} = "{getattr(settings, name)!s}"' for name in names]
        return "\n".join(["[files]", *lines, f"encrypt = {str(encrypt).lower()}", ""])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """It takes connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _started(self) -> subprocess.Popen[bytes]:
        if self.kind == "moto":
            if find_spec("moto") is None:
                _missing("moto is not installed (pip install 'moto[server,s3]')")
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        else:
            command = [second(), "-d", str(self._folder), "-p", str(self.port), "-a", "127.0.0.1", "--silent"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _make_bucket(self) -> None:
        """As the operator does beforehand."""
        client = get_session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=BUCKET)

    def _wait(self) -> None:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, f"{self.kind} has ended"
            time.sleep(0.05)
        raise AssertionError(f"{self.kind} does not start")


@functools.cache
def server(kind: str) -> Server:
    """The server of this test process; tests take prefixes of their own."""
    return Server(kind)


def _missing(reason: str) -> None:
    if os.environ.get("REQUIRE_TEST_SERVERS"):
        pytest.fail(reason)
    pytest.skip(reason)


class Between:
    """A proxy before a server. ``busy``: so many requests get 503; ``cut``: so many downloads end half-way; ``lie``: downloads
    bring other bytes of the same length; ``redirect``: where all requests are sent; ``fail_part``: this part is refused.
    """

    def __init__(self, to: Server) -> None:
        self._to = to
        self.busy = self.cut = self.fail_part = 0
        self.lie, self.redirect = False, ""
        self.seen: list[tuple[str, str]] = []
        self.largest = 0
        self._came = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await self._session.close()
            await runner.cleanup()

    async def part(self, number: int) -> None:
        """Wait until this part of an upload has come."""
        while not any(f"partNumber={number}&" in path + "&" for _, path in self.seen):
            await self._came.wait()
            self._came.clear()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path_qs))
        self._came.set()
        body = await request.read()
        self.largest = max(self.largest, len(body))
        if self.redirect:
            return web.Response(status=307, headers={"Location": self.redirect + request.path_qs})
        if self.busy:
            self.busy -= 1
            return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>")
        if self.fail_part and f"partNumber={self.fail_part}&" in request.path_qs + "&":
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        async with self._session.request(
            request.method, self._to.url + request.raw_path, data=body, headers=request.headers, allow_redirects=False
        ) as answer:
            got = await answer.read()
            headers = {name: value for name, value in answer.headers.items() if name != "Transfer-Encoding"}
            if request.method == "GET" and "list-type" not in request.query_string and answer.status < 300:
                return await self._download(request, answer.status, headers, got)
            return web.Response(status=answer.status, headers=headers, body=None if request.method == "HEAD" else got)

    async def _download(
        self, request: web.Request, status: int, headers: dict[str, str], body: bytes
    ) -> web.StreamResponse:
        if self.lie:
            return web.Response(status=status, headers=headers, body=bytes(byte ^ 1 for byte in body))
        if not self.cut:
            return web.Response(status=status, headers=headers, body=body)
        self.cut -= 1
        half = web.StreamResponse(status=status, headers=headers)
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.close()
        return half
