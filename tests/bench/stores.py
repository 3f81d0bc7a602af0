"""``python -m tests.bench.stores``: the stores side by side, without the gateway around them, in one run.

CPU time is told for the client (this process, all its threads) and for the server (all PostgreSQL processes), in
microseconds a message. The rounds alternate, so that a noisy moment meets both.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import itertools
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median

import asyncpg
from msgspec import structs

from gateway.store.base import NewSend, Outcome, Store, Work
from tests.servers import postgres
from tests.store.scene import HOMES, START, Clock, line, message, notice, outcome, record, send, sent

GROUPS = (1, 16, 256)
#: Conversations in one piece of work, as the flow claims them.
BATCH = 32
_NUMBERS = itertools.count(1)


class Ticks:
    """CPU seconds of the server: of all processes that hang on its first one."""

    def __init__(self, parent: int | None) -> None:
        self._parent = parent
        self._last: dict[int, float] = {}
        self._gone = 0.0

    def __call__(self) -> float:
        if self._parent is None:
            return 0.0
        now = {pid: _cpu(pid) for pid in (self._parent, *_children(self._parent))}
        self._gone += sum(cpu for pid, cpu in self._last.items() if pid not in now)
        self._last = now
        return self._gone + sum(now.values())


def _cpu(pid: int) -> float:
    """To the nanosecond (Linux' CPUCLOCK_SCHED of the process)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _children(parent: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            yield int(stat.parent.name)


class Figures:
    """Messages a second, and CPU microseconds a message of client and server, of all rounds."""

    def __init__(self) -> None:
        self.rate: list[float] = []
        self.client: list[float] = []
        self.server: list[float] = []

    async def take(self, server: Ticks, count: int, run: Callable[[], Awaitable[None]]) -> None:
        began, client, ticks = time.perf_counter(), time.process_time(), server()
        await run()
        client = time.process_time() - client
        self.rate.append(count / (time.perf_counter() - began))
        self.client.append(client / count * 1e6)
        self.server.append((server() - ticks) / count * 1e6)

    def __str__(self) -> str:
        return f"{median(self.rate):9.0f}/s {median(self.client):8.0f} {median(self.server):8.0f}"


async def accept(store: Store, group: int, messages: int) -> None:
    """``group`` clients at once, each with its next message after the answer to the last."""

    async def client(count: int) -> None:
        for _ in range(count):
            n = next(_NUMBERS)
            text = f"The lift in house {n} has not moved since Monday. " * 4
            one = message(n, thread=f"t{n % max(1, messages // 2)}", second=0, text=text, raw=text.encode() * 4)
            await store.append([one], received_at=START)

    await asyncio.gather(*(client(messages // group) for _ in range(group)))


async def work_off(store: Store) -> None:
    while (batch := await store.claim_work(BATCH)).work:
        errors = await batch.settle([_decided(work) for work in batch.work])
        assert not any(errors), errors
        await batch.release()


def _decided(work: Work) -> Outcome:
    """What the flow writes at a first turn: a record, a reply, two lines of the journal, a notice, a trace."""
    id, n = work.conversation.id, next(_NUMBERS)
    before = work.record
    complaint = record(f"A-{n}", id) if before is None else structs.replace(before, revision=before.revision + 1)
    replies: list[NewSend] = [send(f"reply {n} {i.inbox_id}", id, fence=work.conversation.fence) for i in work.items]
    number = complaint.number
    return outcome(
        work,
        record=complaint,
        state=b"{}" * 200,
        sends=tuple(replies),
        notices=(notice("opened"),) if before is None else (),
        journal=(line(number, "opened"), line(number, "replied")),
        trace=b"[]" * 500,
        identity=f"webchat/main/{work.conversation.sender}",
    )


async def deliver(store: Store) -> None:
    while rows := await store.claim_sends(64, START.replace(year=2100)):
        await store.settle_sends([sent(row, "We are sorry to hear that.") for row in rows])


async def measure(store: Store, messages: int, told: dict[str, Figures], server: Ticks) -> None:
    """Accept, work off and send at each size of group."""
    for group in GROUPS:
        count = min(messages, group * 100) // group * group
        await told[f"accept, {group} at once"].take(server, count, functools.partial(accept, store, group, count))
        await told[f"work off, after {group}"].take(server, count, functools.partial(work_off, store))
        await told[f"send, after {group}"].take(server, count, functools.partial(deliver, store))


async def one_round(kind: str, folder: Path, messages: int, told: dict[str, Figures]) -> None:
    folder.mkdir()  # noqa: ASYNC240 - nothing else runs here
    store = HOMES[kind](folder, Clock()).store()
    await store.open()
    await measure(store, messages, told, Ticks(await _server() if kind == "postgres" else None))
    await store.close()


async def _server() -> int:
    """The server's first process: the parent of the one that answers us."""
    connection = await asyncpg.connect(postgres.server_url())
    answering = await connection.fetchval("SELECT pg_backend_pid()")
    stat = Path(f"/proc/{answering}/stat").read_text("ascii", errors="replace")  # noqa: ASYNC240
    await connection.close()
    return int(stat.rpartition(")")[2].split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stores", description=__doc__)
    parser.add_argument("--messages", type=int, default=4000, help="in one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    postgres.server_url()
    told: dict[str, dict[str, Figures]] = {kind: defaultdict(Figures) for kind in HOMES}
    with tempfile.TemporaryDirectory(prefix="allears-stores-") as folder:
        for n, kind in itertools.product(range(args.rounds), HOMES):
            asyncio.run(one_round(kind, Path(folder) / f"{kind}{n}", args.messages, told[kind]))
    print(f"{os.cpu_count()} cores; messages a second, CPU µs a message of client and server; medians of {args.rounds}")
    for what in told["sqlite"]:
        for kind in HOMES:
            print(f"{what:22} {kind:10} {told[kind][what]}")


if __name__ == "__main__":
    main()
