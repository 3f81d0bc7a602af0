"""Pages for the desk, the REST interface and the operator. Cursors hold the last row's sort key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gateway.store import cases, pages, rows, sends
from gateway.store.base import Page, Quarantined, View
from gateway.store.sqlite import contacts, outbox

#: What each view holds; the terms match the partial indexes word for word.
_VIEWS = {
    "waiting": f"c.owner = '' AND {pages.OPEN}",
    "mine": f"c.owner = :agent AND c.owner NOT IN ('', 'bot') AND {pages.OPEN}",
    "bot": f"c.owner = 'bot' AND {pages.OPEN}",
    "all": "1",
    "closed": pages.CLOSED,
}


def conversations(connection: sqlite3.Connection, view: View, *, agent: str, cursor: str, limit: int) -> Page:
    """``waiting`` and ``mine``: urgent first, then by due time; the others: latest activity first."""
    if view in ("waiting", "mine"):
        return _by_urgency(connection, _VIEWS[view], agent, cursor, limit)
    at, n = rows.position(cursor, rows.NEVER, rows.NEVER)
    found = connection.execute(
        f"SELECT {pages.LINE} FROM {pages.LINE_FROM} WHERE {_VIEWS[view]} AND (c.active_at, c.n) < (:at, :n)"  # noqa: S608
        " ORDER BY c.active_at DESC, c.n DESC LIMIT :limit",
        {"at": at, "n": n, "limit": limit + 1},
    ).fetchall()
    return pages.page(found, limit, pages.line, pages.by_activity)


def _by_urgency(connection: sqlite3.Connection, where: str, agent: str, cursor: str, limit: int) -> Page:
    rank, due, n = rows.position(cursor, -1, 0, 0)
    found = connection.execute(
        f"SELECT {pages.LINE} FROM {pages.LINE_FROM} WHERE {where} AND (c.rank, c.due_at, c.n) > (:rank, :due, :n)"  # noqa: S608
        " ORDER BY c.rank, c.due_at, c.n LIMIT :limit",
        {"agent": agent, "rank": rank, "due": due, "n": n, "limit": limit + 1},
    ).fetchall()
    return pages.page(found, limit, pages.line, pages.by_urgency)


def search(connection: sqlite3.Connection, text: str, *, limit: int) -> Page:
    """By case number, sender, or words of the last message; latest activity first."""
    text = text.strip()
    if not text:
        return Page(items=())
    by_number = "SELECT conv FROM record WHERE number = :text OR number = upper(:text)"
    found = connection.execute(
        f"SELECT {pages.LINE} FROM {pages.LINE_FROM} WHERE c.n IN ({by_number}) OR c.sender = :text"  # noqa: S608
        " OR c.sender_name LIKE :like ESCAPE '\\' OR c.sender_email LIKE :like ESCAPE '\\'"
        " OR c.sender_phone LIKE :like ESCAPE '\\' OR c.last_text LIKE :like ESCAPE '\\'"
        " OR r.summary LIKE :like ESCAPE '\\' ORDER BY c.active_at DESC, c.n DESC LIMIT :limit",
        {"text": text, "like": pages.like(text), "limit": limit},
    ).fetchall()
    return Page(items=tuple(pages.line(r) for r in found))


def find_person(connection: sqlite3.Connection, needle: str) -> tuple[str, ...]:
    """Conversations of a sender id, e-mail address, phone number (also one that the text gave) or id; and all proven the same person's."""
    contact = cases.contact(needle)
    if not contact:
        return ()
    found = connection.execute(
        "SELECT id, wrote FROM (SELECT c.n, c.id, c.sender = :needle OR c.id = :needle OR lower(c.sender_email) = lower(:needle)"
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
    return pages.page(found, limit, lambda r: rows.record(r[0]), lambda r: rows.cursor(r[1], r[2]))


# --- the operator's ------------------------------------------------------------------------------------


def _by_id(
    connection: sqlite3.Connection,
    select: str,
    states: dict[str, str],
    state: str,
    cursor: str,
    limit: int,
    make: Callable[[pages.Row], Any],
) -> Page:
    """Newest first; the first column is the id. ``states`` gives each state's term, as its partial index has it."""
    (last,) = rows.position(cursor, rows.NEVER)
    found = connection.execute(
        f"{select} WHERE o.id < :last AND {pages.term(states, state)} ORDER BY o.id DESC LIMIT :limit",
        {"last": last, "state": state, "limit": limit + 1},
    ).fetchall()
    return pages.page(found, limit, make, lambda r: rows.cursor(r[0]))


def inbox(connection: sqlite3.Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {pages.INBOX} FROM inbox o JOIN conversation c ON c.n = o.conv"  # noqa: S608
    states = {"": "1", "open": "o.state = 'open'", "held": "o.state = 'held'", "done": "o.state = 'done'"}
    states["wait"] = "o.state = 'wait'"
    return _by_id(connection, select, states, state, cursor, limit, pages.inbox_row)


def outbox_rows(connection: sqlite3.Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {rows.SEND} FROM {sends.FROM}"  # noqa: S608
    states = dict.fromkeys(("waiting", "sending"), f"o.{outbox.OPEN} AND o.state = :state")
    states |= dict.fromkeys(("unknown", "dead", "superseded"), f"o.{outbox.SET_ASIDE} AND o.state = :state")
    states |= {"": "1", "sent": "o.state = 'sent'"}
    return _by_id(connection, select, states, state, cursor, limit, rows.send)


def quarantined(connection: sqlite3.Connection, *, state: str, cursor: str, limit: int) -> Page:
    select = f"SELECT {pages.QUARANTINED} FROM quarantine o"  # noqa: S608
    states = dict.fromkeys(("open", "replayed", "dropped"), "o.state = :state") | {"": "1"}
    return _by_id(connection, select, states, state, cursor, limit, pages.quarantined)


def quarantined_one(connection: sqlite3.Connection, id: int) -> Quarantined:
    row = connection.execute(f"SELECT {pages.QUARANTINED} FROM quarantine o WHERE o.id = ?", (id,)).fetchone()  # noqa: S608
    return pages.quarantined(rows.found(row, f"quarantined item {id}"))
