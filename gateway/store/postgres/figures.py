"""The audit's figures and the gauges: from counters and partial indexes, never from a scan of all rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.store import pages, rows
from gateway.store.base import Gauges, LatestMessage, Tally
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import read

_SUMS = ", ".join(f"sum({name})::bigint AS {name}" for name in pages.COUNTERS)


async def tally(c: Connection, *, since: datetime, until: datetime) -> tuple[Tally, ...]:
    """One line per UTC day and channel account from the day of ``since`` up to the last moment before ``until``."""
    last = (rows.micros(until) - 1) // rows.DAY
    found = await c.fetch(
        f"SELECT channel, account, day, {_SUMS} FROM tally WHERE day BETWEEN $1 AND $2"  # noqa: S608 - our own columns
        ' GROUP BY day, channel, account ORDER BY day, channel COLLATE "C", account COLLATE "C"',
        rows.micros(since) // rows.DAY,
        last,
    )
    return tuple(pages.tally(read(r)) for r in found)


async def fold(c: Connection, before_day: int) -> int:
    """Put the slots of days before this one (since 1970) together in slot 0; how many rows that were."""
    names = ", ".join(pages.COUNTERS)
    added = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in pages.COUNTERS)
    folded: int = await c.fetchval(
        "WITH slots AS (DELETE FROM tally WHERE day < $1 AND slot <> 0 RETURNING *),"  # noqa: S608 - our own columns
        f" sums AS (INSERT INTO tally AS t (day, channel, account, slot, latest, {names})"
        f" SELECT day, channel, account, 0, max(latest), {_SUMS} FROM slots GROUP BY day, channel, account"
        " ON CONFLICT (day, channel, account, slot) DO UPDATE SET"
        f" latest = greatest(t.latest, excluded.latest), {added})"
        " SELECT count(*) FROM slots",
        before_day,
    )
    return folded


async def latest_messages(c: Connection) -> tuple[LatestMessage, ...]:
    """Only for an account that has had none since its rows were copied from an embedded store, all messages are looked at."""
    accounts = await c.fetch(
        "SELECT channel, account, max(latest) AS latest FROM tally GROUP BY channel, account HAVING sum(recorded) > 0"
    )
    latest = {r["latest"]: (r["channel"], r["account"]) for r in accounts if r["latest"]}
    for row in accounts:
        if not row["latest"]:
            latest[await c.fetchval(_LATEST, row["channel"], row["account"])] = (row["channel"], row["account"])
    found = await c.fetch(
        "SELECT id, provider_at, received_at FROM inbox WHERE id = ANY($1::bigint[])", [id for id in latest if id]
    )
    return tuple(
        LatestMessage(channel=channel, account=account, provider_at=rows.when(at), received_at=rows.when(received))
        for (channel, account), at, received in sorted((latest[id], at, received) for id, at, received in found)
    )


_LATEST = "SELECT max(i.id) FROM conversation c JOIN inbox i ON i.conv = c.n WHERE c.channel = $1 AND c.account = $2"
_GAUGES = """SELECT
    (SELECT count(*) FROM inbox WHERE state = 'open') AS inbox_open,
    (SELECT count(*) FROM inbox WHERE state = 'held') AS inbox_held,
    (SELECT received_at FROM inbox WHERE state = 'open' ORDER BY id LIMIT 1) AS oldest_open,
    (SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending') AND state <> 'sent') AS outbox_waiting,
    (SELECT created_at FROM outbox WHERE state = 'waiting' AND state <> 'sent' ORDER BY id LIMIT 1) AS oldest_waiting,
    (SELECT count(*) FROM outbox WHERE state = 'dead' AND state <> 'sent') AS dead,
    (SELECT count(*) FROM outbox WHERE state = 'unknown' AND state <> 'sent') AS unknown,
    (SELECT count(*) FROM quarantine WHERE state = 'open') AS quarantine,
    (SELECT count(*) FROM conversation
        WHERE owner = '' AND status NOT IN ('resolved', 'closed', 'withdrawn')) AS conversations_waiting
"""


async def gauges(c: Connection, now: datetime) -> Gauges:
    def age(at: int | None) -> float:
        return 0.0 if at is None else max(0.0, (rows.micros(now) - at) / 1e6)

    (row,) = await c.fetch(_GAUGES)
    figures: dict[str, Any] = dict(row)
    return Gauges(**figures | {name: age(figures[name]) for name in ("oldest_open", "oldest_waiting")})
