"""A case that goes on in another conversation: a call whose receipt goes by mail, and the answer to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.store import rows
from gateway.store.base import BOT, NOBODY, Entry, Instead, Joined, NewSend, conversation_id
from gateway.store.sqlite import flow, outbox, timeline


def join(
    connection: sqlite3.Connection,
    number: str,
    other: Joined,
    sends: Sequence[NewSend],
    at: datetime,
    instead: Instead | None = None,
) -> str:
    """The other conversation's id. Raises NotFound."""
    first, record, state = rows.found(
        connection.execute(
            "SELECT c.n, r.n, c.state FROM record r JOIN conversation c ON c.n = r.conv"
            " WHERE r.number = ? AND c.erased_at IS NULL",
            (number,),
        ).fetchone(),
        f"case {number} that can be gone on with",
    )
    id = conversation_id(other.channel, other.account, other.thread)
    if instead is not None and not _is_dead(connection, instead):
        return str(id)
    now = rows.micros(at)
    who = (other.sender, other.sender_name, other.email, other.phone)
    connection.execute(
        "INSERT OR IGNORE INTO conversation (id, channel, account, thread, sender, sender_name, sender_email, sender_phone,"
        " last_seq, opened_at, last_at, active_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9, ?9)",
        (id, other.channel, other.account, other.thread, *who, now),
    )
    (conv,) = connection.execute("SELECT n FROM conversation WHERE id = ?", (id,)).fetchone()
    # The bot goes on where it stood: the case waits for a person already.
    connection.execute(
        "UPDATE conversation SET number = ?, record = ?, state = ?, status = 'waiting_customer' WHERE n = ? AND number = ''",
        (number, record, state, conv),
    )
    queued = [outbox.add(connection, conv, send, None, now) for send in sends]
    if instead is not None:
        _take_over(connection, conv, id, instead, now)
    elif any(queued):
        pointer = Entry(seq=0, kind="notice", notice="linked", at=at, choice=id, author="system", visible=False)
        timeline.write(connection, first, (pointer,))
    return str(id)


def _is_dead(connection: sqlite3.Connection, instead: Instead) -> bool:
    """Else somebody has it sent again, or it went another way already."""
    row = connection.execute("SELECT state FROM outbox WHERE id = ?", (instead.send,)).fetchone()
    return row is not None and row[0] == "dead"


def _take_over(connection: sqlite3.Connection, conv: int, id: str, instead: Instead, now: int) -> None:
    """The row is put aside and the desk told; who answers the customer here answers what comes there."""
    source, owner, lease, lane = connection.execute(
        "SELECT c.n, c.owner, c.lease_until, o.lane FROM outbox o JOIN conversation c ON c.n = o.conv WHERE o.id = ?",
        (instead.send,),
    ).fetchone()
    outbox.end(connection, instead.send, lane, "superseded", f"said in another conversation: {instead.why}")
    notice = Entry(
        seq=0, kind="notice", notice="rerouted", at=rows.when(now), choice=id, text=instead.why, author="system",
        visible=False,
    )  # fmt: skip
    timeline.write(connection, source, (notice,))
    (holder,) = connection.execute("SELECT owner FROM conversation WHERE n = ?", (conv,)).fetchone()
    if owner not in (BOT, NOBODY) and holder in (BOT, NOBODY) and conv != source:
        flow.hand_over(connection, conv, owner, now, lease)
