"""The outbox: lanes, their heads, and what became of each row."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from gateway.store import rows
from gateway.store.base import NewSend, NotFound, Send, SendResult
from gateway.store.sends import FROM, TAKEN_OVER, TAKEN_OVER_IN_DOUBT, files
from gateway.store.sqlite import records, timeline

#: Terms that an index is made for, so that SQLite takes it.
OPEN = "state IN ('waiting', 'sending')"
SET_ASIDE = "state IN ('unknown', 'dead', 'superseded')"


def add(connection: sqlite3.Connection, conv: int | None, send: NewSend, fence: int | None, at: int) -> bool:
    """Queue one row; False when its key is there already."""
    not_before = rows.micros_or_none(send.not_before) or at
    done = connection.execute(
        "INSERT OR IGNORE INTO outbox (key, destination, lane, conv, number, kind, fence, body, state, created_at,"
        " not_before, next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting', ?9, ?10,"
        # The head of an empty lane; where a row is open already, that one or one before it has the time.
        " CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE lane = ?3 AND state IN ('waiting', 'sending')) THEN NULL"
        " ELSE ?10 END)",
        (send.key, send.destination, send.lane, conv, send.number, send.kind, fence, send.body, at, not_before),
    )
    if not done.rowcount:
        return False
    if conv is not None and (uses := files(send)):
        connection.executemany(
            "INSERT OR IGNORE INTO blob_use (digest, conv) VALUES (?, ?)", [(digest, conv) for digest in uses]
        )
    return True


def advance(connection: sqlite3.Connection, lane: str) -> None:
    """Make the lane's oldest open row its head (give it a time), unless one is on its way."""
    head = connection.execute(
        "SELECT id, state, next_at FROM outbox WHERE lane = ? AND state IN ('waiting', 'sending') ORDER BY id LIMIT 1",
        (lane,),
    ).fetchone()
    if head is not None and head[1] == "waiting" and head[2] is None:
        connection.execute(
            "UPDATE outbox SET next_at = not_before WHERE id = ?1 AND NOT EXISTS"
            # One that is on its way stands behind it where the head was let go again by hand.
            " (SELECT 1 FROM outbox WHERE lane = ?2 AND state IN ('waiting', 'sending') AND state = 'sending')",
            (head[0], lane),
        )


_DUE = (
    f"SELECT {rows.SEND}, o.fence IS NOT NULL AND o.fence IS NOT c.fence FROM {FROM}"  # noqa: S608 - our own columns
    " WHERE o.state = 'waiting' AND o.next_at IS NOT NULL AND o.next_at <= ?"
)


def claim(connection: sqlite3.Connection, limit: int, now: datetime, at_most: Mapping[str, int]) -> Sequence[Send]:
    """Due heads, marked as on their way; rows of a former owner are put aside."""
    at = rows.micros(now)
    sends: list[Send] = []
    for destination, most in at_most.items():
        asked = f"{_DUE} AND o.destination = ? ORDER BY o.kind = 'human' DESC, o.next_at, o.id LIMIT ?"
        sends += _claim(connection, min(most, limit - len(sends)), asked, (at, destination))
    marks = ", ".join("?" * len(at_most))
    besides = f" AND o.destination NOT IN ({marks})" if at_most else ""
    asked = f"{_DUE}{besides} ORDER BY o.next_at, o.id LIMIT ?"
    return sends + _claim(connection, limit - len(sends), asked, (at, *at_most))


def _claim(connection: sqlite3.Connection, limit: int, asked: str, values: tuple[object, ...]) -> list[Send]:
    sends: list[Send] = []
    while len(sends) < limit:
        due = connection.execute(asked, (*values, limit - len(sends))).fetchall()
        if not due:
            break
        good = [rows.send(r) for r in due if not r[-1]]
        connection.executemany(
            "UPDATE outbox SET state = 'sending', tries = tries + 1, next_at = NULL WHERE id = ?",
            [(s.id,) for s in good],
        )
        sends += (msgspec.structs.replace(s, state="sending", tries=s.tries + 1, next_at=None) for s in good)
        for row in due:
            if row[-1]:
                reason = TAKEN_OVER_IN_DOUBT if rows.send(row).tries else TAKEN_OVER
                end(connection, row[0], row[3], "superseded", reason)
    return sends


