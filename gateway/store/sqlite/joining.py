"""A case that goes on in another conversation: a call whose receipt goes by mail, and the answer to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.store.base import Entry, Joined, NewSend, conversation_id
from gateway.store.sqlite import outbox, rows, timeline


def join(connection: sqlite3.Connection, number: str, other: Joined, sends: Sequence[NewSend], at: datetime) -> str:
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
    if any(queued):
        pointer = Entry(seq=0, kind="notice", notice="linked", at=at, choice=id, author="system", visible=False)
        timeline.write(connection, first, (pointer,))
    return str(id)
