"""Accepting: all messages that wait at a moment are written by a handful of statements."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from channels.base import Accepted, Inbound
from gateway.store import lines, rows
from gateway.store.lines import Delivery
from gateway.store.sqlite import files, memory


def append(connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> list[tuple[Accepted, ...]]:
    """Write the deliveries of one group."""
    group = _known(connection, [m for d in deliveries for m in d.messages])
    accepted = group.add_all(deliveries)
    _write(connection, group)
    cursors = [d.cursor for d in deliveries if d.cursor is not None]
    if cursors:
        connection.executemany("INSERT OR REPLACE INTO cursor (channel, account, value) VALUES (?, ?, ?)", cursors)
    for d in deliveries:
        if d.memos is not None:
            memory.remember(connection, *d.memos)
    return accepted


def _known(connection: sqlite3.Connection, messages: Sequence[lines.Message]) -> lines.Numbering:
    """What is stored of the messages' lines and conversations."""
    known = _lines(connection, lines.keys(messages))
    if others := lines.renamed(messages, known):
        known |= _lines(connection, others)
    versions = {place: _changes_of(connection, *place) for place in lines.changed(messages, known)}
    homes = _homes(connection, {m.conversation for m in messages})
    return lines.Numbering(known, homes, versions, _numbers(connection))


def _lines(connection: sqlite3.Connection, keys: set[str]) -> dict[str, lines.Line]:
    cut = {key for key in keys if "\x00" in key}  # json_each ends a text there
    found = connection.execute(
        "SELECT key, digest, conv, seq FROM inbox WHERE key IN (SELECT value FROM json_each(?))",
        (rows.encode(list(keys - cut)).decode(),),
    ).fetchall()
    for key in cut:
        found += connection.execute("SELECT key, digest, conv, seq FROM inbox WHERE key = ?", (key,)).fetchall()
    return {row[0]: row[1:] for row in found}


def _changes_of(connection: sqlite3.Connection, conv: int, seq: int) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM inbox WHERE conv = ?1 AND seq > ?2 AND refers_to = ?2", (conv, seq)
    ).fetchone()
    return int(count)


def _homes(connection: sqlite3.Connection, ids: set[str]) -> dict[str, lines.Home]:
    found = connection.execute(
        "SELECT id, n, last_seq, erased_at IS NOT NULL FROM conversation WHERE id IN (SELECT value FROM json_each(?))",
        (rows.encode(list(ids)).decode(),),
    )
    return {id: lines.Home(n, seq, bool(erased)) for id, n, seq, erased in found.fetchall()}


def _numbers(connection: sqlite3.Connection) -> Iterator[int]:
    (top,) = connection.execute("SELECT coalesce(max(n), 0) FROM conversation").fetchone()
    yield from itertools.count(top + 1)


def _write(connection: sqlite3.Connection, group: lines.Numbering) -> None:
    _write_conversations(connection, group)
    connection.executemany(
        "INSERT INTO inbox (key, digest, conv, seq, state_at, visible, refers_to, version,"
        " provider_at, received_at, body, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                new.key,
                new.message.digest,
                new.conv,
                new.seq,
                new.received_at,
                new.message.visible,
                new.refers_to,
                new.version,
                new.message.provider_at,
                new.received_at,
                new.message.body,
                new.message.inbound.raw,
            )
            for new in group.new
        ],
    )
    if group.blobs:
        connection.executemany("INSERT OR IGNORE INTO blob_use (digest, conv) VALUES (?, ?)", group.blobs)
    if group.elsewhere:
        files.note(connection, group.elsewhere)
    count(connection, "recorded", group.recorded)
    count(connection, "duplicates", group.duplicates)


