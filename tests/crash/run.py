"""One crash run: traffic on every road, the server killed again and again, then the reckoning."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from gateway import config
from gateway.desk.passwords import hash_password
from gateway.store.base import Agent, Store
from gateway.stores import store_of
from tests.crash.receiver import Receiver
from tests.crash.traffic import Caller, DeskAgent, Garbler, Ledger, Visitor, World
from tests.crash.verdict import Verdict, judge
from tests.ports import free_port
from tests.servers import postgres

ROOT = Path(__file__).parents[2]
#: Every commit that the traffic causes, by the store's name for it.
COMMITS = (
    "append",
    "quarantine",
    "claim_work",
    "settle",
    "claim_sends",
    "settle_sends",
    "claim",
    "say",
    "note",
    "put_once",
    "amend",
    "put_session",
)
#: Commits that happen many times a second; the others are waited for, so the first one counts.
FREQUENT = frozenset({"append", "claim_work", "settle", "claim_sends", "settle_sends", "put_once"})
#: In PostgreSQL a claim is a lock of the node's connection, no commit.
COMMITS_OF = {"sqlite": COMMITS, "postgres": tuple(name for name in COMMITS if name != "claim_work")}
POINTS = {
    store: tuple(f"{n}:{phase}" for n in names for phase in ("before", "after")) for store, names in COMMITS_OF.items()
}
#: A fuse that has not burnt down by then is not waited for, in seconds.
PATIENCE = 20.0
TOKEN = "crash-suite-token"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PASSWORD = "correct horse battery"
CONFIG = """
listen = "127.0.0.1:{port}"
secret = "crash-suite-secret-0123456789abcdefghij"

[egress]
allow = ["127.0.0.0/8"]

[outbox]
ladder = [{ladder}]

[channels.webchat.shop]
site_key = "shop"
session_secret = "crash-suite-session-0123456789abcdefghij"

[channels.api.main]
webhook_secrets = ["{secret}"]
reply_url = "http://127.0.0.1:{receiver}/replies"
reply_secret = "{secret}"

[[channels.api.main.tokens]]
name = "callers"
sha256 = "{token}"
scopes = ["messages:write"]

[sinks.file]
kind = "jsonl"

[sinks.hook]
kind = "webhook"
url = "http://127.0.0.1:{receiver}/events"
secret = "{secret}"

[store]
url = "{url}"
"""


@dataclass
class Report:
    """How the server was stopped, and what came of it."""

    kills: int = 0
    hit: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)


class Run:
    """One run in ``folder``: ``kills`` kills, ``customers`` on each channel; ``store`` is one of :data:`POINTS`."""

    def __init__(
        self, folder: Path, *, kills: int, customers: int = 20, agents: int = 2, seed: int = 1, store: str = "sqlite"
    ) -> None:
        self._folder, self._kills, self._customers, self._agents = folder, kills, customers, agents
        self._chance = random.Random(seed)
        self._points = POINTS[store]
        self._url = postgres.new_database(f"crash_{secrets.token_hex(8)}") if store == "postgres" else ""
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    async def carry_out(self, tell: Callable[[str], None] = lambda _: None) -> Report:
        """Run it. ``tell`` hears of the progress."""
        report, ledger = Report(), Ledger()
        receiver = Receiver(self._chance)
        await receiver.server.start_server()
        await self._furnish(receiver)
        world = World(f"http://127.0.0.1:{self._port}", ledger, self._chance)
        visitors = [Visitor(world, f"visitor{n}", "shop") for n in range(self._customers)]
        actors: list[Visitor | Caller | DeskAgent | Garbler] = [*visitors, Garbler(world, SECRET)]
        actors += [Caller(world, f"caller{n}", TOKEN) for n in range(self._customers)]
        agents = [DeskAgent(world, f"agent{n}", PASSWORD) for n in range(self._agents)]
        reading = [asyncio.create_task(actor.run()) for actor in [*actors, *agents]]
        await self._kill_and_start(report, tell)
        world.stopping.set()
        await self._settled(ledger)
        for task in reading:
            task.cancel()
        for result in await asyncio.gather(*reading, return_exceptions=True):
            if isinstance(result, Exception):
                ledger.faults.append(f"an actor failed: {result!r}")
        await world.http.close()
        await self._stop()
        await receiver.server.close()
        report.verdict = await self._judge(ledger, receiver, visitors)
        return report

    async def _furnish(self, receiver: Receiver) -> None:
        ladder = ", ".join(["0.5"] * 60)  # short steps, many of them: the run must end
        self._config = self._folder / "allears.toml"
        self._config.write_text(
            CONFIG.format(
                port=self._port,
                receiver=receiver.server.port,
                secret=SECRET,
                ladder=ladder,
                token=hashlib.sha256(TOKEN.encode()).hexdigest(),
                url=self._url,
            )
        )
        store = self._store()
        await store.open()
        for n in range(self._agents):
            login = f"agent{n}"
            await store.put_agent(
                Agent(id=login, login=login, name=login, role="agent", password=hash_password(PASSWORD))
            )
        await store.close()

    def _store(self) -> Store:
        return store_of(config.load(self._config, env={}))

    async def _kill_and_start(self, report: Report, tell: Callable[[str], None]) -> None:
        for point in itertools.islice(self._plan(), self._kills):
            await self._start(point)
            try:
                await asyncio.wait_for(self._exit(), PATIENCE if point else self._chance.uniform(0.3, 1.2))
                report.hit[point] += 1
            except TimeoutError:
                self._kill()
                await self._exit()
                report.hit["at random"] += 1
            report.kills += 1
            tell(f"kill {report.kills} of {self._kills}: {point or 'at random'}")
        await self._start("")

    def _plan(self) -> Iterator[str]:
        """Every point in turn, with as many kills at random moments between."""
        for round in itertools.count(1):
            points = list(self._points)
            self._chance.shuffle(points)
            for point in points:
                often = point.partition(":")[0] in FREQUENT
                yield f"{point}:{self._chance.randint(1, 3 * round) if often else 1}"
                yield ""

    async def _start(self, fuse: str) -> None:
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.crash.server",
                str(self._config),
                *([fuse] if fuse else []),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        await self._process.stdout.readline()

    async def _exit(self) -> None:
        assert self._process is not None
        await self._process.wait()

    def _kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)

    async def _stop(self) -> None:
        self._kill()
        await self._exit()

    async def _settled(self, ledger: Ledger) -> None:
        """Wait until nothing is open any more: the server's own figures say so."""
        quiet = 0
        async with aiohttp.ClientSession() as http:
            for _ in range(1200):
                async with http.get(f"http://127.0.0.1:{self._port}/metrics") as answer:
                    figures = dict(
                        line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if line[:1] != "#"
                    )
                still = sum(float(figures[f"allears_{name}"]) for name in ("inbox_open", "outbox_waiting"))
                quiet = quiet + 1 if still == 0 else 0
                if quiet >= 20:
                    return
                await asyncio.sleep(0.1)
        ledger.faults.append("two minutes after the last message there is still something open")

    async def _judge(self, ledger: Ledger, receiver: Receiver, visitors: Sequence[Visitor]) -> Verdict:
        store = self._store()
        await store.open()
        try:
            return await judge(store, ledger, receiver, visitors)
        finally:
            await store.close()
