"""The outbox: lanes, their heads, and what became of each row.

Whoever adds to a lane or moves its head holds the lane's advisory lock to the end of the transaction, so that a lane never
has two heads, and none only while it is empty. The locks come after the conversations' rows, several in one order. Claiming needs none:
it takes the head's own row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from gateway.store import rows
from gateway.store.base import NewSend, NotFound, Send, SendResult
from gateway.store.postgres import intake, records, timeline
from gateway.store.postgres.database import Connection
from gateway.store.postgres.session import LEASE, NODE
from gateway.store.postgres.text import all_kept, kept, read
from gateway.store.sends import FROM, TAKEN_OVER, TAKEN_OVER_IN_DOUBT, files

#: First half of the lanes' advisory locks.
LANE = 25532777
_SERVER_TIME = "(extract(epoch FROM {}) * 1000000)::bigint"


async def lock(c: Connection, lanes: Iterable[str]) -> None:
    """Hold the lanes (as they are stored) to the end of the transaction; a statement after this one sees what others did there."""
    await c.execute(
        f"SELECT pg_advisory_xact_lock({LANE}, h)"  # noqa: S608 - a number of ours
        " FROM (SELECT DISTINCT hashtext(lane) AS h FROM unnest($1::text[]) AS l(lane) ORDER BY h) AS ordered",
        list(lanes),
    )


#: A row to queue: its conversation, and the fence that it is bound to.
New = tuple[int | None, NewSend, int | None]


async def add(c: Connection, conv: int | None, send: NewSend, fence: int | None, at: int) -> bool:
    """Queue one row; False when its key is there already."""
    return bool(await add_all(c, [(conv, send, fence)], at))


async def add_all(c: Connection, sends: Sequence[New], at: int) -> set[str]:
    """Queue rows in this order; the keys of those that were not there already."""
    rows_by_key = {kept(send.key): (conv, send, fence) for conv, send, fence in reversed(sends)}
    if not rows_by_key:
        return set()
    new = list(reversed(rows_by_key.items()))
    await lock(c, (kept(send.lane) for _, (_, send, _) in new))
    added = await c.fetch(
        "INSERT INTO outbox (key, destination, lane, conv, number, kind, fence, body, state, created_at, not_before, next_at)"
        " SELECT s.key, s.destination, s.lane, s.conv, s.number, s.kind, s.fence, s.body, 'waiting', $1, s.not_before,"
        # The head of an empty lane; where a row is open already, that one or one before it has the time.
        " CASE WHEN s.place = min(s.place) OVER (PARTITION BY s.lane) AND NOT EXISTS"
        " (SELECT 1 FROM outbox o WHERE o.lane = s.lane AND o.state IN ('waiting', 'sending')) THEN s.not_before END"
        " FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::bytea[],"
        " $10::bigint[])"
        " WITH ORDINALITY AS s(key, destination, lane, conv, number, kind, fence, body, not_before, place)"
        # One that somebody else queues at the same time breaks the key, and the whole operation runs again.
        " WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.key = s.key) ORDER BY s.place RETURNING key",
        at,
        *zip(*(_row(key, *each, at) for key, each in new), strict=True),
    )
    keys = {row[0] for row in added}
    uses = [
        (digest, conv) for key, (conv, send, _) in new if key in keys and conv is not None for digest in files(send)
    ]
    if uses:
        await intake.use_blobs(c, uses)
    return {rows_by_key[key][1].key for key in keys}


def _row(key: str, conv: int | None, send: NewSend, fence: int | None, at: int) -> tuple[object, ...]:
    not_before = rows.micros_or_none(send.not_before) or at
    return (key, kept(send.destination), kept(send.lane), conv, send.number, send.kind, fence, send.body, not_before)


async def advance(c: Connection, lanes: Iterable[str]) -> None:
    """Make the oldest open row of each lane (as it is stored) its head, unless there is one. The lanes are held."""
    await c.execute(
        "UPDATE outbox SET next_at = not_before FROM unnest($1::text[]) AS l(lane) CROSS JOIN LATERAL"
        " (SELECT o.id, o.state FROM outbox o WHERE o.lane = l.lane AND o.state IN ('waiting', 'sending')"
        " ORDER BY o.state = 'sending' OR o.next_at IS NOT NULL DESC, o.id LIMIT 1) AS head"
        " WHERE outbox.id = head.id AND outbox.state = 'waiting' AND outbox.next_at IS NULL",
        list(lanes),
    )


_STALE = "o.fence IS NOT NULL AND o.fence IS DISTINCT FROM c.fence"
_DUE = (
    f"SELECT {rows.SEND}, {_STALE} AS stale FROM {FROM}"  # noqa: S608 - our own columns
    " WHERE o.state = 'waiting' AND o.next_at IS NOT NULL AND o.next_at <= $1"
)
#: Takes the heads that are due for a node, but those of former owners, and gives all.
_TAKE = f"""
WITH due AS MATERIALIZED ({{due}} LIMIT $2 FOR UPDATE OF o SKIP LOCKED), taken AS (
    UPDATE outbox SET state = 'sending', tries = outbox.tries + 1, next_at = NULL, holder = $4,
        held_at = {_SERVER_TIME.format("now()")}
    FROM due WHERE outbox.id = due.id AND NOT due.stale
)
SELECT * FROM due
"""  # noqa: S608 - our own columns
_TAKE_PACED = _TAKE.format(due=f"{_DUE} AND o.destination = $3 ORDER BY (o.kind = 'human') DESC, o.next_at, o.id")
_TAKE_OTHERS = _TAKE.format(due=f"{_DUE} AND o.destination <> ALL($3::text[]) ORDER BY o.next_at, o.id")


async def claim(
    c: Connection, limit: int, now: datetime, at_most: Mapping[str, int], node: int, *, steady: bool
) -> Sequence[Send]:
    """Due heads, marked as on their way by this node; rows of a former owner are put aside.

    ``steady``: it may also find that other nodes live no more.
    """
    at = rows.micros(now)
    if steady:
        await interrupted(c, at, node)
    sends: list[Send] = []
    for destination, most in at_most.items():
        sends += await _claim(c, node, min(most, limit - len(sends)), _TAKE_PACED, at, kept(destination))
    return sends + await _claim(c, node, limit - len(sends), _TAKE_OTHERS, at, all_kept(at_most))


async def _claim(c: Connection, node: int, limit: int, take: str, at: int, destination: object) -> list[Send]:
    sends: list[Send] = []
    while len(sends) < limit:
        due = await c.fetch(take, at, limit - len(sends), destination, node)
        good = [_send(r) for r in due if not r["stale"]]
        sends += (msgspec.structs.replace(s, state="sending", tries=s.tries + 1, next_at=None) for s in good)
        stale = [r for r in due if r["stale"]]
        if not stale:
            break
        await _put_aside(c, stale)  # and look who comes after them
    return sends


async def _put_aside(c: Connection, stale: Sequence[asyncpg.Record]) -> None:
    """Rows of a former owner leave their lanes."""
    lanes = [r["lane"] for r in stale]
    await lock(c, lanes)
    await c.execute(
        "UPDATE outbox SET state = 'superseded', next_at = NULL, interrupted = false,"
        " error = CASE WHEN tries > 0 THEN $2 ELSE $3 END WHERE id = ANY($1::bigint[])",
        [r["id"] for r in stale],
        TAKEN_OVER_IN_DOUBT,
        TAKEN_OVER,
    )
    await advance(c, lanes)


async def interrupted(c: Connection, at: int, node: int) -> None:
    """Rows that were on their way from a node that lives no more wait again, and say so.

    The lock of a dead node's number is free; holding it to the end of the transaction keeps the node from coming back
    meanwhile. When the server starts, the nodes that live have lost theirs and get time to come back.
    """
    dead = await c.fetch(
        "SELECT holder FROM (SELECT holder, max(held_at) AS held_at FROM outbox"  # noqa: S608
        " WHERE state = 'sending' AND holder IS DISTINCT FROM $1 GROUP BY holder) AS h WHERE holder IS NULL OR"
        " (now() > pg_postmaster_start_time() + make_interval(secs => $2) OR held_at > "
        f"{_SERVER_TIME.format('pg_postmaster_start_time()')}) AND pg_try_advisory_xact_lock({NODE}, holder)",
        node,
        LEASE,
    )
    if not dead:
        return
    await c.execute(
        "UPDATE outbox SET state = 'waiting', interrupted = true, next_at = $1, holder = NULL WHERE id IN"
        " (SELECT id FROM outbox WHERE state = 'sending' AND (holder IS NULL OR holder = ANY($2::integer[]))"
        " ORDER BY id FOR UPDATE SKIP LOCKED)",
        at,
        [r[0] for r in dead],
    )


# --- what became of an attempt ---------------------------------------------------------------------------

#: Nobody knows yet whether it went out.
_OPEN = "(o.state IN ('sending', 'unknown') OR (o.state = 'waiting' AND o.tries > 0))"


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a row whose lane and conversation are held. ``tells``: the result's journal and rows are written, too."""

    id: int
    lane: str
    conv: int | None
    state: str
    error: str
    result: SendResult
    tells: bool = True


