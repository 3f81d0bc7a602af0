"""Real redis-server processes on free ports, with nothing on the disk: one server, a pair with Sentinels, a Cluster."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.ports import free_port

#: Seconds that a server may take to do what it was asked.
PATIENCE = 60.0


def program(name: str) -> str:
    """Where a program is. Skips the test when it is not installed, or fails it with REQUIRE_TEST_SERVERS=1."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed (Debian: redis-server)"
        if os.environ.get("REQUIRE_TEST_SERVERS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Redis:
    """One process; :meth:`kill`, :meth:`freeze`, :meth:`start` at will. What it held is gone after a kill."""

    def __init__(self, folder: Path, *options: str, host: str = "127.0.0.1", inside: Sequence[str] = ()) -> None:
        """``inside``: the words of a program that runs it elsewhere (``ip netns exec``), where ``host`` leads from here."""
        self.host, self._inside = host, tuple(inside)
        self.port = free_port()
        self._folder, self._options = folder / f"redis-{self.port}", options
        self._process: subprocess.Popen[bytes] | None = None
        self._folder.mkdir(parents=True)

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *more: str) -> None:
        arguments = [
            *("--port", str(self.port), "--bind", "0.0.0.0" if self._inside else "127.0.0.1"),
            *("--protected-mode", "no", "--save", "", "--appendonly", "no"),
            *("--dir", str(self._folder), "--repl-diskless-sync-delay", "0"),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, program("redis-server"), *arguments, *self._options, *more], stdout=log, stderr=log
            )
        until(
            lambda: _is_open(self.port, self.host), f"redis-server on {self.port} did not start", self._folder / "log"
        )

    def run(self, *words: str) -> str:
        """A command as redis-cli gives it; what it prints. Again where the connection was cut: Sentinels do that."""
        command = [program("redis-cli"), "-h", self.host, "-p", str(self.port), *words]
        for _ in range(5):
            done = subprocess.run(command, capture_output=True, check=False)
            if not done.returncode:
                return done.stdout.decode(errors="replace").strip()
            time.sleep(0.1)
        raise RuntimeError(f"{words}: {done.stdout!r} {done.stderr!r}")

    def kill(self) -> None:
        """As a crash; safe to repeat."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Its port is open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class Pair:
    """A master, its replica, and three Sentinels that put the replica in the master's place after half a second."""

    def __init__(self, folder: Path) -> None:
        self.master = Redis(folder)
        self.replica = Redis(folder, "--replicaof", "127.0.0.1", str(self.master.port))
        self._folder = folder
        self.sentinels: list[Redis] = []

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{s.port}' for s in self.sentinels)}/house/0"

    def start(self) -> None:
        self.master.start()
        self.replica.start()
        until(lambda: "master_link_status:up" in self.replica.run("info", "replication"), "the replica does not follow")
        for number in range(3):
            file = self._folder / f"sentinel-{number}.conf"
            file.write_text(
                f"sentinel monitor house 127.0.0.1 {self.master.port} 2\nsentinel down-after-milliseconds house 500\n"
                "sentinel failover-timeout house 4000\n",
                encoding="utf-8",
            )
            self.sentinels.append(_Sentinel(self._folder, file))
            self.sentinels[-1].start()
        until(lambda: all(map(_knows_all, self.sentinels)), "the Sentinels do not find each other")

    def kill(self) -> None:
        for one in (*self.sentinels, self.replica, self.master):
            one.kill()


class _Sentinel(Redis):
    def __init__(self, folder: Path, file: Path) -> None:
        super().__init__(folder)
        self._file = file

    def start(self, *more: str) -> None:
        arguments = [str(self._file), "--sentinel", "--port", str(self.port), "--dir", str(self._folder), *more]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, program("redis-server"), *arguments], stdout=log, stderr=log
            )
        until(lambda: _is_open(self.port), f"the Sentinel on {self.port} did not start")


class Cluster:
    """Three masters that share the keys, without replicas."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-config-file", "nodes.conf")
        # The nodes' own port would be the other plus 10,000, which some outgoing connection may have.
        self.nodes = [Redis(folder, *options, "--cluster-port", str(free_port())) for _ in range(3)]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        where = [f"127.0.0.1:{node.port}" for node in self.nodes]
        self.nodes[0].run("--cluster", "create", *where, "--cluster-yes")
        until(lambda: all("cluster_state:ok" in node.run("cluster", "info") for node in self.nodes), "no cluster")

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


def until(holds: Callable[[], bool], otherwise: str, log: Path | None = None) -> None:
    """Wait for a server to have done its part."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"{otherwise}\n{log.read_text()[-2000:] if log else ''}")
        time.sleep(0.05)


def _is_open(port: int, host: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def _knows_all(sentinel: Redis) -> bool:
    told = sentinel.run("sentinel", "master", "house").split("\n")
    facts = dict(zip(told[::2], told[1::2]))
    return facts.get("num-other-sentinels") == "2" and facts.get("num-slaves") == "1"
