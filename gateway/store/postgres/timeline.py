"""The lines of a conversation: inbound ones are the inbox rows, all others stand in ``timeline``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.store import rows
from gateway.store.base import BOT, Entry
from gateway.store.entries import inbound, other, placed
from gateway.store.lines import LAST_TEXT
from gateway.store.postgres import intake
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import back, shown


async def write(c: Connection, conv: int, entries: Sequence[Entry]) -> int:
    """Number the entries after the conversation's last line and write them; the last seq.

    The caller holds the conversation's row.
    """
    seq: int = await c.fetchval("SELECT last_seq FROM conversation WHERE n = $1", conv)
    if not entries:
        return seq
    new = placed(entries, seq)
    await c.execute(
        "INSERT INTO timeline (conv, seq, visible, body)"
        " SELECT $1, * FROM unnest($2::bigint[], $3::boolean[], $4::bytea[])",
        conv,
        [e.seq for e in new],
        [e.visible for e in new],
        [rows.encode(e) for e in new],
    )
    for entry in new:
        if entry.kind == "outbound":
            await _answered(c, conv, entry)
    if new[-1].kind != "outbound":
        await c.execute("UPDATE conversation SET last_seq = $1 WHERE n = $2", new[-1].seq, conv)
    return new[-1].seq


async def _answered(c: Connection, conv: int, entry: Entry) -> None:
    """Something was said to the customer. What the bot says while a person is awaited does not end the waiting."""
    await c.execute(
        "UPDATE conversation SET last_seq = $5, last_at = greatest(last_at, $2),"
        " last_text = CASE WHEN $3 = '' THEN last_text ELSE $3 END,"
        " unanswered = CASE WHEN $4 AND owner <> 'bot' THEN unanswered ELSE 0 END,"
        " waiting_since = CASE WHEN $4 AND owner <> 'bot' THEN waiting_since END WHERE n = $1",
        conv,
        rows.micros(entry.at),
        shown(entry.text[:LAST_TEXT]),
        entry.author == BOT,
        entry.seq,
    )
    if uses := [(a.digest, conv) for a in entry.attachments if a.digest]:
        await intake.use_blobs(c, uses)


async def read(c: Connection, conversation: str, *, after: int, limit: int, visible_only: bool) -> tuple[Entry, ...]:
    """Lines after ``after``, oldest first."""
    conv = rows.found(await c.fetchval("SELECT n FROM conversation WHERE id = $1", conversation), "such conversation")
    wanted = (conv, after, visible_only, limit)
    said = await c.fetch(
        "SELECT seq, key, provider_at, refers_to, version, visible, body FROM inbox"
        " WHERE conv = $1 AND seq > $2 AND visible >= $3 ORDER BY seq LIMIT $4",
        *wanted,
    )
    rest = await c.fetch(
        "SELECT seq, body FROM timeline WHERE conv = $1 AND seq > $2 AND visible >= $3 ORDER BY seq LIMIT $4", *wanted
    )
    lines: list[tuple[int, Callable[[Any], Entry], Any]] = [(r[0], _inbound, r) for r in said]
    lines += [(r[0], other, r) for r in rest]
    lines.sort(key=lambda line: line[0])
    return tuple(make(row) for _, make, row in lines[:limit])


def _inbound(row: Sequence[Any]) -> Entry:
    seq, key, *rest = row
    return inbound((seq, back(key), *rest))


async def original(c: Connection, conversation: str, seq: int) -> str:
    """What the customer wrote at a line; the inbox row is the only place that has it."""
    body = await c.fetchval(
        "SELECT i.body FROM inbox i JOIN conversation c ON c.n = i.conv WHERE c.id = $1 AND i.seq = $2",
        conversation,
        seq,
    )
    return rows.inbound(rows.found(body, "such line of the customer's")).text