async def settle_all(c: Connection, results: Sequence[SendResult], at: int, node: int) -> None:
    """Write what this node's attempts came to; nothing for a row that was settled before. Raises NotFound."""
    rounds: list[dict[int, SendResult]] = []
    for result in results:
        once = next((r for r in rounds if result.id not in r), None)
        if once is None:
            rounds.append(once := {})
        once[result.id] = result
    for once in rounds:
        await _hold(c, once.values())
        found = await c.fetch(
            f"SELECT o.id, o.lane, o.state, {_STALE} AS stale, o.conv, o.holder IS DISTINCT FROM $2 AS lost,"  # noqa: S608
            f" {_OPEN} AS is_open FROM {FROM} WHERE o.id = ANY($1::bigint[]) ORDER BY o.id FOR UPDATE OF o",
            list(once),
            node,
        )
        if missing := once.keys() - {row["id"] for row in found}:
            raise NotFound(f"there is no outbox row {min(missing)}")
        there = {row["id"]: row for row in found}
        changes = [_change(there[id], result) for id, result in once.items()]
        await _write(c, [change for change in changes if change is not None], at)


async def _hold(c: Connection, results: Collection[SendResult]) -> None:
    """All that settling touches, in the order that everybody keeps: conversations, then lanes."""
    found = await c.fetch("SELECT lane, conv FROM outbox WHERE id = ANY($1::bigint[])", [r.id for r in results])
    await c.execute(
        "SELECT 1 FROM conversation WHERE n = ANY($1::bigint[]) ORDER BY n FOR UPDATE",
        [r[1] for r in found if r[1] is not None],
    )
    lanes = {r[0] for r in found}
    lanes.update(kept(send.lane) for result in results for send in result.sends)
    await lock(c, lanes)


