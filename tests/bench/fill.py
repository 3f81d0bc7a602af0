"""A store that has been in use: as many stored messages as wanted, with everything that followed from them.

The gateway itself takes a few thousand messages all the way; SQL then copies all of their rows under new keys, each
copy a minute older. So every table and index has the share it would have, and new keys fall between old ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from tests.bench import home, parts

#: Messages that the gateway takes itself.
SEED = 2000
MINUTE = 60_000_000
#: The tables that a message leaves rows in, with what distinguishes a copy; ``{k}`` numbers the copies.
_TIMES = ("opened_at", "last_at", "active_at", "state_at", "provider_at", "received_at", "created_at", "updated_at")
_COPIES: Mapping[str, tuple[str, ...]] = {
    "conversation": ("n", "id", "thread", "sender", "number", "record"),
    "inbox": ("id", "key", "conv"),
    "timeline": ("conv",),
    "record": ("n", "number", "conv"),
    "record_revision": ("number",),
    "outbox": ("id", "key", "lane", "conv", "number"),
    "journal": ("number",),
    "trace": ("id", "conv"),
}
_NUMBERS = frozenset({"n", "id", "conv", "record"})


def fill(folder: Path, count: int, tell: Callable[[str], None]) -> None:
    """Make the store of the folder hold ``count`` messages (in whole copies of :data:`SEED`)."""
    config = home.furnish(folder, 0)
    seed = min(SEED, count)
    asyncio.run(parts.carry(config, seed))
    with closing(sqlite3.connect(folder / "data" / "allears.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        highest = {t: _highest(connection, t) for t in ("conversation", "inbox", "record", "outbox", "trace")}
        for k in range(1, count // seed):
            if k % 10 == 1:
                tell(f"filling a store: {k * seed} of {count} messages")
            connection.execute("BEGIN")
            for table in _COPIES:
                _copy(connection, table, k, highest)
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _highest(connection: sqlite3.Connection, table: str) -> int:
    id = "n" if table in ("conversation", "record") else "id"
    return int(connection.execute(f"SELECT max({id}) FROM {table}").fetchone()[0])


def _copy(connection: sqlite3.Connection, table: str, k: int, highest: Mapping[str, int]) -> None:
    """Copy the seed's rows: those up to the highest ids that the seed had."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    select = ", ".join(_value(table, column, k, highest) for column in columns)
    own = "n" if "n" in columns and table in highest else "id"
    where = (
        f"{own} <= {highest[table]}"
        if table in highest
        else f"conv <= {highest['conversation']}"
        if "conv" in columns
        else f"number IN (SELECT number FROM record WHERE n <= {highest['record']})"
    )
    connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {select} FROM {table} WHERE {where}")


def _value(table: str, column: str, k: int, highest: Mapping[str, int]) -> str:
    if column in _TIMES:
        return column if table == "journal" else f"{column} - {k * MINUTE}"
    if column not in _COPIES[table]:
        return column
    if column in _NUMBERS and not (table == "conversation" and column == "id"):
        space = {"conv": "conversation", "record": "record"}.get(column, table)
        return f"{column} + {k * highest[space]}"
    return f"CASE WHEN {column} = '' THEN '' ELSE {column} || '-{k}' END"
