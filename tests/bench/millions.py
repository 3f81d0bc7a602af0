"""``python -m tests.bench.millions``: PostgreSQL with millions of stored messages beside an empty one, in one run.

The gateway takes some thousand messages all the way; SQL copies their rows under new keys, a minute older with each copy and
long closed, until there are as many as wanted: five messages to a case. Then both stores do the same work, round by round in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import asyncpg

from gateway.context import utc_now
from gateway.store.base import Store
from gateway.store.postgres import PostgresStore
from tests.bench import home, parts, stores
from tests.servers.postgres import Postgres

#: Messages that the gateway takes itself; the next round of copies adds as many times all that are there.
SEED = 2000
MINUTE = 60_000_000
#: Copies of a message that stand in one conversation.
TOGETHER = 5
_CASE = f"(k - k % {TOGETHER})"
#: What a server with 24 GB is given; while the copies are made nothing has to survive.
SETTINGS = {
    "shared_buffers": "2GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
#: The tables that a message leaves rows in, with what distinguishes a copy; ``:k`` numbers the copies.
_COPIES: Mapping[str, tuple[str, ...]] = {
    "conversation": ("n", "id", "thread", "sender", "number", "record"),
    "inbox": ("id", "key", "conv"),
    "timeline": ("conv",),
    "record": ("n", "number", "conv"),
    "record_revision": ("number",),
    "outbox": ("id", "key", "lane", "conv", "number"),
    "journal": ("number",),
    "identity": ("conv",),
}
_TIMES = ("opened_at", "last_at", "active_at", "state_at", "provider_at", "received_at", "created_at", "updated_at")
_SPACES = {"conv": "conversation", "record": "record"}
#: What a case has once.
_CASES = frozenset(("conversation", "record", "record_revision", "journal", "identity"))
#: What a copy is: over. Else millions would wait for people.
_OVER = {
    ("conversation", "status"): "'closed'",
    ("conversation", "owner"): "'bot'",
    ("conversation", "lease_until"): "NULL",
    ("record", "status"): "'closed'",
    ("record", "to_link"): "false",
    ("outbox", "state"): "'sent'",
    ("outbox", "next_at"): "NULL",
}


async def fill(url: str, count: int, tell: Callable[[str], None]) -> None:
    """Copy the seed's rows until there are ``count`` messages."""
    connection = await asyncpg.connect(url, command_timeout=36_000)
    await connection.execute("SET synchronous_commit = off; SET session_replication_role = replica")
    highest = {
        table: await connection.fetchval(
            f"SELECT max({'n' if table in ('conversation', 'record') else 'id'}) FROM {table}"
        )
        for table in ("conversation", "inbox", "record", "outbox")
    }
    highest["lines"] = await connection.fetchval("SELECT max(last_seq) FROM conversation")
    seed = await connection.fetchval("SELECT count(*) FROM inbox")
    indexes = await _without_indexes(connection)
    copies, step = count // seed, max(1, 250_000 // seed)
    for first in range(1, copies, step):
        last = min(first + step, copies) - 1
        for table in _COPIES:
            await connection.execute(await _copy(connection, table, first, last, highest))
        tell(f"{last * seed} of {count} messages")
    for n, index in enumerate(indexes):
        tell(f"index {n + 1} of {len(indexes)}")
        await connection.execute(index)
    for table, key in (("conversation", "n"), ("inbox", "id"), ("record", "n"), ("outbox", "id")):
        await connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), (SELECT max({key}) FROM {table}))"
        )
    await connection.execute(
        "INSERT INTO tally (day, channel, account, slot, recorded, processed, replies, delivered, latest)"
        " SELECT day, 'api', 'account ' || a, 0, 300, 300, 300, 300, (SELECT max(id) FROM inbox)"
        " FROM generate_series(19000, 20600) day, generate_series(1, 20) a ON CONFLICT DO NOTHING"
    )
    tell("vacuum")
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _without_indexes(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Drop what only makes reading quicker; how to make it again."""
    found = await connection.fetch(
        "SELECT i.indexdef, i.indexname FROM pg_indexes i JOIN pg_class c ON c.relname = i.indexname"
        " JOIN pg_index x ON x.indexrelid = c.oid"
        " WHERE i.tablename = ANY($1) AND i.schemaname = 'public' AND NOT x.indisprimary"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)",
        list(_COPIES),
    )
    for row in found:
        await connection.execute(f'DROP INDEX "{row[1]}"')
    return [row[0] for row in found]


async def _copy(
    connection: asyncpg.Connection[asyncpg.Record], table: str, first: int, last: int, highest: Mapping[str, int]
) -> str:
    columns = [
        row[0]
        for row in await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'",
            table,
        )
    ]
    values = ", ".join(_value(table, column, highest) for column in columns)
    if table in highest:
        own = "n" if table in ("conversation", "record") else "id"
        where = f"{own} <= {highest[table]}"
    elif "conv" in columns:
        where = f"conv <= {highest['conversation']}"
        where += f" AND seq <= {highest['lines']}" if "seq" in columns else ""
    else:
        where = f"number IN (SELECT number FROM record WHERE n <= {highest['record']})"
    if table in _CASES:
        where += f" AND k % {TOGETHER} = 0"
    elif table == "outbox":
        where += f" AND (destination LIKE 'channel:%' OR k % {TOGETHER} = 0)"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, generate_series({first}, {last}) k"
        f" WHERE {where}"
    )


def _value(table: str, column: str, highest: Mapping[str, int]) -> str:
    if (table, column) in _OVER:
        return _OVER[table, column]
    if column in _TIMES:
        return f"{column} - k * {MINUTE}::bigint"
    if column == "seq":
        return f"seq + k % {TOGETHER} * {highest['lines']}"
    if column == "last_seq":
        return str(TOGETHER * highest["lines"])
    if column not in _COPIES[table]:
        return column
    if column in ("record", "conv"):
        return f"{column} + {_CASE} * {highest[_SPACES[column]]}::bigint"
    if column == "number":
        return f"CASE WHEN number = '' THEN '' ELSE number || '-' || {_CASE} END"
    if column == "n" or (column == "id" and table != "conversation"):
        return f"{column} + k * {highest[table]}::bigint"
    return f"CASE WHEN {column} = '' THEN '' ELSE {column} || '-' || k END"


async def work(store: Store, told: dict[str, list[float]], messages: int) -> None:
    """One round: accept, work off, send; and each of the desk's and managers' looks."""

    async def timed(what: str, run: Callable[[], Awaitable[object]], count: int = 1) -> None:
        began = time.perf_counter()
        await run()
        told[what].append((time.perf_counter() - began) / count * 1e3)

    await timed("accept, 64 at once", lambda: stores.accept(store, 64, messages), messages)
    await timed("claim and settle", lambda: stores.work_off(store), messages)
    await timed("claim and settle sends", lambda: stores.deliver(store), messages)
    now = utc_now()
    looks: dict[str, Callable[[], Awaitable[object]]] = {
        "desk: waiting": lambda: store.conversations("waiting"),
        "desk: all": lambda: store.conversations("all"),
        "desk: closed": lambda: store.conversations("closed"),
        "desk: search a word": lambda: store.search("lift"),
        "desk: search a number": lambda: store.search("A-17"),
        "records, a page": lambda: store.records(),
        "a person by e-mail": lambda: store.find_person("nobody@example.org"),
        "audit of a month": lambda: store.tally(since=now - timedelta(days=31), until=now),
        "gauges": lambda: store.gauges(now),
        "last messages": lambda: store.latest_messages(),
        "outbox, a page": lambda: store.outbox(),
        "next due": lambda: store.next_send_at(),
    }
    for what, look in looks.items():
        await timed(what, look)


async def run(folder: Path, count: int, rounds: int, messages: int) -> None:
    server = Postgres(folder / "server", **SETTINGS)
    server.create()
    try:
        await _run(server, folder, count, rounds, messages)
    finally:
        server.stop("fast")


async def _run(server: Postgres, folder: Path, count: int, rounds: int, messages: int) -> None:
    urls = {}
    for name in ("empty", "filled"):
        server.sql(f"CREATE DATABASE {name}")
        urls[name] = urlsplit(server.url)._replace(path=f"/{name}").geturl()
    config = home.furnish(folder / "seed", 0)
    config.write_text(config.read_text() + f'\n[store]\nurl = "{urls["filled"]}"\n')
    await parts.carry(config, min(SEED, count))
    began = time.monotonic()
    await fill(urls["filled"], count, lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True))
    size = server.sql("SELECT pg_size_pretty(pg_database_size('filled'))").strip()
    held = server.sql("SELECT count(*) FROM inbox", "filled").strip()
    print(f"{held} messages, {size}")
    opened = {name: PostgresStore(url) for name, url in urls.items()}
    told: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in urls}
    for store in opened.values():
        await store.open()
    for _ in range(rounds):
        for name, store in opened.items():
            await work(store, told[name], messages)
    for store in opened.values():
        await store.close()
    print(f"{'milliseconds (each, or a message)':32} {'empty':>9} {'filled':>9} {'worst':>9} {'ratio':>7}")
    for what, values in told["empty"].items():
        full = told["filled"][what]
        worst = quantiles(full, n=100)[-1] if len(full) > 1 else full[0]
        print(f"{what:32} {median(values):9.3f} {median(full):9.3f} {worst:9.3f} {median(full) / median(values):7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.millions", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000, help="messages (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=1000, help="accepted and worked off in each round")
    parser.add_argument("--folder", type=Path, help="where the server's files lie; about 4 GB a million messages")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="allears-millions-", dir=args.folder))
    folder.chmod(0o755)
    try:
        asyncio.run(run(folder, args.count, args.rounds, args.messages))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
