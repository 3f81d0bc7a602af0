"""The measurements that need running servers, in rounds: every server has its turn in each round."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench import home
from tests.bench.process import Load, Server
from tests.bench.sampler import FIGURES, Figures, sampled
from tests.ports import free_port

Tell = Callable[[str], None]
#: Seconds without progress after which the full way counts as stuck.
STUCK = 60.0
_RUNS = itertools.count()


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int = 5
    messages: int = 4000
    """At 64 connections; fewer where there are fewer connections."""
    latency: int = 1500
    windows: int = 5000
    stored: int = 1_000_000
    parts: int = 2000
    mails: int = 1000
    deliveries: int = 60
    calls: int = 40
    hours: float = 3.0


@dataclass
class Sample:
    """One measurement of one server: messages a second, CPU seconds a message, answer times in seconds."""

    rate: float
    cpu: float
    p50: float = 0.0
    p99: float = 0.0


@dataclass
class Series:
    """The samples of all rounds by name."""

    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, sample: Sample) -> None:
        self.samples[name].append(sample)

    def middle(self, name: str) -> Sample:
        """The median of each figure."""
        all = self.samples[name]
        return Sample(*(median(getattr(one, each) for one in all) for each in ("rate", "cpu", "p50", "p99")))

    def ratio(self, name: str, peer: str, figure: str) -> float:
        """The median over the rounds of ``name`` beside ``peer``: more is better, also for CPU time."""
        pairs = zip(self.samples[name], self.samples[peer])
        ratios = [getattr(a, figure) / getattr(b, figure) for a, b in pairs]
        return float(median(ratios) if figure == "rate" else 1 / median(ratios))


def accept(server: Server, connections: int, count: int) -> Sample:
    """Send messages and wait for their answers. Raises RuntimeError when one is refused."""
    load = _prepared(server, connections, count)
    used = server.cpu()
    told = load.go()
    used = server.cpu() - used
    load.close()
    _check(server, told["statuses"], count)
    return Sample(count / told["seconds"], used / count, told["p50"], told["p99"])


def _prepared(server: Server, connections: int, count: int) -> Load:
    order = {"port": server.port, "connections": connections, "count": count, "token": home.TOKEN}
    load = Load("load", {**order, "run": f"r{next(_RUNS):x}"})
    load.hear()
    return load


def _check(server: Server, statuses: dict[str, int], count: int) -> None:
    good = sum(n for status, n in statuses.items() if status in ("200", "202"))
    if good != count:
        raise RuntimeError(f"{server.name} did not accept all {count} messages: {statuses}")


def full(server: Server, folder: Path, connections: int, count: int) -> Sample:
    """Send messages and wait until each is processed and everything that follows from it is sent."""
    load = _prepared(server, connections, count)
    used, began = server.cpu(), time.perf_counter()
    told = load.go()
    _settled(folder)
    seconds, used = time.perf_counter() - began, server.cpu() - used
    load.close()
    _check(server, told["statuses"], count)
    return Sample(count / seconds, used / count, told["p50"], told["p99"])


def _settled(folder: Path) -> None:
    """Wait until inbox and outbox are empty; looks from outside, so that the server has no work with it."""
    with closing(sqlite3.connect(f"file:{folder}/data/allears.db?mode=ro", uri=True)) as connection:
        left, since = -1, time.monotonic()
        while True:
            (now,) = connection.execute(
                "SELECT (SELECT count(*) FROM inbox WHERE state = 'open')"
                " + (SELECT count(*) FROM outbox WHERE state <> 'sent' AND state IN ('waiting', 'sending'))"
            ).fetchone()
            if now == 0:
                return
            if now != left:
                left, since = now, time.monotonic()
            if time.monotonic() - since > STUCK:
                raise RuntimeError(f"the full way is stuck: {left} rows are left in {folder}")
            time.sleep(0.01)


def replies(folder: Path) -> float:
    """Replies of the bot a message, over everything in the store."""
    with closing(sqlite3.connect(f"file:{folder}/data/allears.db?mode=ro", uri=True)) as connection:
        (share,) = connection.execute(
            "SELECT 1.0 * (SELECT count(*) FROM outbox WHERE destination LIKE 'channel:%') / count(*) FROM inbox"
        ).fetchone()
    return float(share)


@contextmanager
def servers(folder: Path, kinds: Sequence[str]) -> Iterator[dict[str, Server]]:
    """Running servers by kind: ``bare``, ``accept`` and ``full``, the latter two also with a ``+`` for a filled store."""
    with ExitStack() as stack:
        running = {}
        for kind in kinds:
            port = free_port()
            (folder / kind).mkdir(parents=True, exist_ok=True)
            command = ["bare", str(port)]
            if kind != "bare":
                command = ["server", kind.rstrip("+"), str(home.furnish(folder / kind, port))]
            server = Server(kind, port, command, folder / f"{kind}.log")
            running[kind] = stack.enter_context(server)
        yield running


def throughput(folder: Path, sizes: Sizes, tell: Tell, *, filled: bool) -> Series:
    """(a), (b) and, when there is a filled store, (e). Accepting comes first: it leaves its messages open."""
    series = Series()
    for kind in ("accept", "full"):
        with servers(folder, ["bare", kind, *([f"{kind}+"] if filled else [])]) as running:
            for n in range(sizes.rounds + 1):
                for name, sample in _round(running, folder, sizes, n, tell):
                    if n:  # the first one warms the servers up
                        series.add(name, sample)
        if filled and kind == "accept":
            _close(folder / "accept+")
            (folder / "accept+").rename(folder / "full+")
    return series


def _round(running: dict[str, Server], folder: Path, sizes: Sizes, n: int, tell: Tell) -> Iterator[tuple[str, Sample]]:
    """One turn of each server."""
    counts = {64: sizes.messages}
    if "accept" in running:
        counts |= {1: sizes.messages // 8, 16: sizes.messages // 2}
    for connections, count in counts.items():
        for kind, server in running.items():
            if kind == "accept+" and connections != 64:
                continue
            tell(f"round {n}/{sizes.rounds}: {kind}, {connections} connections")
            if kind.startswith("full"):
                yield kind, full(server, folder / kind, connections, count // 2)
            else:
                peer = " beside full" if kind == "bare" and "full" in running else ""
                yield f"{kind} {connections}{peer}", accept(server, connections, count)


def _close(folder: Path) -> None:
    """What accepting left open is closed, so that the full way begins with an empty inbox."""
    with closing(sqlite3.connect(folder / "data" / "allears.db")) as connection, connection:
        connection.execute("UPDATE inbox SET state = 'done' WHERE state = 'open'")


def latency(folder: Path, rate: float, sizes: Sizes, tell: Tell) -> Series:
    """(c): a message of a chat window until the bot's answer comes in the same window, at a steady rate."""
    series = Series()
    with servers(folder, ["full"]) as running:
        for n in range(sizes.rounds):
            tell(f"latency {n + 1}/{sizes.rounds} at {rate:.0f} messages/s")
            series.add("latency", _talk(running["full"], rate, sizes.latency))
    return series