def _change(row: asyncpg.Record, result: SendResult) -> _Change | None:
    """None where nothing changes.

    The row may have been given up meanwhile, because this node seemed dead, and be another's: then only that it went out counts.
    """
    went_out = row["lost"] and row["is_open"] and result.state == "sent" and result.left_the_house
    if not went_out and (row["lost"] or row["state"] != "sending"):
        return None
    place = (row["id"], row["lane"], row["conv"])
    if result.state == "sent" and row["stale"] and not result.left_the_house:
        return _Change(*place, "superseded", TAKEN_OVER, result, tells=False)
    return _Change(*place, "waiting" if result.state == "sending" else result.state, result.error, result)


async def settle_late(c: Connection, result: SendResult, at: int) -> bool:
    """Write what is told after the attempt; an attempt that is still under way finds its row settled then."""
    await _hold(c, [result])
    row = await c.fetchrow(
        f"SELECT o.lane, o.conv, {_OPEN}, o.state = 'sent' AND o.external_ids && $2::text[]"  # noqa: S608
        " FROM outbox o WHERE o.id = $1 FOR UPDATE",
        result.id,
        all_kept(result.external_ids),
    )
    if row is None:
        raise NotFound(f"there is no outbox row {result.id}")
    lane, conv, is_open, was_sent = row
    if not (is_open or (was_sent and result.state == "dead")) or result.state not in ("sent", "dead"):
        return False
    told = msgspec.structs.replace(result, sends=())
    await _write(c, [_Change(result.id, lane, conv, result.state, result.error, told)], at)
    return True


_SETTLE = """
UPDATE outbox o SET state = s.state, error = s.error, interrupted = false,
    sent_at = CASE WHEN s.state = 'sent' THEN $6 ELSE o.sent_at END,
    external_ids = CASE WHEN s.state = 'sent' THEN ARRAY(SELECT json_array_elements_text(s.ids::json))
        ELSE o.external_ids END,
    -- A retry behind an open row waits until that is through.
    next_at = CASE WHEN s.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM outbox b
        WHERE b.lane = o.lane AND b.id < o.id AND b.state IN ('waiting', 'sending')) THEN s.next_at END
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) s (id, state, error, ids, next_at)
WHERE o.id = s.id
"""


