"""The lines of a conversation: inbound ones are the inbox rows, all others stand in ``timeline``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from gateway.store import rows
from gateway.store.base import BOT, Entry
from gateway.store.entries import inbound, other, placed
from gateway.store.lines import LAST_TEXT


def write(connection: sqlite3.Connection, conv: int, entries: Sequence[Entry]) -> int:
    """Number the entries after the conversation's last line and write them; the last seq."""
    (seq,) = connection.execute("SELECT last_seq FROM conversation WHERE n = ?", (conv,)).fetchone()
    if not entries:
        return int(seq)
    new = placed(entries, seq)
    connection.executemany(
        "INSERT INTO timeline (conv, seq, visible, body) VALUES (?, ?, ?, ?)",
        [(conv, e.seq, e.visible, rows.encode(e)) for e in new],
    )
    for entry in new:
        if entry.kind == "outbound":
            _answered(connection, conv, entry)
    if new[-1].kind != "outbound":
        connection.execute("UPDATE conversation SET last_seq = ? WHERE n = ?", (new[-1].seq, conv))
    return new[-1].seq


def _answered(connection: sqlite3.Connection, conv: int, entry: Entry) -> None:
    """Something was said to the customer. What the bot says while a person is awaited does not end the waiting."""
    connection.execute(
        "UPDATE conversation SET last_seq = ?5, last_at = max(last_at, ?2), last_text = CASE WHEN ?3 = '' THEN last_text ELSE ?3 END,"
        " unanswered = CASE WHEN ?4 AND owner <> 'bot' THEN unanswered ELSE 0 END,"
        " waiting_since = CASE WHEN ?4 AND owner <> 'bot' THEN waiting_since END WHERE n = ?1",
        (conv, rows.micros(entry.at), entry.text[:LAST_TEXT], entry.author == BOT, entry.seq),
    )
    uses = [(a.digest, conv) for a in entry.attachments if a.digest]
    if uses:
        connection.executemany("INSERT OR IGNORE INTO blob_use (digest, conv) VALUES (?, ?)", uses)


def read(
    connection: sqlite3.Connection, conversation: str, *, after: int, limit: int, visible_only: bool
) -> tuple[Entry, ...]:
    """Lines after ``after``, oldest first."""
    conv = rows.found(
        connection.execute("SELECT n FROM conversation WHERE id = ?", (conversation,)).fetchone(), "such conversation"
    )[0]
    wanted = (conv, after, int(visible_only), limit)
    said = connection.execute(
        "SELECT seq, key, provider_at, refers_to, version, visible, body FROM inbox"
        " WHERE conv = ? AND seq > ? AND visible >= ? ORDER BY seq LIMIT ?",
        wanted,
    ).fetchall()
    rest = connection.execute(
        "SELECT seq, body FROM timeline WHERE conv = ? AND seq > ? AND visible >= ? ORDER BY seq LIMIT ?", wanted
    ).fetchall()
    lines: list[tuple[int, Callable[[Any], Entry], Any]] = [(r[0], inbound, r) for r in said]
    lines += [(r[0], other, r) for r in rest]
    lines.sort(key=lambda line: line[0])
    return tuple(make(row) for _, make, row in lines[:limit])


def original(connection: sqlite3.Connection, conversation: str, seq: int) -> str:
    """What the customer wrote at a line; the inbox row is the only place that has it."""
    row = connection.execute(
        "SELECT i.body FROM inbox i JOIN conversation c ON c.n = i.conv WHERE c.id = ? AND i.seq = ?",
        (conversation, seq),
    ).fetchone()
    return rows.inbound(rows.found(row, "such line of the customer's")[0]).text
