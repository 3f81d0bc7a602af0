"""Pages for the desk, the REST interface and the operator. Cursors hold the last row's sort key.

A list follows an index from its cursor on, whatever else is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from gateway.store import cases, pages, rows, sends
from gateway.store.base import Page, Quarantined, View
from gateway.store.postgres import contacts
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import all_kept, kept, read

#: What each view holds; the terms match the partial indexes.
_VIEWS = {
    "waiting": f"c.owner = '' AND {pages.OPEN}",
    "mine": f"c.owner = $5 AND c.owner NOT IN ('', 'bot') AND {pages.OPEN}",
    "bot": f"c.owner = 'bot' AND {pages.OPEN}",
    "all": "true",
    "closed": pages.CLOSED,
}
#: How many of the conversations that were active last are looked through for words.
SEARCHED = 20_000

#: Columns as their indexes have them.
_EMAIL = "lower(c.sender_email)"
_PHONE = "replace(replace(c.sender_phone, ' ', ''), '-', '')"


async def conversations(c: Connection, view: View, *, agent: str, cursor: str, limit: int) -> Page:
    """``waiting`` and ``mine``: urgent first, then by due time; the others: latest activity first."""
    if view in ("waiting", "mine"):
        return await _by_urgency(c, view, agent, cursor, limit)
    at, n = rows.position(cursor, rows.NEVER, rows.NEVER)
    found = await c.fetch(
        f"SELECT {pages.LINE} FROM {pages.LINE_FROM} WHERE {_VIEWS[view]} AND (c.active_at, c.n) < ($1, $2)"  # noqa: S608
        " ORDER BY c.active_at DESC, c.n DESC LIMIT $3",
        at,
        n,
        limit + 1,
    )
    return _page(found, limit, pages.line, pages.by_activity)


async def _by_urgency(c: Connection, view: View, agent: str, cursor: str, limit: int) -> Page:
    rank, due, n = rows.position(cursor, -1, 0, 0)
    values = (rank, due, n, limit + 1) if view == "waiting" else (rank, due, n, limit + 1, kept(agent))
    found = await c.fetch(
        f"SELECT {pages.LINE} FROM {pages.LINE_FROM}"  # noqa: S608
        f" WHERE {_VIEWS[view]} AND (c.rank, c.due_at, c.n) > ($1::smallint, $2::bigint, $3::bigint)"
        " ORDER BY c.rank, c.due_at, c.n LIMIT $4",
        *values,
    )
    return _page(found, limit, pages.line, pages.by_urgency)


def _page(
    found: Sequence[asyncpg.Record], limit: int, make: Callable[[pages.Row], Any], key: Callable[[pages.Row], str]
) -> Page:
    return pages.page([read(r) for r in found], limit, make, key)


async def search(c: Connection, text: str, *, limit: int) -> Page:
    """By case number, sender, address or number of all; by words of the :data:`SEARCHED` latest. Latest activity first.

    Words of all would need an index that every message renews, and Chinese words are too short for the one there is.
    """
    text = text.strip()
    if not text:
        return Page(items=())
    found = await c.fetch(
        f"WITH hit AS MATERIALIZED ({_NAMED} UNION ({_LATEST}))"  # noqa: S608 - our own columns
        f" SELECT {pages.LINE} FROM {pages.LINE_FROM} WHERE c.n IN (SELECT n FROM hit)"
        " ORDER BY c.active_at DESC, c.n DESC LIMIT $3",
        kept(text),
        kept(pages.like(text)),
        limit,
        cases.contact(kept(text)),
        SEARCHED,
    )
    return Page(items=tuple(pages.line(read(r)) for r in found))


_NAMED = (
    "SELECT r.conv AS n FROM record r WHERE r.number = $1 OR r.number = upper($1)"  # noqa: S608
    " UNION SELECT c.n FROM conversation c WHERE c.sender = $1"
    f" UNION SELECT c.n FROM conversation c WHERE c.sender_email <> '' AND {_EMAIL} = lower($1)"
    f" UNION SELECT c.n FROM conversation c WHERE c.sender_phone <> '' AND {_PHONE} = $4"
)
_LATEST = (
    "SELECT c.n FROM (SELECT * FROM conversation ORDER BY active_at DESC, n DESC LIMIT $5) c"
    " LEFT JOIN record r ON r.n = c.record WHERE c.sender_name ILIKE $2 OR c.sender_email ILIKE $2"
    " OR c.sender_phone ILIKE $2 OR c.last_text ILIKE $2 OR r.summary ILIKE $2"
    " ORDER BY c.active_at DESC, c.n DESC LIMIT $3"
)


async def find_person(c: Connection, needle: str) -> tuple[str, ...]:
    """Conversations of a sender id, e-mail address, phone number (also one that the text gave) or id; and all proven the same person's."""
    contact = cases.contact(needle)
    if not contact:
        return ()
    found = await c.fetch(
        "WITH writer AS (SELECT c.n FROM conversation c WHERE c.sender = $1 OR c.id = $1"  # noqa: S608 - our own columns
        f" UNION SELECT c.n FROM conversation c WHERE c.sender_email <> '' AND {_EMAIL} = lower($1)"
        f" UNION SELECT c.n FROM conversation c WHERE c.sender_phone <> '' AND {_PHONE} = $2),"
        " named AS (SELECT r.conv AS n FROM record r WHERE r.contacts <> '' AND strpos(r.contacts, $3) > 0"
        " AND contact_keys(r.contacts) @> ARRAY[left($2, 400)])"
        " SELECT c.id, c.n IN (SELECT n FROM writer) FROM conversation c"
        " WHERE c.n IN (SELECT n FROM writer UNION SELECT n FROM named) ORDER BY c.n",
        kept(needle.strip()),
        kept(contact),
        kept(f"\n{contact}\n"),
    )
    ids = dict.fromkeys(str(r[0]) for r in found)
    # Who is only spoken of in a text is not its writer: their other conversations have nothing to do with it.
    for id in [r[0] for r in found if r[1]]:
        ids |= dict.fromkeys(alias.conversation.id for alias in (await contacts.contact(c, id)).aliases)
    return tuple(ids)


