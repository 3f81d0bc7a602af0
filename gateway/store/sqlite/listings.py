"""Pages for the desk, the REST interface and the operator. Cursors hold the last row's sort key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import ConversationLine, InboxRow, Page, Quarantined, StoreError, View
from gateway.store.sqlite import contacts, outbox, records

_CLOSED = "c.status IN ('resolved', 'closed', 'withdrawn')"
_OPEN = "c.status NOT IN ('resolved', 'closed', 'withdrawn')"
_LINE = (
    f"{rows.CONVERSATION}, coalesce(a.name, ''), coalesce(r.kind, ''), coalesce(r.category, ''),"
    " coalesce(r.urgency, ''), coalesce(r.language, ''), coalesce(r.summary, ''), coalesce(r.handoff_reason, ''),"
    " c.waiting_since, c.due_at, c.last_text, c.unanswered, c.n, c.rank, c.active_at"
)
_FROM = "conversation c LEFT JOIN record r ON r.n = c.record LEFT JOIN agent a ON a.id = c.owner"

#: What each view holds; the terms match the partial indexes word for word.
_VIEWS = {
    "waiting": f"c.owner = '' AND {_OPEN}",
    "mine": f"c.owner = :agent AND c.owner NOT IN ('', 'bot') AND {_OPEN}",
    "bot": f"c.owner = 'bot' AND {_OPEN}",
    "all": "1",
    "closed": _CLOSED,
}
_Row = Sequence[Any]


def _line(row: _Row) -> ConversationLine:
    return ConversationLine(
        conversation=rows.conversation(row),
        owner_name=row[15],
        kind=row[16],
        category=row[17],
        urgency=row[18],
        language=row[19],
        summary=row[20],
        handoff_reason=row[21],
        waiting_since=rows.when_or_none(row[22]),
        due_at=rows.when_or_none(row[23]),
        last_text=row[24],
        unanswered=row[25],
    )


def _page(found: list[_Row], limit: int, make: Callable[[_Row], Any], key: Callable[[_Row], str]) -> Page:
    """A page of ``limit`` from up to ``limit + 1`` rows."""
    more = len(found) > limit
    return Page(items=tuple(make(r) for r in found[:limit]), cursor=key(found[limit - 1]) if more else "")


def conversations(connection: sqlite3.Connection, view: View, *, agent: str, cursor: str, limit: int) -> Page:
    """``waiting`` and ``mine``: urgent first, then by due time; the others: latest activity first."""
    if view in ("waiting", "mine"):
        return _by_urgency(connection, _VIEWS[view], agent, cursor, limit)
    at, n = rows.position(cursor, rows.NEVER, rows.NEVER)
    found = connection.execute(
        f"SELECT {_LINE} FROM {_FROM} WHERE {_VIEWS[view]} AND (c.active_at, c.n) < (:at, :n)"  # noqa: S608
        " ORDER BY c.active_at DESC, c.n DESC LIMIT :limit",
        {"at": at, "n": n, "limit": limit + 1},
    ).fetchall()
    return _page(found, limit, _line, lambda r: rows.cursor(r[28], r[26]))


def _by_urgency(connection: sqlite3.Connection, where: str, agent: str, cursor: str, limit: int) -> Page:
    rank, due, n = rows.position(cursor, -1, 0, 0)
    found = connection.execute(
        f"SELECT {_LINE} FROM {_FROM} WHERE {where} AND (c.rank, c.due_at, c.n) > (:rank, :due, :n)"  # noqa: S608
        " ORDER BY c.rank, c.due_at, c.n LIMIT :limit",
        {"agent": agent, "rank": rank, "due": due, "n": n, "limit": limit + 1},
    ).fetchall()
    return _page(found, limit, _line, lambda r: rows.cursor(r[27], r[23], r[26]))


def _like(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def search(connection: sqlite3.Connection, text: str, *, limit: int) -> Page:
    """By case number, sender, or words of the last message; latest activity first."""
    text = text.strip()
    if not text:
        return Page(items=())
    by_number = "SELECT conv FROM record WHERE number = :text OR number = upper(:text)"
    found = connection.execute(
        f"SELECT {_LINE} FROM {_FROM} WHERE c.n IN ({by_number}) OR c.sender = :text"  # noqa: S608
        " OR c.sender_name LIKE :like ESCAPE '\\' OR c.sender_email LIKE :like ESCAPE '\\'"
        " OR c.sender_phone LIKE :like ESCAPE '\\' OR c.last_text LIKE :like ESCAPE '\\'"
        " OR r.summary LIKE :like ESCAPE '\\' ORDER BY c.active_at DESC, c.n DESC LIMIT :limit",
        {"text": text, "like": _like(text), "limit": limit},
    ).fetchall()
    return Page(items=tuple(_line(r) for r in found))


def find_person(connection: sqlite3.Connection, needle: str) -> tuple[str, ...]:
    """Conversations of a sender id, e-mail address or phone number, also of one the text gave; and all proven the same person's."""
    contact = records.contact(needle)
    if not contact:
        return ()
    found = connection.execute(
        "SELECT id, wrote FROM (SELECT c.n, c.id, c.sender = :needle OR lower(c.sender_email) = lower(:needle)"
        " OR replace(replace(c.sender_phone, ' ', ''), '-', '') = :contact AS wrote FROM conversation c)"
        " WHERE wrote OR n IN (SELECT conv FROM record WHERE instr(contacts, :mark)) ORDER BY n",
        {"needle": needle.strip(), "contact": contact, "mark": f"\n{contact}\n"},
    ).fetchall()
    ids = dict.fromkeys(r[0] for r in found)
    # Who is only spoken of in a text is not its writer: their other conversations have nothing to do with it.
    for id in (r[0] for r in found if r[1]):
        ids |= dict.fromkeys(alias.conversation.id for alias in contacts.contact(connection, id).aliases)
    return tuple(ids)


