"""``python -m tests.bench.peers``: other engines beside this one, on the same work, in one run on one machine.

A text comes in, one of twenty rules meets it, the answer goes out. Each is installed into a virtual environment of its own
(from PyPI, kept in ``--venvs`` for the next run) and served as it comes; a bare aiohttp handler with the same rules is the
limit. All have their turn in each round; figures are medians. CPU time is the server's, all its processes. Of ours the
whole way is measured: by HTTP into a chat window, the answer over the window's WebSocket.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import home, process
from tests.bench.peers import asks, keeping
from tests.bench.peers.kinds import LIMIT, OURS, PEERS, Kind, Missing, environment
from tests.bench.process import SERVER_CORE, Load, Program
from tests.ports import free_port

CONNECTIONS = (1, 16, 64)
#: Seconds until the first right answer must come.
START = 40.0


@dataclass(frozen=True)
class Sample:
    """One turn: messages a second, CPU seconds a message, answer times in seconds."""

    rate: float
    cpu: float
    p50: float
    p99: float


class Contender:
    """One that runs, with what was measured of it."""

    def __init__(self, kind: Kind, folder: Path, venvs: Path) -> None:
        self.kind, self.folder = kind, folder
        self.samples: dict[int, list[Sample]] = {n: [] for n in CONNECTIONS}
        self.resident = 0
        folder.mkdir(parents=True)
        self._port = free_port()
        command = kind.prepare(folder, self._port, kind.install(venvs))
        self._command = ["taskset", "-c", str(process.core_number(SERVER_CORE)), *command]
        self._environment, self._turns = environment(folder), 0

    def server(self) -> Program:
        log = self.folder / "log"
        return Program(self.kind.name, self._port, self._command, log, folder=self.folder, **self._environment)

    def order(self, count: int, connections: int) -> dict[str, Any]:
        self._turns += 1
        order = {"port": self._port, "form": self.kind.form, "run": f"r{self._turns}", "count": count}
        if self.kind.form == "window":
            order |= {"site": home.SITE, "tokens": list(home.visitors(max(connections, count // 3, 1)))}
        return {**order, "connections": connections}

    def measure(self, server: Program, connections: int, count: int) -> Sample:
        load = Load("peers.asks", self.order(count, connections))
        load.hear()
        used = server.cpu()
        told = load.go()
        used = server.cpu() - used
        load.close()
        return Sample(count / told["seconds"], used / count, told["p50"], told["p99"])

    def wait(self) -> None:
        """Until the first right answer. Raises :class:`Missing`."""
        until = time.monotonic() + START
        while True:
            try:
                asyncio.run(asks.run(self.order(1, 1), _at_once))
            except (OSError, RuntimeError, EOFError) as err:
                if time.monotonic() > until:
                    raise Missing(f"does not answer: {err}") from err
                time.sleep(0.5)
            else:
                return

    def keeps(self) -> str:
        """What it has stored before it answers."""
        order = self.order(1, 1)
        with self.server() as server:
            self.wait()
            said = keeping.kept(server, order, self.folder)
        if self.kind.form != "window":
            return said
        with self.server():
            again = asyncio.run(keeping.told_again(order))
        return f"{said}; started again, the window {'shows it' if again else 'DOES NOT SHOW IT'}"


async def _at_once() -> None:
    return


def _keeps(one: Contender) -> str:
    try:
        return one.keeps()
    except (Missing, TimeoutError, RuntimeError) as err:
        return f"not seen: {err!r}"


def run(names: Sequence[str], rounds: int, count: int, venvs: Path, folder: Path) -> Iterator[str]:
    """The lines of the table."""
    contenders, missing = [], {}
    with ExitStack() as stack:
        running = []
        for kind in (LIMIT, OURS, *(PEERS[name] for name in names)):
            try:
                one = Contender(kind, folder / kind.name.replace(" ", "-"), venvs)
                server = stack.enter_context(one.server())
                one.wait()
            except (Missing, RuntimeError) as err:
                missing[kind.name] = str(err)
                continue
            contenders.append(one)
            running.append(server)
        for n in range(rounds + 1):
            for connections in CONNECTIONS:
                for one, server in zip(contenders, running):
                    sample = one.measure(server, connections, count if connections > 1 else max(20, count // 4))
                    if n:  # the first round warms up
                        one.samples[connections].append(sample)
        for one, server in zip(contenders, running):
            one.resident = server.resident()
    yield from table(contenders)
    yield ""
    yield "Stored before it answers (kill -9 right after the answer, then its files looked through):"
    for one in contenders:
        yield f"  {one.kind.name:14} {_keeps(one)}"
    for name, why in missing.items():
        yield f"  {name:14} NOT MEASURED: {why}"


def table(contenders: Sequence[Contender]) -> Iterator[str]:
    """Figures by connections; ratios are the medians of those within a round."""
    yield f"{'':14} {'connections':>11} {'messages/s':>10} {'CPU µs':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU x ours':>10} {'MB':>6}"
    ours = next((one for one in contenders if one.kind is OURS), None)
    for connections in CONNECTIONS:
        for one in contenders:
            samples = one.samples[connections]
            rate, cpu, p50, p99 = (median(getattr(s, f) for s in samples) for f in ("rate", "cpu", "p50", "p99"))
            ratio = median(a.cpu / b.cpu for a, b in zip(samples, ours.samples[connections])) if ours else 0.0
            yield (
                f"{one.kind.name:14} {connections:11} {rate:10.0f} {cpu * 1e6:8.0f} {p50 * 1e3:8.1f} {p99 * 1e3:8.1f}"
                f" {ratio:10.2f} {one.resident / 2**20:6.0f}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--peers", default="opsdroid,errbot,botbuilder", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1000, help="at 16 and 64 connections in one round")
    parser.add_argument("--venvs", type=Path, default=Path.home() / ".cache" / "allears-peers", help="kept for later")
    parser.add_argument("--folder", type=Path, help="where the stores lie; measure the disk you will use")
    args = parser.parse_args()
    try:
        process.check_system()
    except process.Unsupported as err:
        print(err, file=sys.stderr)
        return 2
    names = [name for name in args.peers.split(",") if name]
    if unknown := set(names) - set(PEERS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    args.venvs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="allears-peers-", dir=args.folder, ignore_cleanup_errors=True) as folder:
        for line in run(names, args.rounds, args.messages, args.venvs.absolute(), Path(folder)):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