def _talk(server: Server, rate: float, count: int) -> Sample:
    tokens = home.visitors(max(1, count // 3))
    order = {"port": server.port, "site": home.SITE, "tokens": tokens, "rate": rate, "count": count}
    load = Load("chats", {**order, "run": f"chat{next(_RUNS):04x}"})
    load.hear()
    used = server.cpu()
    told = load.go()
    used = server.cpu() - used
    load.close()
    if told["answered"] != count:
        raise RuntimeError(f"{count - told['answered']} of {count} messages got no answer: {told['statuses']}")
    return Sample(rate, used / count, told["p50"], told["p99"])


def by_part(folder: Path, sizes: Sizes, tell: Tell) -> dict[str, Figures]:
    """(i): CPU seconds a message, of messages to the API and of those of chat windows at half load."""
    with servers(folder, ["sampled"]) as running:
        server, count = running["sampled"], sizes.messages
        tell("parts of the way: warming up")
        rate = 0.5 / full(server, folder / "sampled", 64, count // 2).cpu
        into = folder / "sampled" / FIGURES
        tell("parts of the way: api")
        with sampled(server.pid, into, count) as api:
            full(server, folder / "sampled", 64, count)
        tell(f"parts of the way: chat at {rate:.0f} messages/s")
        with sampled(server.pid, into, count) as chat:
            _talk(server, rate, count)
    return {"api": api, "chat": chat}


@dataclass(frozen=True)
class Memory:
    """Bytes at rest, and with so many open chat windows."""

    rest: int
    windows: int
    busy: int


def memory(folder: Path, sizes: Sizes, tell: Tell) -> Memory:
    """(d)"""
    with servers(folder, ["full"]) as running:
        server = running["full"]
        time.sleep(1.0)
        rest = server.resident()
        tell(f"opening {sizes.windows} chat windows")
        order = {"port": server.port, "site": home.SITE, "tokens": home.visitors(sizes.windows)}
        load = Load("chats", order)
        opened = load.hear()["open"]
        time.sleep(1.0)
        busy = server.resident()
        load.close()
    return Memory(rest, opened, busy)
