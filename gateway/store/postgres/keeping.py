"""What is kept how long: tables by month, made ahead and dropped when their time is over; what has expired; old cases.

Many nodes write meanwhile. What needs a table's lock waits for it but shortly, and is tried again: all who come after it
would wait, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from gateway.store import months, rows
from gateway.store.base import Keep, Tidied
from gateway.store.postgres import erase, figures, flow
from gateway.store.postgres.database import Connection, Database, changed

#: The tables by month, each with the columns that are moved when rows came before their month had a table.
TABLES = {"raw": "inbox, at, body", "trace": "id, conv, at, body"}
#: The other tables with a person's words or names.
PERSONAL = ("conversation", "inbox", "timeline", "record", "record_revision", "outbox", "journal", "memo", "recording")
#: Months that are made ahead of the one that runs.
AHEAD = 2
#: How long a table's lock is waited for, in milliseconds.
LOCK_MILLISECONDS = 300
#: Rows of one step that deletes row by row, and conversations that are erased in one go.
BATCH = 1000
ERASED_AT_ONCE = 500
#: How long moving rows or a VACUUM may take, in seconds.
LONG_SECONDS = 3600.0
#: A code is known so long after its time, for the messages that still name it.
CODES_KEPT = timedelta(days=30)
#: Days whose figures may still be counted by several connections at once.
COUNTED_DAYS = 2

#: No open case, and nothing has happened since $1.
_ENDED = (
    "c.erased_at IS NULL AND (c.record IS NULL OR c.status IN ('resolved', 'closed', 'withdrawn'))"
    " AND c.active_at < $1 AND c.last_at < $1"
    " AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.conv = c.n AND i.state = 'open')"
)


async def tidy(database: Database, now: datetime, keep: Keep) -> Tidied:
    """See :meth:`gateway.store.base.Store.tidy`. Each step is a transaction of its own; what failed is tried next time."""
    this = months.of(now)
    for table in TABLES:
        for month in range(this, this + AHEAD + 1):
            await _make(database, table, month)
        for month in await database.read(partial(_without_table, table=table, this=this)):
            await _make(database, table, month)
    return Tidied(
        events=await _drop(database, "raw", now, keep.raw_months),
        traces=await _drop(database, "trace", now, keep.trace_months),
        expired=await _expire(database, now),
        erased=await _erase_old(database, now, keep),
    )


async def make_months(c: Connection, first: datetime, last: datetime) -> None:
    """Make all months' tables from one to another, for who brings rows of years: moving them later would take long."""
    for table in TABLES:
        for month in range(months.of(first), months.of(last) + 1):
            if not await _is_there(c, table, month):
                async with c.transaction():
                    await _made(c, table, month)


# --- months ---------------------------------------------------------------------------------------------


async def _make(database: Database, table: str, month: int) -> None:
    """The month's own table, with the rows of its time that came before it was there."""
    if not await database.read(partial(_is_there, table=table, month=month)):
        await database.write("tidy", partial(_made, table=table, month=month))


async def _is_there(c: Connection, table: str, month: int) -> bool:
    return bool(await c.fetchval("SELECT to_regclass($1) IS NOT NULL", _part(table, month)))


def _part(table: str, month: int) -> str:
    return f"{table}_{months.name(month)}"


