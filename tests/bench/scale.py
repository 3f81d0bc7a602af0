"""``python -m tests.bench.scale``: one process on SQLite, and one to three on PostgreSQL, on the same work in one run.

Messages come over the API; measured is the way until each is recorded and all that follows is sent. CPU time is told apart
for the gateway (all its processes), PostgreSQL and Redis; the load's own is left out. ``--parts`` measures on PostgreSQL a node
for each role, and what a message writes: the figures that the sizing in ``docs/scaling.md`` is made from.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import pytest

from tests.bench import home, process, rounds
from tests.bench.process import Load, Program
from tests.bench.stores import Ticks
from tests.ports import free_port
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

CONNECTIONS = 64
#: As a production server would have it, as far as this matters here.
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "track_io_timing": "on"}
_OPEN = (
    "SELECT (SELECT count(*) FROM inbox WHERE state = 'open')"
    " + (SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending'))"
)


@dataclass(frozen=True)
class Sample:
    """Messages a second accepted, and all the way; CPU seconds a message by who used them."""

    accepted: float
    full: float
    used: Mapping[str, float]


class Scene:
    """What is measured: nodes, and where the open rows are seen and CPU time is counted."""

    def __init__(self, name: str, port: int, ticks: Mapping[str, Callable[[], float]], left: Callable[[], int]) -> None:
        self.name, self._port, self._ticks, self._left = name, port, ticks, left
        self.samples: list[Sample] = []
        self._runs = 0

    def take(self, count: int) -> Sample:
        """One turn. Raises RuntimeError when a message is refused or the way is stuck."""
        self._runs += 1
        order = {"port": self._port, "connections": CONNECTIONS, "count": count, "token": home.TOKEN}
        load = Load("load", {**order, "run": f"s{self._runs:x}"})
        load.hear()
        used, began = {name: tick() for name, tick in self._ticks.items()}, time.perf_counter()
        told = load.go()
        self._settle()
        seconds = time.perf_counter() - began
        used = {name: (tick() - used[name]) / count for name, tick in self._ticks.items()}
        load.close()
        if set(told["statuses"]) - {"200", "202"}:
            raise RuntimeError(f"{self.name}: {told['statuses']}")
        return Sample(count / told["seconds"], count / seconds, used)

    def _settle(self) -> None:
        """Looks now and then only: each look is work of the database's."""
        last, since = -1, time.monotonic()
        while now := self._left():
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > rounds.STUCK:
                raise RuntimeError(f"{self.name} is stuck: {now} rows are left")
            time.sleep(0.25)


