"""A real PostgreSQL server of the tests' own, on a free port, with its files in a temporary folder.

``TEST_POSTGRES_URL`` may name one that runs already (a superuser's URL); what a test starts finds its test's server there.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from gateway.store.postgres import PostgresStore
from tests.ports import free_port

#: Not with the prefix of the configuration: it would be read as such.
VARIABLE = "TEST_POSTGRES_URL"
#: Debian's place, newest first, then wherever the path leads.
PROGRAMS = [
    *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    Path(shutil.which("postgres") or "/").parent,
]
#: Many connections: each worker's stores have pools of their own. Durable, because that is what is promised.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "fsync": "on",
    "autovacuum_naptime": "10s",
}


class Postgres:
    """A server process; :meth:`kill` and :meth:`start` at will."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", inside: Sequence[str] = (), **settings: str) -> None:
        """``inside``: the words of a program that runs it elsewhere (``ip netns exec``), where ``host`` leads from here."""
        self.folder, self.host, self._inside = folder, host, tuple(inside)
        self.port = free_port()
        self._settings = {**SETTINGS, **settings}
        self._bin = next((b for b in PROGRAMS if (b / "initdb").exists()), None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{self.host}:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """Of its first process, the parent of the others."""
        assert self._process is not None
        return self._process.pid

    def create(self) -> None:
        """Make its files and start it. Skips the test when PostgreSQL is not installed."""
        self._make_folder()
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        if self._inside:
            with (self.folder / "data/pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.0.0.0/8 trust\n")
        self.start()

    def follow(self, main: Postgres) -> None:
        """Make it a standby of another server, and start it."""
        self._make_folder()
        main.program("pg_basebackup", "-D", str(self.folder / "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self.start()

    def _make_folder(self) -> None:
        if self._bin is None:
            reason = "PostgreSQL's programs are not installed (Debian: postgresql)"
            if os.environ.get("REQUIRE_TEST_SERVERS"):
                pytest.fail(reason)
            pytest.skip(reason)
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, _USER, _USER)

    def start(self) -> None:
        assert self._bin is not None
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._inside,
                    *(_AS_USER if self._inside else ()),
                    str(self._bin / "postgres"),
                    *("-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)),
                    *settings,
                ],
                stdout=log,
                stderr=log,
                user=_USER if os.geteuid() == 0 and not self._inside else None,
                cwd="/",
            )
        self.wait()

    def wait(self) -> None:
        """Until it takes connections."""
        assert self._bin is not None
        ready = [str(self._bin / "pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        for _ in range(600):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, how: str = "immediate") -> None:
        """``smart``, ``fast``, or ``immediate``: as a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "stop")
        if self._process is not None:
            self._process.wait(30)

    def send_signal(self, number: int) -> None:
        """To the server and all its processes: SIGSTOP freezes it, SIGCONT thaws it."""
        assert self._process is not None
        own = str(self._process.pid)
        for each in (
            own,
            *subprocess.run(["pgrep", "-P", own], capture_output=True, text=True, check=False).stdout.split(),
        ):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(each), number)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as psql does; what it prints."""
        return self._run(
            "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *self._where, "-c", statement, database
        )

    @property
    def _where(self) -> tuple[str, ...]:
        return ("-h", self.host, "-p", str(self.port), "-U", "postgres")

    def program(self, name: str, *arguments: str) -> str:
        """One of its programs (pg_dump, pg_basebackup), with the server's address."""
        return self._run(name, *self._where, *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        assert self._bin is not None
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            capture_output=True,
            text=True,
            user=_USER if os.geteuid() == 0 else None,
            cwd="/",
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout


_USER = "postgres" if os.geteuid() == 0 else getpass.getuser()
#: For a program that must be root itself.
_AS_USER = ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups")


@functools.cache
def server_url() -> str:
    """A superuser's URL of the server of this process and those it starts. Skips the test when there can be none."""
    if url := os.environ.get(VARIABLE):
        return url
    folder = Path(tempfile.mkdtemp(prefix="allears-postgres-"))
    folder.chmod(0o755)
    server = Postgres(folder / "server")
    server.create()
    os.environ[VARIABLE] = server.url
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return server.url


def programs() -> Path:
    """The folder of PostgreSQL's programs."""
    return next(b for b in PROGRAMS if (b / "initdb").exists())


def database_url(name: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(server_url())._replace(path=f"/{name}").geturl()


def dump(url: str, *options: str) -> str:
    """What pg_dump makes of a database."""
    program = next(b for b in PROGRAMS if (b / "initdb").exists()) / "pg_dump"
    return subprocess.run([str(program), *options, url], capture_output=True, text=True, check=True).stdout


def empty_database(name: str) -> str:
    """Make a database without a schema; its URL."""
    _on_server(f'CREATE DATABASE "{name}"')
    return database_url(name)


def new_database(name: str) -> str:
    """Make an empty database on the server; its URL. The schema comes from a template, which is quicker than its steps."""
    _on_server(f'CREATE DATABASE "{name}" TEMPLATE "{_template()}"')
    return database_url(name)


@functools.cache
def _template() -> str:
    name = f"template_{os.getpid()}"
    _on_server(f'CREATE DATABASE "{name}"')

    async def migrated() -> None:
        store = PostgresStore(database_url(name))
        await store.open()
        await store.close()

    _apart(migrated())
    return name


def _on_server(statement: str) -> None:
    execute(server_url(), statement)


def execute(url: str, statement: str) -> None:
    """Run a statement in a database, past every store."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    _apart(run())


def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a thread of its own: the caller may stand in a running loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