async def complaint_records(
    c: Connection,
    *,
    cursor: str,
    limit: int,
    since: datetime | None,
    status: str,
    accounts: Sequence[tuple[str, str]] | None,
) -> Page:
    """Records, newest first."""
    at, n = rows.position(cursor, rows.NEVER, rows.NEVER)
    values: list[Any] = [at, n, rows.micros_or_none(since) or 0, limit + 1]
    terms = ""
    if status:
        values.append(status)
        terms += f" AND r.status = ${len(values)}"
    if accounts is not None:
        values.append(all_kept("/".join(pair) for pair in accounts))
        of_account = "(SELECT c.channel || '/' || c.account FROM conversation c WHERE c.n = r.conv)"
        terms += f" AND {of_account} = ANY(${len(values)})"
    found = await c.fetch(
        "SELECT v.body, r.opened_at, r.n FROM record r"  # noqa: S608
        " JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        f" WHERE (r.opened_at, r.n) < ($1, $2) AND r.opened_at >= $3{terms}"
        " ORDER BY r.opened_at DESC, r.n DESC LIMIT $4",
        *values,
    )
    return _page(found, limit, lambda r: rows.record(r[0]), lambda r: rows.cursor(r[1], r[2]))


# --- the operator's ------------------------------------------------------------------------------------


async def _by_id(
    c: Connection,
    select: str,
    states: dict[str, str],
    state: str,
    cursor: str,
    limit: int,
    make: Callable[[pages.Row], Any],
) -> Page:
    """Newest first; the first column is the id. ``states`` gives each state's term, as its partial index has it."""
    term = pages.term(states, state)
    (last,) = rows.position(cursor, rows.NEVER)
    values = [last, limit + 1, *([state] if "$3" in term else [])]
    found = await c.fetch(f"{select} WHERE o.id < $1 AND {term} ORDER BY o.id DESC LIMIT $2", *values)
    return _page(found, limit, make, lambda r: rows.cursor(r[0]))


async def inbox(c: Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {pages.INBOX} FROM inbox o JOIN conversation c ON c.n = o.conv"  # noqa: S608
    states = {"": "true"} | {s: f"o.state = '{s}'" for s in ("open", "held", "done", "wait")}
    return await _by_id(c, select, states, state, cursor, limit, pages.inbox_row)


async def outbox_rows(c: Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {rows.SEND} FROM {sends.FROM}"  # noqa: S608
    unsettled = "o.state = $3 AND o.state <> 'sent'"
    states = dict.fromkeys(("waiting", "sending", "unknown", "dead", "superseded"), unsettled)
    states |= {"": "true", "sent": "o.state = 'sent'"}
    return await _by_id(c, select, states, state, cursor, limit, rows.send)


async def quarantined(c: Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {pages.QUARANTINED} FROM quarantine o"  # noqa: S608
    states = dict.fromkeys(("open", "replayed", "dropped"), "o.state = $3") | {"": "true"}
    return await _by_id(c, select, states, state, cursor, limit, pages.quarantined)


async def quarantined_one(c: Connection, id: int) -> Quarantined:
    row = await c.fetchrow(f"SELECT {pages.QUARANTINED} FROM quarantine o WHERE o.id = $1", id)  # noqa: S608
    return pages.quarantined(read(rows.found(row, f"quarantined item {id}")))