class Servers:
    """A PostgreSQL and a Redis for each scene: idle nodes of the others are not to be counted."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack

    def _pair(self, name: str) -> tuple[Postgres, Redis]:
        postgres, redis = Postgres(self._folder / f"server-{name}", **SETTINGS), Redis(self._folder)
        postgres.create()
        self._stack.callback(postgres.stop, "fast")
        redis.start()
        self._stack.callback(redis.kill)
        return postgres, redis

    def sqlite(self) -> Scene:
        node, port, folder = self._node("sqlite", "")
        return Scene("SQLite, 1 process", port, {"gateway": node.cpu}, lambda: _left_in(folder))

    def processes(self, number: int) -> Scene:
        self.postgres, self.redis = self._pair(str(number))
        node, port, _ = self._node(f"postgres{number}", self._database(f"p{number}"), "--processes", str(number))
        return self._scene(f"PostgreSQL, {number} process{'es' if number > 1 else ''}", port, {"gateway": node.cpu})

    def roles(self) -> Scene:
        """A node for each role, on one database."""
        self.postgres, self.redis = self._pair("roles")
        url = self._database("roles")
        nodes = {role: self._node(role, url, "--roles", role) for role in ("web", "flow", "channels")}
        ticks = {role: node.cpu for role, (node, _, _) in nodes.items()}
        return self._scene("a node a role", nodes["web"][1], ticks, "roles")

    def _scene(self, name: str, port: int, ticks: Mapping[str, Callable[[], float]], database: str = "") -> Scene:
        database = database or f"p{name.split()[1]}"
        own = {"PostgreSQL": Ticks(self.postgres.pid), "Redis": Ticks(self.redis.pid)}
        look = functools.partial(self.postgres.sql, _OPEN, database)
        return Scene(name, port, {**ticks, **own}, lambda: int(look()))

    def _database(self, name: str) -> str:
        self.postgres.sql(f"CREATE DATABASE {name}")
        return urlsplit(self.postgres.url)._replace(path=f"/{name}").geturl()

    def _node(self, name: str, url: str, *arguments: str) -> tuple[Program, int, Path]:
        port, folder = free_port(), self._folder / name
        path = home.furnish(folder, port)
        if url:
            text = f'\n[store]\nurl = "{url}"\n\n[redis]\nurl = "{self.redis.url}"\n'
            path.write_text(path.read_text("utf-8") + text, "utf-8")
        serve = [sys.executable, "-m", "gateway.cli.main", "serve", "--log", "warning", "--config", str(path)]
        return self._stack.enter_context(Program(name, port, [*serve, *arguments], folder / "log")), port, folder

    def written(self) -> dict[str, int]:
        """Bytes, records and syncs of the log of all databases, so far."""
        wal = self.postgres.sql("SELECT wal_bytes, wal_records, wal_write, wal_sync FROM pg_stat_wal").strip()
        return dict(zip(("bytes", "records", "writes", "syncs"), map(int, wal.split("|"))))

    def size(self, database: str) -> int:
        return int(self.postgres.sql(f"SELECT pg_database_size('{database}')"))

    def connections(self, database: str) -> int:
        return int(self.postgres.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"))


def _left_in(folder: Path) -> int:
    with closing(sqlite3.connect(f"file:{folder}/data/allears.db?mode=ro", uri=True)) as connection:
        return int(connection.execute(_OPEN).fetchone()[0])


def compare(servers: Servers, processes: Sequence[int], turns: int, count: int) -> Iterator[str]:
    """One process to several, in turns."""
    scenes = [servers.sqlite(), *(servers.processes(n) for n in processes)]
    for n in range(turns + 1):
        for scene in scenes:
            sample = scene.take(count)
            if n:  # the first round warms up
                scene.samples.append(sample)
    yield f"{'messages a second, CPU µs a message':36} {'accepted':>9} {'sent':>7} {'x SQLite':>8}   CPU"
    for scene in scenes:
        accepted, full = (median(getattr(one, f) for one in scene.samples) for f in ("accepted", "full"))
        ratio = median(a.full / b.full for a, b in zip(scene.samples, scenes[0].samples))
        yield f"{scene.name:36} {accepted:9.0f} {full:7.0f} {ratio:8.2f}   {_used(scene.samples)}"


def _used(samples: Sequence[Sample]) -> str:
    told: dict[str, list[float]] = defaultdict(list)
    for one in samples:
        for name, seconds in one.used.items():
            told[name].append(seconds * 1e6)
    return ", ".join(f"{name} {median(values):.0f}" for name, values in told.items())


def by_role(servers: Servers, turns: int, count: int) -> Iterator[str]:
    """What a message costs each role and the database, and what it writes."""
    scene = servers.roles()
    scene.take(count)
    before, size = servers.written(), servers.size("roles")
    scene.samples = [scene.take(count) for _ in range(turns)]
    wrote = {name: (now - before[name]) / turns / count for name, now in servers.written().items()}
    grown = (servers.size("roles") - size) / turns / count
    yield f"{scene.name}: CPU µs a message: {_used(scene.samples)}"
    yield f"log: {wrote['bytes']:.0f} bytes, {wrote['records']:.0f} records, {wrote['syncs']:.3f} syncs a message"
    yield f"database: {grown:.0f} bytes a message with raw events and traces; {servers.connections('roles')} connections"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=2000, help="in one round")
    parser.add_argument("--processes", default="1,2,3", help="on PostgreSQL")
    parser.add_argument("--parts", action="store_true", help="only a node for each role, and what a message writes")
    parser.add_argument("--folder", type=Path, help="where the stores lie; measure the disk you will use")
    args = parser.parse_args()
    try:
        process.check_system()
    except process.Unsupported as err:
        print(err, file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="allears-scale-", dir=args.folder))
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            servers = Servers(folder, stack)
            numbers = [int(n) for n in args.processes.split(",")]
            lines = (
                by_role(servers, args.rounds, args.messages)
                if args.parts
                else compare(servers, numbers, args.rounds, args.messages)
            )
            for line in lines:
                print(line, flush=True)
    except pytest.skip.Exception as err:
        print(f"not measured: {err}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
