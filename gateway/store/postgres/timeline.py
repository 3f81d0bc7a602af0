"""The lines of a conversation: inbound ones are the inbox rows, all others stand in ``timeline``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    return (await write_all(c, [(conv, entries)]))[conv]


async def write_all(c: Connection, told: Sequence[tuple[int, Sequence[Entry]]]) -> dict[int, int]:
    """As :func:`write`, for several conversations at once: each conv with its entries; the last seq of each."""
    found = await c.fetch(
        "SELECT n, last_seq FROM conversation WHERE n = ANY($1::bigint[])", [conv for conv, _ in told]
    )
    last = {row["n"]: row["last_seq"] for row in found}
    new: list[tuple[int, Entry]] = []
    for conv, entries in told:
        new += ((conv, entry) for entry in placed(entries, last[conv]))
        last[conv] += len(entries)
    if not new:
        return last
    await c.execute(
        "INSERT INTO timeline (conv, seq, visible, body)"
        " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bytea[])",
        [conv for conv, _ in new],
        [entry.seq for _, entry in new],
        [entry.visible for _, entry in new],
        [rows.encode(entry) for _, entry in new],
    )
    await _follow(c, {conv: last[conv] for conv, _ in new}, [each for each in new if each[1].kind == "outbound"])
    return last


_FOLLOW = """
UPDATE conversation c SET
    last_seq = k.seq,
    last_at = greatest(c.last_at, k.at),
    last_text = coalesce(k.text, c.last_text),
    unanswered = CASE WHEN k.at IS NULL OR k.by_bot AND c.owner <> 'bot' THEN c.unanswered ELSE 0 END,
    waiting_since = CASE WHEN k.at IS NULL OR k.by_bot AND c.owner <> 'bot' THEN c.waiting_since END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[]) k (n, seq, at, text, by_bot)
WHERE c.n = k.n
"""


async def _follow(c: Connection, last: Mapping[int, int], said: Sequence[tuple[int, Entry]]) -> None:
    """The conversations end with these lines. Where something was ``said`` to the customer, nobody waits any more; what the
    bot says while a person is awaited does not end the waiting."""
    at: dict[int, int] = {}
    text: dict[int, str] = {}
    for conv, entry in said:
        at[conv] = max(at.get(conv, 0), rows.micros(entry.at))
        if entry.text:
            text[conv] = shown(entry.text[:LAST_TEXT])
    by_others = {conv for conv, entry in said if entry.author != BOT}
    convs = list(last)
    await c.execute(
        _FOLLOW,
        convs,
        list(last.values()),
        [at.get(conv) for conv in convs],
        [text.get(conv) for conv in convs],
        [conv not in by_others for conv in convs],
    )
    if uses := [(a.digest, conv) for conv, entry in said for a in entry.attachments if a.digest]:
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