def complaint_records(
    connection: sqlite3.Connection,
    *,
    cursor: str,
    limit: int,
    since: datetime | None,
    status: str,
    accounts: Sequence[tuple[str, str]] | None,
) -> Page:
    """Records, newest first."""
    at, n = rows.position(cursor, rows.NEVER, rows.NEVER)
    of_account = (
        "AND (SELECT c.channel || '/' || c.account FROM conversation c WHERE c.n = r.conv)"
        " IN (SELECT value FROM json_each(:accounts))"
    )
    found = connection.execute(
        "SELECT v.body, r.opened_at, r.n FROM record r"  # noqa: S608
        " JOIN record_revision v ON v.number = r.number AND v.revision = r.revision"
        f" WHERE (r.opened_at, r.n) < (:at, :n) AND r.opened_at >= :since {'AND r.status = :status' if status else ''}"
        f" {of_account if accounts is not None else ''}"
        " ORDER BY r.opened_at DESC, r.n DESC LIMIT :limit",
        {
            "at": at,
            "n": n,
            "since": rows.micros_or_none(since) or 0,
            "status": status,
            "accounts": rows.encode(["/".join(pair) for pair in accounts or ()]).decode(),
            "limit": limit + 1,
        },
    ).fetchall()
    return _page(found, limit, lambda r: rows.record(r[0]), lambda r: rows.cursor(r[1], r[2]))


# --- the operator's ------------------------------------------------------------------------------------


def _by_id(
    connection: sqlite3.Connection,
    select: str,
    states: dict[str, str],
    state: str,
    cursor: str,
    limit: int,
    make: Callable[[_Row], Any],
) -> Page:
    """Newest first; the first column is the id. ``states`` gives each state's term, as its partial index has it."""
    if state not in states:
        raise StoreError(f"there is no state {state!r}; one of {', '.join(s for s in states if s)}")
    (last,) = rows.position(cursor, rows.NEVER)
    found = connection.execute(
        f"{select} WHERE o.id < :last AND {states[state]} ORDER BY o.id DESC LIMIT :limit",
        {"last": last, "state": state, "limit": limit + 1},
    ).fetchall()
    return _page(found, limit, make, lambda r: rows.cursor(r[0]))


def inbox(connection: sqlite3.Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = (
        "SELECT o.id, c.channel, c.account, o.body, c.id, o.seq, o.state, o.tries, o.provider_at, o.received_at,"
        " o.state_at, o.error FROM inbox o JOIN conversation c ON c.n = o.conv"
    )
    states = {"": "1", "open": "o.state = 'open'", "held": "o.state = 'held'", "done": "o.state = 'done'"}
    states["wait"] = "o.state = 'wait'"
    return _by_id(connection, select, states, state, cursor, limit, _inbox_row)


def _inbox_row(row: _Row) -> InboxRow:
    return InboxRow(
        id=row[0],
        channel=row[1],
        account=row[2],
        external_id=rows.inbound(row[3]).external_id,
        conversation=row[4],
        seq=row[5],
        state=row[6],
        tries=row[7],
        provider_at=rows.when(row[8]),
        received_at=rows.when(row[9]),
        processed_at=rows.when(row[10]) if row[6] == "done" else None,
        error=row[11],
    )


def outbox_rows(connection: sqlite3.Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {rows.SEND} FROM {outbox.FROM}"  # noqa: S608
    unsettled = "o.state = :state AND o.state <> 'sent'"
    states = dict.fromkeys(("waiting", "sending", "unknown", "dead", "superseded"), unsettled)
    states |= {"": "1", "sent": "o.state = 'sent'"}
    return _by_id(connection, select, states, state, cursor, limit, rows.send)


def quarantined(connection: sqlite3.Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = "SELECT o.id, o.channel, o.account, o.at, o.reason, o.raw, o.headers, o.tail, o.state FROM quarantine o"
    states = dict.fromkeys(("open", "replayed", "dropped"), "o.state = :state") | {"": "1"}
    return _by_id(connection, select, states, state, cursor, limit, quarantined_row)


def quarantined_row(row: _Row) -> Quarantined:
    return Quarantined(
        id=row[0],
        channel=row[1],
        account=row[2],
        at=rows.when(row[3]),
        reason=row[4],
        raw=row[5],
        headers=msgspec.json.decode(row[6]),
        tail=row[7],
        state=row[8],
    )


def quarantined_one(connection: sqlite3.Connection, id: int) -> Quarantined:
    row = connection.execute(
        "SELECT id, channel, account, at, reason, raw, headers, tail, state FROM quarantine WHERE id = ?", (id,)
    ).fetchone()
    return quarantined_row(rows.found(row, f"quarantined item {id}"))
