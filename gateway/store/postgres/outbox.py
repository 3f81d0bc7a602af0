"""The outbox: lanes, their heads, and what became of each row.

Whoever adds to a lane or moves its head holds the lane's advisory lock to the end of the transaction, so that a lane never
has two heads, and none only while it is empty. The locks come after the conversations' rows, several in one order. Claiming needs none:
it takes the head's own row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
LANE = 25532774
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
_TAKE = "FOR UPDATE OF o SKIP LOCKED"


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
        asked = f"{_DUE} AND o.destination = $3 ORDER BY (o.kind = 'human') DESC, o.next_at, o.id LIMIT $2 {_TAKE}"
        sends += await _claim(c, node, min(most, limit - len(sends)), asked, at, kept(destination))
    asked = f"{_DUE} AND o.destination <> ALL($3::text[]) ORDER BY o.next_at, o.id LIMIT $2 {_TAKE}"
    return sends + await _claim(c, node, limit - len(sends), asked, at, all_kept(at_most))


async def _claim(c: Connection, node: int, limit: int, asked: str, at: int, destination: object) -> list[Send]:
    sends: list[Send] = []
    while len(sends) < limit:
        due = await c.fetch(asked, at, limit - len(sends), destination)
        if not due:
            break
        good = [_send(r) for r in due if not r["stale"]]
        await c.execute(
            "UPDATE outbox SET state = 'sending', tries = tries + 1, next_at = NULL, holder = $2,"  # noqa: S608
            f" held_at = {_SERVER_TIME.format('now()')} WHERE id = ANY($1::bigint[])",
            [s.id for s in good],
            node,
        )
        sends += (msgspec.structs.replace(s, state="sending", tries=s.tries + 1, next_at=None) for s in good)
        if stale := [r for r in due if r["stale"]]:
            await _put_aside(c, stale)
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


async def settle_all(c: Connection, results: Sequence[SendResult], at: int, node: int) -> None:
    """Write what this node's attempts came to. Raises NotFound."""
    await _hold(c, results)
    for result in results:
        await settle(c, result, at, node)


async def _hold(c: Connection, results: Sequence[SendResult]) -> None:
    """All that settling touches, in the order that everybody keeps: conversations, then lanes."""
    found = await c.fetch("SELECT lane, conv FROM outbox WHERE id = ANY($1::bigint[])", [r.id for r in results])
    await c.execute(
        "SELECT 1 FROM conversation WHERE n = ANY($1::bigint[]) ORDER BY n FOR UPDATE",
        [r[1] for r in found if r[1] is not None],
    )
    lanes = {r[0] for r in found}
    lanes.update(kept(send.lane) for result in results for send in result.sends)
    await lock(c, lanes)


async def settle(c: Connection, result: SendResult, at: int, node: int) -> None:
    """Write what became of one attempt; nothing when it was settled before.

    The row may have been given up meanwhile, because this node seemed dead, and be another's: then only that it went out counts.
    """
    row = await c.fetchrow(
        f"SELECT o.lane, o.state, {_STALE}, o.conv, o.holder IS DISTINCT FROM $2, {_OPEN}"  # noqa: S608
        f" FROM {FROM} WHERE o.id = $1 FOR UPDATE OF o",
        result.id,
        node,
    )
    if row is None:
        raise NotFound(f"there is no outbox row {result.id}")
    lane, state, stale, conv, lost, is_open = row
    went_out = lost and is_open and result.state == "sent" and result.left_the_house
    if not went_out and (lost or state != "sending"):
        return
    if result.state == "sent" and stale and not result.left_the_house:
        await end(c, result.id, lane, "superseded", TAKEN_OVER)
    elif result.state in ("waiting", "sending"):
        await _retry(c, result, lane, at)
    else:
        if result.state == "sent":
            await _sent(c, result, lane, conv, at)
        else:
            await end(c, result.id, lane, result.state, result.error)
        await records.write_journal(c, result.journal)
        await add_all(c, [(conv, send, send.fence) for send in result.sends], at)


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
    if result.state == "sent" and is_open:
        await _sent(c, result, lane, conv, at)
    elif result.state == "dead" and (is_open or was_sent):
        await end(c, result.id, lane, "dead", result.error)
    else:
        return False
    await records.write_journal(c, result.journal)
    return True


async def _sent(c: Connection, result: SendResult, lane: str, conv: int | None, at: int) -> None:
    await c.execute(
        "UPDATE outbox SET state = 'sent', error = $2, next_at = NULL, interrupted = false, sent_at = $3, external_ids = $4"
        " WHERE id = $1",
        result.id,
        kept(result.error),
        at,
        all_kept(result.external_ids),
    )
    await advance(c, [lane])
    if result.entry is not None and conv is not None:
        await timeline.write(c, conv, [result.entry])


async def _retry(c: Connection, result: SendResult, lane: str, at: int) -> None:
    await c.execute(
        "UPDATE outbox SET state = 'waiting', error = $2, interrupted = false, next_at = CASE WHEN EXISTS"
        " (SELECT 1 FROM outbox o WHERE o.lane = $3 AND o.id < $1 AND o.state IN ('waiting', 'sending')) THEN NULL"
        " ELSE $4::bigint END WHERE id = $1",
        result.id,
        kept(result.error),
        lane,
        rows.micros_or_none(result.next_at) or at,
    )
    await records.write_journal(c, result.journal)
    await advance(c, [lane])


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
