"""Processes under measurement: pinned to a core, with their CPU time and memory read from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

ROOT = Path(__file__).parents[2]
SERVER_CORE, LOAD_CORE = 0, 1
#: Seconds until a server must answer.
START_SECONDS = 60.0


class Unsupported(Exception):
    """This system cannot tell what the benchmarks ask."""


def check_system() -> None:
    """Raises :class:`Unsupported` where other processes' CPU time and memory cannot be read."""
    if not sys.platform.startswith("linux"):
        raise Unsupported("the benchmarks read /proc and the CPU clocks of other processes, which only Linux has")


def pin(core: int) -> None:
    """Stay on one core, so that server and load do not take each other's time; on a machine with one core: nothing."""
    os.sched_setaffinity(0, {core_number(core)})


def core_number(core: int) -> int:
    """The machine's number of the n-th core that we may use."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[core % len(cores)]


def cpu(pid: int) -> float:
    """CPU seconds of all threads of a process, to the nanosecond (Linux' CPUCLOCK_SCHED of the process)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    parents = dict(_parents())
    for each in found:
        found.extend(child for child, parent in parents.items() if parent == each)
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = stat.read_text("ascii", errors="replace").rpartition(")")[2]
            yield int(stat.parent.name), int(after_name.split()[1])


class Program:
    """A server under measurement, with the processes that it starts. Use as a context manager."""

    def __init__(
        self, name: str, port: int, command: Sequence[str], log: Path, *, folder: Path = ROOT, **environment: str
    ) -> None:
        self.name, self.port = name, port
        self._command, self._log, self._folder = command, log, folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=out, stderr=out, env={**os.environ, **self._environment}
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        said = self._log.read_text("utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"the server {self.name} does not come up\n{said}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu(self) -> float:
        """CPU seconds of all its processes."""
        total = 0.0
        for pid in family(self.pid):
            with contextlib.suppress(OSError):
                total += cpu(pid)
        return total

    def resident(self) -> int:
        """Bytes of all its processes; what they share counts with each."""
        total = 0
        for pid in family(self.pid):
            with contextlib.suppress(OSError):
                total += resident(pid)
        return total

    def kill(self) -> None:
        """As a crash: all its processes at once."""
        for pid in family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Server(Program):
    """A module of this folder as a server, one process on the server core."""

    def __init__(self, name: str, port: int, command: Sequence[str], log: Path) -> None:
        """``command``: a module of this folder and its arguments."""
        super().__init__(name, port, [sys.executable, "-m", f"tests.bench.{command[0]}", *command[1:]], log)

    def cpu(self) -> float:
        return cpu(self.pid)

    def resident(self) -> int:
        return resident(self.pid)


class Load:
    """A load process: gets its order as JSON, tells results as JSON lines, ends when its input is closed."""

    def __init__(self, module: str, order: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.{module}"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._write(order)

    def _write(self, order: Mapping[str, Any]) -> None:
        into = cast("IO[bytes]", self._process.stdin)
        into.write(json.dumps(order).encode() + b"\n")
        into.flush()

    def hear(self) -> dict[str, Any]:
        """The next line it tells. Raises RuntimeError when it has died."""
        line = cast("IO[bytes]", self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"the load process ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def go(self) -> dict[str, Any]:
        """Let a prepared load start, and hear what came of it."""
        self._write({})
        return self.hear()

    def close(self) -> None:
        self._process.communicate(timeout=30)
