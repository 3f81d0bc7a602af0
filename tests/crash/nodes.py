"""Three nodes on PostgreSQL and Redis, and what may happen to such a house: processes die, freeze, lose their network.

The database and Redis run on a host of their own (a network namespace) with a cable to each node, where this machine
lets us; else beside the nodes, and no cable is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from gateway import config
from gateway.app import assemble
from gateway.context import Gateway
from gateway.operations import OperationError, perform
from gateway.store.base import Store, StoreError
from gateway.store.postgres import PostgresStore
from gateway.store.postgres.session import LEASE
from tests.crash.houses import served
from tests.ports import free_port
from tests.servers import hosts
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

NODES = 3
#: Seconds between two looks at a node, and how long it may take to answer before nobody is sent to it.
LOOK = 0.3
SILENCE = 1.5
#: How long a node stands still or is cut off, in seconds: longer than its lease.
LONG = LEASE + 5.0
#: How far a node's clock is off, and which node's.
OFF, OFF_NODE = "+97s", 2
#: What bends a process's clock (Debian: libfaketime); the monotonic one stays as it is, as on a machine that is set wrong.
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class Balancer:
    """What stands in front of nodes: new connections go to those that answer in time, by turns."""

    def __init__(self, ports: list[int]) -> None:
        self.port = free_port()
        self._ports, self._well = ports, dict.fromkeys(ports, False)
        self._turn = 0
        self._through: dict[int, set[asyncio.StreamWriter]] = {port: set() for port in ports}

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self._looking = [asyncio.create_task(self._look(port)) for port in self._ports]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._looking:
            task.cancel()
        self._server.close()
        for port in self._ports:
            self._hang_up(port)

    async def _look(self, port: int) -> None:
        timeout = aiohttp.ClientTimeout(total=SILENCE)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        well = answer.status == 200
                except (aiohttp.ClientError, TimeoutError, OSError):
                    well = False
                if self._well[port] and not well:
                    self._hang_up(port)
                self._well[port] = well
                await asyncio.sleep(LOOK)

    def _hang_up(self, port: int) -> None:
        for writer in self._through[port]:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        well = [port for port in self._ports if self._well[port]]
        with contextlib.suppress(OSError):
            if well:
                self._turn += 1
                await self._join(reader, writer, well[self._turn % len(well)])
        writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        ends = {writer, back}
        self._through[port] |= ends
        try:
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
        finally:
            self._through[port] -= ends
            back.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class ThreeNodes:
    """The scaled house. Its troubles come in a shuffled order, each once before any comes again."""

    def __init__(self, folder: Path, *, seed: int = 1, troubles: tuple[str, ...] = (), away: float = 60.0) -> None:
        self._folder, self._chance, self._away = folder, random.Random(seed), away
        self._ports = [free_port() for _ in range(NODES)]
        self._balancer = Balancer(self._ports)
        self.address = f"127.0.0.1:{self._balancer.port}"
        self._nodes: list[asyncio.subprocess.Process | None] = [None] * NODES
        self._host = hosts.Host(NODES + 1) if hosts.possible() else None
        self._open = contextlib.AsyncExitStack()
        self._troubles = troubles or tuple(self._all())
        self._to_come: list[str] = []
        self._asked: Gateway | None = None
        self._make_servers()

    def _make_servers(self) -> None:
        host, inside = "127.0.0.1", tuple[str, ...]()
        settings: dict[str, str] = {}
        if self._host is not None:
            self._host.open()
            self._open.callback(self._host.close)
            host, inside = self._host.address(NODES), self._host.inside
            settings = {"listen_addresses": "*"}
        self.postgres = Postgres(self._folder / "postgres", host=host, inside=inside, **settings)
        self.redis = Redis(self._folder, host=host, inside=inside)
        self.postgres.create()
        self._open.callback(self.postgres.stop)
        self.postgres.sql("CREATE DATABASE allears")
        self.redis.start()
        self._open.callback(self.redis.kill)

    @property
    def _url(self) -> str:
        return urlsplit(self.postgres.url)._replace(path="/allears").geturl()

    async def furnish(self, text: str) -> None:
        self._file = self._folder / "allears.toml"
        self._file.write_text(text + f'\n[store]\nurl = "{self._url}"\n')

    def store(self) -> Store:
        return PostgresStore(self._url)

    async def start(self) -> None:
        await self._open.enter_async_context(self._balancer)
        await asyncio.gather(*(self._start(n) for n in range(NODES)))

    async def _start(self, n: int) -> None:
        """A node of its own address, clock and cable."""
        here = self.postgres.host
        there = self._host.address(n) if self._host else here
        clock = (
            {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME": OFF, "DONT_FAKE_MONOTONIC": "1"}
            if n == OFF_NODE and FAKETIME
            else {}
        )
        self._nodes[n] = await served(
            self._file,
            self._folder / f"log{n}.txt",
            ALLEARS_LISTEN=f"127.0.0.1:{self._ports[n]}",
            ALLEARS_PUBLIC_URL=f"http://{self.address}",
            ALLEARS_STORE__URL=self._url.replace(here, there),
            ALLEARS_REDIS__URL=self.redis.url.replace(here, there),
            **clock,
        )

    async def stop(self) -> None:
        for n in range(NODES):
            await self._end(n, signal.SIGTERM)
        if self._asked is not None:
            await self._asked.egress.close()
            await self._asked.store.close()
            self._asked = None

    async def close(self) -> None:
        """End the servers, too."""
        await self._open.aclose()

    async def _end(self, n: int, how: signal.Signals) -> None:
        node = self._nodes[n]
        if node is not None and node.returncode is None:
            self._signal(n, how)
            await node.wait()

    def _signal(self, n: int, how: signal.Signals) -> None:
        node = self._nodes[n]
        assert node is not None
        node.send_signal(how)

    # what happens

    def _all(self) -> dict[str, Callable[[int], Awaitable[None]]]:
        every: dict[str, Callable[[int], Awaitable[None]]] = {
            "kill -9 of a node": self._kill,
            "a node freezes and thaws": self._freeze,
            "a node is replaced": self._replace,
            "Redis is emptied": self._empty_redis,
            "Redis is away": self._stop_redis,
            "PostgreSQL crashes": self._crash_postgres,
        }
        if self._host is not None:
            every["a node's cable is cut"] = self._cut
        return every

    async def disturb(self) -> str:
        if not self._to_come:
            self._to_come = list(self._troubles)
            self._chance.shuffle(self._to_come)
        what = self._to_come.pop()
        await self._all()[what](self._chance.randrange(NODES))
        return what

    async def _kill(self, n: int) -> None:
        await self._end(n, signal.SIGKILL)
        await asyncio.sleep(2.0)
        await self._start(n)

    async def _freeze(self, n: int) -> None:
        self._signal(n, signal.SIGSTOP)
        await asyncio.sleep(LONG)
        self._signal(n, signal.SIGCONT)

    async def _replace(self, n: int) -> None:
        await self._end(n, signal.SIGTERM)
        await self._start(n)

    async def _empty_redis(self, _: int) -> None:
        self.redis.run("FLUSHALL")

    async def _stop_redis(self, _: int) -> None:
        self.redis.kill()
        await asyncio.sleep(self._away)
        await asyncio.to_thread(self.redis.start)

    async def _crash_postgres(self, _: int) -> None:
        await asyncio.to_thread(self.postgres.stop, "immediate")
        await asyncio.sleep(3.0)
        await asyncio.to_thread(self.postgres.start)

    async def _cut(self, n: int) -> None:
        assert self._host is not None
        self._host.cut(n)
        await asyncio.sleep(LONG)
        self._host.mend(n)

    # its books

    async def rows(self, asked: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self._url)
        try:
            return [tuple(row) for row in await connection.fetch(asked)]
        finally:
            await connection.close()

    async def ask(self, operation: str, params: dict[str, object]) -> list[dict[str, object]]:
        for _ in range(100):
            try:
                return await perform(await self._gateway(), operation, params)
            except (OperationError, StoreError, OSError):
                await asyncio.sleep(0.3)
        raise TimeoutError("PostgreSQL does not come up")

    async def _gateway(self) -> Gateway:
        """One of our own that only asks."""
        if self._asked is None:
            gateway = assemble(config.load(self._file, env={}), store=self.store())
            await gateway.store.open()
            self._asked = gateway
        return self._asked