async def _made(c: Connection, table: str, month: int) -> None:
    part, since, until = _part(table, month), months.start(month), months.start(month + 1)
    await c.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
    # A row of this month that came to the rest meanwhile would be in the way of the new table.
    await c.execute(f"LOCK TABLE {table}_other IN ACCESS EXCLUSIVE MODE")
    await c.execute(f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE)")
    await c.execute(f"ALTER TABLE {part} ADD CONSTRAINT month CHECK (at >= {since} AND at < {until})")
    await c.execute(
        f"WITH early AS (DELETE FROM {table}_other WHERE at >= $1 AND at < $2 RETURNING {TABLES[table]})"  # noqa: S608
        f" INSERT INTO {part} ({TABLES[table]}) SELECT {TABLES[table]} FROM early",
        since,
        until,
        timeout=LONG_SECONDS,
    )
    await c.execute(f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({since}) TO ({until})")
    await c.execute(f"ALTER TABLE {part} DROP CONSTRAINT month")


async def _without_table(c: Connection, table: str, this: int) -> list[int]:
    """Earlier months whose rows came when they had no table (copied from an embedded store), the latest first."""
    found: list[int] = []
    before = months.start(this)
    while (at := await c.fetchval(f"SELECT max(at) FROM {table}_other WHERE at < $1", before)) is not None:  # noqa: S608
        month = months.of(rows.when(at))
        found.append(month)
        before = months.start(month)
    return found


async def _drop(database: Database, table: str, now: datetime, kept: int) -> int:
    """Drop the months that are over; how many."""
    if not kept:
        return 0
    first = months.before(now, kept)
    parts = await database.read(
        lambda c: c.fetch(
            "SELECT relid::regclass::text AS name FROM pg_partition_tree($1) WHERE isleaf AND relid::regclass::text <> $2",
            table,
            f"{table}_other",
        )
    )
    over = [part["name"] for part in parts if months.parse(part["name"].removeprefix(f"{table}_")) < first]
    for name in over:
        await database.write("tidy", partial(_dropped, name=name))
    return len(over)


async def _dropped(c: Connection, name: str) -> None:
    await c.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
    await c.execute(f"DROP TABLE {name}")


# --- what has expired -----------------------------------------------------------------------------------


async def _expire(database: Database, now: datetime) -> int:
    """How many rows went whose time is over. The figures of days that are past are put together."""
    at, codes = rows.micros(now), rows.micros(now - CODES_KEPT)
    gone = await _delete_old(database, "once", "scope, key", at)
    gone += await _delete_old(database, "desk_session", "token_hash", at)
    gone += await _delete_old(database, "code", "n", codes)
    await database.write("tidy", lambda c: figures.fold(c, at // rows.DAY - COUNTED_DAYS))
    return gone


async def _delete_old(database: Database, table: str, key: str, before: int) -> int:
    sql = (
        f"DELETE FROM {table} WHERE ({key}) IN"  # noqa: S608 - our own tables
        f" (SELECT {key} FROM {table} WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
    )
    gone = 0
    while done := await database.write("tidy", lambda c: changed(c, sql, before, BATCH)):
        gone += done
        if done < BATCH:
            break
    return gone


# --- old cases ------------------------------------------------------------------------------------------


async def _erase_old(database: Database, now: datetime, keep: Keep) -> int:
    """Erase the conversations that ended long ago; how many. Then the disk is rid of all that was erased since the last time."""
    done = 0
    if keep.years:
        before = months.start(months.before(now, 12 * keep.years))
        ended = f"SELECT id FROM conversation c WHERE {_ENDED} ORDER BY c.active_at LIMIT $2"  # noqa: S608
        for row in await database.read(lambda c: c.fetch(ended, before, ERASED_AT_ONCE)):
            done += await database.write("erase", partial(_erase_one, id=row["id"], before=before, now=now))
    await database.read(_vacuum)
    return done


async def _erase_one(c: Connection, id: str, before: int, now: datetime) -> bool:
    """Unless somebody has written meanwhile."""
    await flow.checked(c, id, None)
    if not await c.fetchval(f"SELECT 1 FROM conversation c WHERE c.id = $2 AND {_ENDED}", before, id):  # noqa: S608
        return False
    await erase.erase(c, id, at=now, by="system")
    return True


async def _vacuum(c: Connection) -> None:
    """What erasing leaves behind is rows that nobody sees; a large table's own turn may be months away."""
    erased = await c.fetchval("SELECT max(erased_at) FROM conversation WHERE erased_at IS NOT NULL")
    if erased is None:
        return
    is_clean = await c.fetchval(
        "SELECT bool_and(coalesce(greatest(last_vacuum, last_autovacuum) > to_timestamp($2 / 1e6), false))"
        " FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = ANY($1::text[])",
        PERSONAL,
        erased,
    )
    if not is_clean:
        for table in (*PERSONAL, *TABLES):
            await c.execute(f"VACUUM (SKIP_LOCKED) {table}", timeout=LONG_SECONDS)