def _write_conversations(connection: sqlite3.Connection, group: lines.Numbering) -> None:
    returning = [(*lines.person(c.last.inbound), c.n) for _, c in group.touched if c.erased and c.last is not None]
    if returning:
        connection.executemany(
            "UPDATE conversation SET thread = ?, sender = ?, sender_name = ?, sender_email = ?, sender_phone = ?,"
            " erased_at = NULL WHERE n = ?",
            returning,
        )
    fresh = [
        (
            c.n,
            id,
            c.fresh.inbound.channel,
            c.fresh.inbound.account,
            *lines.person(c.fresh.inbound),
            c.seq,
            c.first_at,
            c.last_at,
            c.last_at,
            c.text or "",
            c.asked,
            c.first_at if c.asked else None,
            c.closes_at,
        )
        for id, c in group.touched
        if c.fresh is not None
    ]
    if fresh:
        connection.executemany(
            "INSERT INTO conversation (n, id, channel, account, thread, sender, sender_name, sender_email,"
            " sender_phone, last_seq, opened_at, last_at, active_at, last_text, unanswered, waiting_since,"
            " window_closes_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            fresh,
        )
    known = [
        (c.seq, c.last_at, c.text, c.asked, c.asked, c.first_at, c.closes_at, c.closes_at or 0, c.n)
        for _, c in group.touched
        if c.fresh is None
    ]
    if known:
        connection.executemany(
            "UPDATE conversation SET last_seq = ?, last_at = max(last_at, ?), last_text = coalesce(?, last_text),"
            " unanswered = unanswered + ?, waiting_since = CASE WHEN ? THEN coalesce(waiting_since, ?)"
            " ELSE waiting_since END, window_closes_at = nullif(max(coalesce(window_closes_at, ?, 0), ?), 0)"
            " WHERE n = ?",
            known,
        )


def count(connection: sqlite3.Connection, column: str, counter: Mapping[lines.Bucket, int]) -> None:
    """Add to one of the audit's figures that intake keeps, by (day, channel, account)."""
    if counter:
        connection.executemany(
            f"INSERT INTO tally (day, channel, account, {column}) VALUES (?, ?, ?, ?)"  # noqa: S608 - our own column
            f" ON CONFLICT DO UPDATE SET {column} = {column} + excluded.{column}",
            [(*bucket, n) for bucket, n in counter.items()],
        )


def quarantine(
    connection: sqlite3.Connection,
    where: tuple[str, str],
    at: int,
    *,
    reason: str,
    raw: bytes,
    headers: Mapping[str, str],
    tail: str,
) -> int:
    """Keep bytes nobody could read; their id."""
    count(connection, "quarantined", {(at // rows.DAY, *where): 1})
    row = (*where, at, reason, raw, rows.encode(headers), tail)
    done = connection.execute(
        "INSERT INTO quarantine (channel, account, at, reason, raw, headers, tail) VALUES (?, ?, ?, ?, ?, ?, ?)", row
    )
    return int(done.lastrowid or 0)


def close_quarantined(connection: sqlite3.Connection, id: int, state: str) -> None:
    done = connection.execute("UPDATE quarantine SET state = ? WHERE id = ?", (state, id))
    rows.found(done.rowcount or None, f"quarantined item {id}")


def message(connection: sqlite3.Connection, id: int) -> Inbound:
    """An inbox row's message with its raw event."""
    row = connection.execute("SELECT body, raw FROM inbox WHERE id = ?", (id,)).fetchone()
    body, raw = rows.found(row, f"inbox row {id}")
    return msgspec.structs.replace(rows.inbound(body), raw=raw)


def blobs_of(connection: sqlite3.Connection, conversation: str) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT b.digest FROM conversation c JOIN blob_use b ON b.conv = c.n WHERE c.id = ? ORDER BY b.digest",
        (conversation,),
    )
    return tuple(r[0] for r in found.fetchall())


def blob_in_use(connection: sqlite3.Connection, digest: str) -> bool:
    return connection.execute("SELECT 1 FROM blob_use WHERE digest = ? LIMIT 1", (digest,)).fetchone() is not None
