"""The audit's figures and the gauges: from counters and partial indexes, never from a scan of all rows."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from gateway.store import pages, rows
from gateway.store.base import Gauges, LatestMessage, Tally
from gateway.store.sqlite import outbox


def tally(connection: sqlite3.Connection, *, since: datetime, until: datetime) -> tuple[Tally, ...]:
    """One line per UTC day and channel account from the day of ``since`` up to the last moment before ``until``."""
    last = (rows.micros(until) - 1) // rows.DAY
    found = connection.execute(
        f"SELECT channel, account, day, {', '.join(pages.COUNTERS)} FROM tally"  # noqa: S608 - our own columns
        " WHERE day BETWEEN ? AND ? ORDER BY day, channel, account",
        (rows.micros(since) // rows.DAY, last),
    ).fetchall()
    return tuple(pages.tally(r) for r in found)


def latest_messages(connection: sqlite3.Connection) -> tuple[LatestMessage, ...]:
    found = connection.execute(
        "SELECT l.channel, l.account, i.provider_at, i.received_at FROM inbox i JOIN"
        " (SELECT c.channel, c.account, max(m.id) AS id FROM conversation c JOIN inbox m ON m.conv = c.n"
        " GROUP BY c.channel, c.account) l ON l.id = i.id ORDER BY l.channel, l.account"
    )
    return tuple(
        LatestMessage(channel=r[0], account=r[1], provider_at=rows.when(r[2]), received_at=rows.when(r[3]))
        for r in found.fetchall()
    )


def gauges(connection: sqlite3.Connection, now: datetime) -> Gauges:
    def one(sql: str) -> int | None:
        row = connection.execute(sql).fetchone()
        return None if row is None else row[0]

    def age(at: int | None) -> float:
        return 0.0 if at is None else max(0.0, (rows.micros(now) - at) / 1e6)

    def given_up(state: str) -> int:
        return one(f"SELECT count(*) FROM outbox WHERE {outbox.SET_ASIDE} AND state = '{state}'") or 0  # noqa: S608

    return Gauges(
        inbox_open=one("SELECT count(*) FROM inbox INDEXED BY inbox_open WHERE state = 'open'") or 0,
        inbox_held=one("SELECT count(*) FROM inbox INDEXED BY inbox_held WHERE state = 'held'") or 0,
        oldest_open=age(
            one("SELECT received_at FROM inbox INDEXED BY inbox_open WHERE state = 'open' ORDER BY id LIMIT 1")
        ),
        outbox_waiting=one(f"SELECT count(*) FROM outbox WHERE {outbox.OPEN}") or 0,  # noqa: S608
        oldest_waiting=age(
            one(f"SELECT created_at FROM outbox WHERE id = (SELECT min(id) FROM outbox WHERE {outbox.OPEN})")  # noqa: S608
        ),
        dead=given_up("dead"),
        unknown=given_up("unknown"),
        quarantine=one("SELECT count(*) FROM quarantine WHERE state = 'open'") or 0,
        conversations_waiting=one(
            "SELECT count(*) FROM conversation INDEXED BY conversation_waiting"
            " WHERE owner = '' AND status NOT IN ('resolved', 'closed', 'withdrawn')"
        )
        or 0,
    )
