"""Accepting: all messages that wait at a moment are written by a handful of statements, however many they are.

Who accepts into a conversation holds its row, so its lines are numbered one after the other whoever writes. What another
node wrote at the same moment shows as a unique key that is there already: the transaction runs again and finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from channels.base import Accepted, Inbound
from gateway.store import lines, rows
from gateway.store.lines import Delivery
from gateway.store.postgres import files, memory
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import all_kept, back, kept, shown


async def append(c: Connection, deliveries: Sequence[Delivery]) -> list[tuple[Accepted, ...]]:
    """Write the deliveries of one group."""
    group = await _known(c, [m for d in deliveries for m in d.messages])
    accepted = group.add_all(deliveries)
    await _write(c, group)
    if cursors := {d.cursor[:2]: d.cursor for d in deliveries if d.cursor is not None}:
        await _move_cursors(c, [cursors[door] for door in sorted(cursors)])
    for d in deliveries:
        if d.memos is not None:
            await memory.remember(c, *d.memos)
    return accepted


# --- what is known --------------------------------------------------------------------------------------

#: The conversations, held from now on; the lines with these keys; numbers for conversations that are not there yet.
_LOOK = """
WITH home AS MATERIALIZED (
    SELECT id, n, last_seq, erased_at IS NOT NULL AS erased FROM conversation
    WHERE id = ANY($1::text[]) ORDER BY n FOR UPDATE
)
SELECT 'home', id, n, last_seq, erased, NULL::bytea FROM home
UNION ALL SELECT 'line', key, conv, seq, NULL, digest FROM inbox WHERE key = ANY($2::text[])
UNION ALL SELECT 'new', NULL, nextval('conversation_n_seq'), NULL, NULL, NULL
    FROM generate_series(1, cardinality($1::text[]) - (SELECT count(*) FROM home))
"""


async def _known(c: Connection, messages: Sequence[lines.Message]) -> lines.Numbering:
    ids = sorted({m.conversation for m in messages})
    known: dict[str, lines.Line] = {}
    homes: dict[str, lines.Home] = {}
    numbers: list[int] = []
    for what, name, n, seq, erased, digest in await c.fetch(_LOOK, ids, all_kept(lines.keys(messages))):
        if what == "home":
            homes[name] = lines.Home(n, seq, erased)
        elif what == "line":
            known[back(name)] = (digest, n, seq)
        else:
            numbers.append(n)
    # Asked again now that the conversations are held: these may have come while this one waited for them.
    late = {m.root for m in messages if m.root and m.root not in known} | lines.renamed(messages, known)
    if late:
        known |= await _lines(c, late)
    return lines.Numbering(known, homes, await _versions(c, lines.changed(messages, known)), iter(numbers))


async def _lines(c: Connection, keys: set[str]) -> dict[str, lines.Line]:
    found = await c.fetch("SELECT key, digest, conv, seq FROM inbox WHERE key = ANY($1::text[])", all_kept(keys))
    return {back(key): (digest, conv, seq) for key, digest, conv, seq in found}


async def _versions(c: Connection, places: set[lines.Place]) -> dict[lines.Place, int]:
    if not places:
        return {}
    convs, seqs = zip(*places, strict=True)
    found = await c.fetch(
        "SELECT p.conv, p.seq, (SELECT count(*) FROM inbox i WHERE i.conv = p.conv AND i.seq > p.seq AND i.refers_to = p.seq)"
        " FROM unnest($1::bigint[], $2::bigint[]) p (conv, seq)",
        convs,
        seqs,
    )
    return {(conv, seq): count for conv, seq, count in found}


# --- writing --------------------------------------------------------------------------------------------

_WRITE = """
WITH line AS (
    INSERT INTO inbox (key, digest, conv, seq, visible, refers_to, version, provider_at, received_at, state_at, body)
    SELECT key, digest, conv, seq, visible, refers_to, version, provider_at, received_at, received_at, body
    FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::boolean[], $6::bigint[], $7::integer[],
        $8::bigint[], $9::bigint[], $10::bytea[])
        m (key, digest, conv, seq, visible, refers_to, version, provider_at, received_at, body)
    RETURNING id, conv, seq, received_at
), event AS (
    INSERT INTO raw (inbox, at, body) SELECT line.id, line.received_at, r.body
    FROM unnest($3::bigint[], $4::bigint[], $11::bytea[]) r (conv, seq, body) JOIN line USING (conv, seq)
    WHERE r.body <> ''
), counted AS (
    INSERT INTO tally AS t (day, channel, account, recorded, duplicates, latest)
    SELECT b.day, b.channel, b.account, b.recorded, b.duplicates, coalesce(line.id, 0)
    FROM unnest($12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
        b (day, channel, account, recorded, duplicates, conv, seq) LEFT JOIN line USING (conv, seq)
    ON CONFLICT (day, channel, account, slot)
    DO UPDATE SET recorded = t.recorded + excluded.recorded, duplicates = t.duplicates + excluded.duplicates,
        latest = greatest(t.latest, excluded.latest)
)
UPDATE conversation c SET
    last_seq = k.seq,
    last_at = greatest(c.last_at, k.last_at),
    last_text = coalesce(k.text, c.last_text),
    unanswered = c.unanswered + k.asked,
    waiting_since = CASE WHEN k.asked > 0 THEN coalesce(c.waiting_since, k.first_at) ELSE c.waiting_since END,
    window_closes_at = greatest(c.window_closes_at, k.closes_at)
FROM unnest($19::bigint[], $20::bigint[], $21::bigint[], $22::text[], $23::bigint[], $24::bigint[], $25::bigint[])
    k (n, seq, last_at, text, asked, first_at, closes_at)
WHERE c.n = k.n
"""

_OPEN = """
INSERT INTO conversation (n, id, channel, account, thread, sender, sender_name, sender_email, sender_phone, last_seq,
    opened_at, last_at, active_at, last_text, unanswered, waiting_since, window_closes_at)
SELECT n, id, channel, account, thread, sender, sender_name, sender_email, sender_phone, seq,
    first_at, last_at, last_at, text, asked, CASE WHEN asked > 0 THEN first_at END, closes_at
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::bigint[])
    k (n, id, channel, account, thread, sender, sender_name, sender_email, sender_phone, seq,
        first_at, last_at, text, asked, closes_at)