async def _write(c: Connection, changes: Sequence[_Change], at: int) -> None:
    if not changes:
        return
    await c.execute(
        _SETTLE,
        [change.id for change in changes],
        [change.state for change in changes],
        [kept(change.error) for change in changes],
        [rows.encode(all_kept(change.result.external_ids)).decode() for change in changes],
        [rows.micros_or_none(change.result.next_at) or at for change in changes],
        at,
    )
    await advance(c, {change.lane for change in changes})
    said = [
        (change.conv, [change.result.entry])
        for change in changes
        if change.state == "sent" and change.conv is not None and change.result.entry is not None
    ]
    if said:
        await timeline.write_all(c, said)
    telling = [change for change in changes if change.tells]
    await records.write_journal(c, [line for change in telling for line in change.result.journal])
    through = [change for change in telling if change.state != "waiting"]
    await add_all(c, [(ch.conv, send, send.fence) for ch in through for send in ch.result.sends], at)


async def end(c: Connection, id: int, lane: str, state: str, error: str) -> None:
    """The row leaves its lane (as it is stored); the next one comes to its head."""
    await lock(c, [lane])
    await c.execute(
        "UPDATE outbox SET state = $2, error = $3, next_at = NULL, interrupted = false WHERE id = $1",
        id,
        state,
        kept(error),
    )
    await advance(c, [lane])


async def replay(c: Connection, ids: Sequence[int], now: datetime) -> int:
    """Let dead or unknown rows wait again, in their old place in the lane."""
    lanes = await c.fetch("SELECT DISTINCT lane FROM outbox WHERE id = ANY($1::bigint[])", list(ids))
    await lock(c, (r[0] for r in lanes))
    replayed = await c.fetch(
        "UPDATE outbox SET state = 'waiting', next_at = NULL, not_before = $2, error = '', tries = 0, interrupted = false,"
        " holder = NULL WHERE id = ANY($1::bigint[]) AND state IN ('dead', 'unknown') RETURNING id, lane",
        list(ids),
        rows.micros(now),
    )
    first: dict[str, int] = {}
    for id, lane in replayed:
        first[lane] = min(id, first.get(lane, id))
    # One head per lane: those behind lose their time and get it back when it is their turn.
    await c.execute(
        "UPDATE outbox SET next_at = NULL FROM unnest($1::text[], $2::bigint[]) AS l(lane, first)"
        " WHERE outbox.lane = l.lane AND outbox.id > l.first AND outbox.state IN ('waiting', 'sending')"
        " AND outbox.next_at IS NOT NULL",
        list(first),
        list(first.values()),
    )
    await advance(c, first)
    return len(replayed)


# --- reading ---------------------------------------------------------------------------------------------


def _send(row: asyncpg.Record) -> Send:
    return rows.send(read(row))


async def find(c: Connection, destination: str, key: str, conversation: str, external_id: str) -> Send | None:
    found = await c.fetchrow(
        f"SELECT {rows.SEND} FROM {FROM} WHERE o.key = $1 AND o.destination = $2",  # noqa: S608
        kept(key),
        kept(destination),
    )
    if found is None and external_id:
        found = await c.fetchrow(
            f"SELECT {rows.SEND} FROM conversation c JOIN outbox o ON o.conv = c.n"  # noqa: S608
            " WHERE c.id = $1 AND o.destination = $2 AND $3 = ANY(o.external_ids) ORDER BY o.id DESC LIMIT 1",
            conversation,
            kept(destination),
            kept(external_id),
        )
    return None if found is None else _send(found)


async def next_at(c: Connection, besides: Collection[str]) -> datetime | None:
    at: Any = await c.fetchval(
        "SELECT next_at FROM outbox WHERE state = 'waiting' AND next_at IS NOT NULL AND destination <> ALL($1::text[])"
        " ORDER BY next_at, id LIMIT 1",
        all_kept(besides),
    )
    return rows.when_or_none(at)


async def pending(c: Connection, conversation: str) -> tuple[Send, ...]:
    found = await c.fetch(
        f"SELECT {rows.SEND} FROM conversation c JOIN outbox o ON o.conv = c.n"  # noqa: S608
        " WHERE c.id = $1 AND o.state IN ('waiting', 'sending', 'unknown', 'dead') ORDER BY o.id",
        conversation,
    )
    return tuple(_send(r) for r in found)