def settle(connection: sqlite3.Connection, result: SendResult, at: int) -> None:
    """Write what became of one attempt; nothing when it was settled before."""
    row = connection.execute(
        "SELECT o.lane, o.state, o.fence IS NOT NULL AND o.fence IS NOT c.fence, o.conv"
        " FROM outbox o LEFT JOIN conversation c ON c.n = o.conv WHERE o.id = ?",
        (result.id,),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no outbox row {result.id}")
    lane, state, stale, conv = row
    if state != "sending":
        return
    if result.state == "sent" and stale and not result.left_the_house:
        end(connection, result.id, lane, "superseded", TAKEN_OVER)
    elif result.state in ("waiting", "sending"):
        _retry(connection, result, lane, at)
    else:
        if result.state == "sent":
            _sent(connection, result, lane, conv, at)
        else:
            end(connection, result.id, lane, result.state, result.error)
        records.write_journal(connection, result.journal)
        for send in result.sends:
            add(connection, conv, send, send.fence, at)


def find(
    connection: sqlite3.Connection, destination: str, key: str, conversation: str, external_id: str
) -> Send | None:
    found = connection.execute(
        f"SELECT {rows.SEND} FROM {FROM} WHERE o.key = ? AND o.destination = ?",  # noqa: S608
        (key, destination),
    ).fetchone()
    if found is None and external_id:
        found = connection.execute(
            f"SELECT {rows.SEND} FROM conversation c JOIN outbox o ON o.conv = c.n"  # noqa: S608
            " WHERE c.id = ? AND o.destination = ? AND EXISTS"
            " (SELECT 1 FROM json_each(o.external_ids) WHERE value = ?) ORDER BY o.id DESC",
            (conversation, destination, external_id),
        ).fetchone()
    return None if found is None else rows.send(found)


def settle_late(connection: sqlite3.Connection, result: SendResult, at: int) -> bool:
    """Write what is told after the attempt; an attempt that is still under way finds its row settled then."""
    row = connection.execute(
        "SELECT lane, conv, state IN ('sending', 'unknown') OR (state = 'waiting' AND tries > 0),"
        " state = 'sent' AND EXISTS (SELECT 1 FROM json_each(external_ids) WHERE value IN (SELECT value FROM json_each(?)))"
        " FROM outbox WHERE id = ?",
        (rows.encode(result.external_ids).decode(), result.id),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no outbox row {result.id}")
    lane, conv, is_open, was_sent = row
    if result.state == "sent" and is_open:
        _sent(connection, result, lane, conv, at)
    elif result.state == "dead" and (is_open or was_sent):
        end(connection, result.id, lane, "dead", result.error)
    else:
        return False
    records.write_journal(connection, result.journal)
    return True


def _sent(connection: sqlite3.Connection, result: SendResult, lane: str, conv: int | None, at: int) -> None:
    ids = rows.encode(result.external_ids).decode()
    connection.execute(
        "UPDATE outbox SET state = 'sent', error = ?, next_at = NULL, interrupted = 0, sent_at = ?, external_ids = ?"
        " WHERE id = ?",
        (result.error, at, ids, result.id),
    )
    advance(connection, lane)
    if result.entry is not None and conv is not None:
        timeline.write(connection, conv, [result.entry])


def _retry(connection: sqlite3.Connection, result: SendResult, lane: str, at: int) -> None:
    (behind,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE lane = ? AND id < ? AND state IN ('waiting', 'sending'))",
        (lane, result.id),
    ).fetchone()
    connection.execute(
        "UPDATE outbox SET state = 'waiting', next_at = ?, error = ?, interrupted = 0 WHERE id = ?",
        (None if behind else rows.micros_or_none(result.next_at) or at, result.error, result.id),
    )
    records.write_journal(connection, result.journal)
    advance(connection, lane)


def end(connection: sqlite3.Connection, id: int, lane: str, state: str, error: str) -> None:
    """The row leaves its lane; the next one comes to its head."""
    connection.execute(
        "UPDATE outbox SET state = ?, error = ?, next_at = NULL, interrupted = 0 WHERE id = ?", (state, error, id)
    )
    advance(connection, lane)


def interrupted(connection: sqlite3.Connection, at: int) -> None:
    """Rows that a crash left on their way wait again, and say so."""
    connection.execute(
        f"UPDATE outbox SET state = 'waiting', interrupted = 1, next_at = ? WHERE {OPEN} AND state = 'sending'",  # noqa: S608
        (at,),
    )


def replay(connection: sqlite3.Connection, ids: Sequence[int], now: datetime) -> int:
    """Let dead or unknown rows wait again, in their old place in the lane."""
    replayed = 0
    for id in ids:
        row = connection.execute(
            "UPDATE outbox SET state = 'waiting', next_at = NULL, not_before = ?, error = '', tries = 0, interrupted = 0"
            " WHERE id = ? AND state IN ('dead', 'unknown') RETURNING lane",
            (rows.micros(now), id),
        ).fetchall()
        for (lane,) in row:
            # One head per lane: those behind lose their time and get it back when it is their turn.
            connection.execute(
                "UPDATE outbox SET next_at = NULL WHERE lane = ? AND id > ? AND state IN ('waiting', 'sending')",
                (lane, id),
            )
            advance(connection, lane)
            replayed += 1
    return replayed


def settle_all(connection: sqlite3.Connection, results: Sequence[SendResult], at: int) -> None:
    for result in results:
        settle(connection, result, at)


def next_at(connection: sqlite3.Connection, besides: Collection[str]) -> datetime | None:
    others = f" AND destination NOT IN ({', '.join('?' * len(besides))})" if besides else ""
    (at,) = connection.execute(
        f"SELECT min(next_at) FROM outbox WHERE state = 'waiting' AND next_at IS NOT NULL{others}",  # noqa: S608
        tuple(besides),
    ).fetchone()
    return rows.when_or_none(at)


def pending(connection: sqlite3.Connection, conversation: str) -> tuple[Send, ...]:
    found = connection.execute(
        f"SELECT {rows.SEND} FROM conversation c JOIN outbox o ON o.conv = c.n"  # noqa: S608
        " WHERE c.id = ? AND o.state IN ('waiting', 'sending', 'unknown', 'dead') ORDER BY o.id",
        (conversation,),
    ).fetchall()
    return tuple(rows.send(r) for r in found)