ORDER BY id
"""


async def _write(c: Connection, group: lines.Numbering) -> None:
    await _open(c, [(id, home, home.fresh.inbound) for id, home in group.touched if home.fresh is not None])
    await _return(
        c, [(home.n, home.last.inbound) for _, home in group.touched if home.erased and home.last is not None]
    )
    known = [
        (home.n, home.seq, home.last_at, home.text and shown(home.text), home.asked, home.first_at, home.closes_at)
        for _, home in group.touched
        if home.fresh is None
    ]
    last = {(n.received_at // rows.DAY, n.message.inbound.channel, n.message.inbound.account): n for n in group.new}
    ends = {bucket: (line.conv, line.seq) for bucket, line in last.items()}
    counted = [
        (*bucket, group.recorded[bucket], group.duplicates[bucket], *ends.get(bucket, (0, 0)))
        for bucket in sorted({*group.recorded, *group.duplicates})
    ]
    if counted:
        new = [_row(line) for line in group.new]
        await c.execute(_WRITE, *_columns(new, 11), *_columns(counted, 7), *_columns(known, 7))
    if group.blobs:
        await use_blobs(c, group.blobs)
    if group.elsewhere:
        await files.note(c, group.elsewhere)


def _row(new: lines.NewLine) -> tuple[Any, ...]:
    m = new.message
    return (
        kept(new.key),
        m.digest,
        new.conv,
        new.seq,
        m.visible,
        new.refers_to,
        new.version,
        m.provider_at,
        new.received_at,
        m.body,
        m.inbound.raw,
    )


def _columns(found: Sequence[Sequence[Any]], width: int) -> Sequence[Sequence[Any]]:
    """Rows as arrays, one for each column."""
    return list(zip(*found, strict=True)) or [()] * width


async def _open(c: Connection, fresh: Sequence[tuple[str, lines.Home, Inbound]]) -> None:
    """Make new conversations. One that another node has made meanwhile is a unique key that is there already."""
    if fresh:
        await c.execute(_OPEN, *_columns([_new_conversation(*each) for each in fresh], 15))


def _new_conversation(id: str, home: lines.Home, m: Inbound) -> tuple[Any, ...]:
    return (
        home.n,
        id,
        m.channel,
        m.account,
        *map(kept, lines.person(m)),
        home.seq,
        home.first_at,
        home.last_at,
        shown(home.text or ""),
        home.asked,
        home.closes_at,
    )


async def _return(c: Connection, returning: Sequence[tuple[int, Inbound]]) -> None:
    """Persons who were erased write again."""
    if returning:
        await c.executemany(
            "UPDATE conversation SET thread = $2, sender = $3, sender_name = $4, sender_email = $5, sender_phone = $6,"
            " erased_at = NULL WHERE n = $1",
            [(n, *map(kept, lines.person(m))) for n, m in returning],
        )


async def use_blobs(c: Connection, uses: Sequence[tuple[str, int]]) -> None:
    """Note which conversations need which files (digest, conv)."""
    await c.execute(
        "INSERT INTO blob_use (digest, conv) SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING",
        *_columns(sorted(uses), 2),
    )


async def _move_cursors(c: Connection, cursors: Sequence[tuple[str, str, str]]) -> None:
    await c.execute(
        "INSERT INTO cursor (channel, account, value) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"
        " ON CONFLICT (channel, account) DO UPDATE SET value = excluded.value",
        *_columns([(channel, account, kept(value)) for channel, account, value in cursors], 3),
    )


async def cursor(c: Connection, channel: str, account: str) -> str | None:
    """Where pulling stands."""
    value = await c.fetchval("SELECT value FROM cursor WHERE channel = $1 AND account = $2", channel, account)
    return None if value is None else back(value)


# --- what could not be read -----------------------------------------------------------------------------


async def quarantine(
    c: Connection,
    where: tuple[str, str],
    at: int,
    *,
    reason: str,
    raw: bytes,
    headers: Mapping[str, str],
    tail: str,
) -> int:
    """Keep bytes nobody could read; their id."""
    await c.execute(
        "INSERT INTO tally AS t (day, channel, account, quarantined) VALUES ($1, $2, $3, 1)"
        " ON CONFLICT (day, channel, account, slot) DO UPDATE SET quarantined = t.quarantined + 1",
        at // rows.DAY,
        *where,
    )
    id: int = await c.fetchval(
        "INSERT INTO quarantine (channel, account, at, reason, raw, headers, tail) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " RETURNING id",
        *where,
        at,
        shown(reason),
        raw,
        rows.encode(headers),
        kept(tail),
    )
    return id


async def close_quarantined(c: Connection, id: int, state: str) -> None:
    done = await c.fetchval("UPDATE quarantine SET state = $1 WHERE id = $2 RETURNING id", state, id)
    rows.found(done, f"quarantined item {id}")


# --- reading --------------------------------------------------------------------------------------------


async def message(c: Connection, id: int) -> Inbound:
    """An inbox row's message with its raw event, which may have been dropped with its month."""
    row = await c.fetchrow(
        "SELECT i.body, coalesce(r.body, '') FROM inbox i LEFT JOIN raw r ON r.inbox = i.id AND r.at = i.received_at"
        " WHERE i.id = $1",
        id,
    )
    body, raw = rows.found(row, f"inbox row {id}")
    return msgspec.structs.replace(rows.inbound(body), raw=raw)


async def blobs_of(c: Connection, conversation: str) -> tuple[str, ...]:
    found = await c.fetch(
        "SELECT b.digest FROM conversation c JOIN blob_use b ON b.conv = c.n WHERE c.id = $1 ORDER BY b.digest",
        conversation,
    )
    return tuple(r[0] for r in found)


async def blob_in_use(c: Connection, digest: str) -> bool:
    found: bool = await c.fetchval("SELECT EXISTS (SELECT 1 FROM blob_use WHERE digest = $1)", digest)
    return found
