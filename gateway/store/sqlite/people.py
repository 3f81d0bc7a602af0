"""What agents do with a conversation, and the agents themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.store import agents as agent_rows
from gateway.store import rows
from gateway.store.base import (
    BOT,
    NOBODY,
    Agent,
    Conflict,
    Conversation,
    DeskSession,
    Entry,
    JournalLine,
    NewSend,
    Stale,
)
from gateway.store.sqlite import flow, outbox, records, timeline
from normalizer.record import ComplaintRecord


def get(connection: sqlite3.Connection, id: str) -> Conversation:
    row = connection.execute(f"SELECT {rows.CONVERSATION} FROM conversation c WHERE c.id = ?", (id,)).fetchone()  # noqa: S608
    return rows.conversation(rows.found(row, "such conversation"))


def claim(
    connection: sqlite3.Connection, id: str, agent: str, *, lease_until: datetime, now: datetime, force: bool
) -> Conversation:
    """Make the agent the owner; who has it already only gets more time."""
    conv, _, owner = flow.checked(connection, id, None)
    until = rows.micros(lease_until)
    if owner == agent:
        connection.execute("UPDATE conversation SET lease_until = ? WHERE n = ?", (until, conv))
        return get(connection, id)
    lease = get(connection, id).lease_until
    if owner not in (BOT, NOBODY) and lease is not None and lease > now and not force:
        raise Conflict("another agent has this conversation")
    flow.hand_over(connection, conv, agent, rows.micros(now), until)
    return get(connection, id)


def extend(connection: sqlite3.Connection, id: str, agent: str, fence: int, lease_until: datetime) -> None:
    conv, _, owner = flow.checked(connection, id, fence)
    if owner != agent:
        raise Stale("this conversation is no longer yours")
    connection.execute("UPDATE conversation SET lease_until = ? WHERE n = ?", (rows.micros(lease_until), conv))


def expire_leases(connection: sqlite3.Connection, now: datetime) -> tuple[Conversation, ...]:
    at = rows.micros(now)
    over = connection.execute(
        "SELECT n, id FROM conversation WHERE lease_until IS NOT NULL AND lease_until <= ? ORDER BY lease_until", (at,)
    ).fetchall()
    for n, _ in over:
        flow.hand_over(connection, n, NOBODY, at)
    return tuple(get(connection, id) for _, id in over)


def say(
    connection: sqlite3.Connection,
    id: str,
    fence: int,
    sends: Sequence[NewSend],
    journal: JournalLine | None,
    at: int,
) -> None:
    """Queue a reply. A repeat of a reply that is queued already says nothing, even when the fence has moved."""
    if connection.execute("SELECT 1 FROM outbox WHERE key = ?", (sends[0].key,)).fetchone():
        return
    conv, _, _ = flow.checked(connection, id, fence)
    for send in sends:
        outbox.add(connection, conv, send, send.fence, at)
    if journal is not None:
        records.write_journal(connection, [journal])


def note(connection: sqlite3.Connection, id: str, entry: Entry) -> int:
    conv, _, _ = flow.checked(connection, id, None)
    return timeline.write(connection, conv, [entry])


def original(connection: sqlite3.Connection, id: str, seq: int, journal: JournalLine) -> str:
    text = timeline.original(connection, id, seq)
    records.write_journal(connection, [journal])
    return text


def release(
    connection: sqlite3.Connection,
    id: str,
    fence: int,
    owner: str,
    status: str,
    *,
    at: datetime,
    notice: Entry,
    journal: JournalLine | None,
) -> Conversation:
    conv, _, _ = flow.checked(connection, id, fence)
    flow.hand_over(connection, conv, owner, rows.micros(at))
    _set_status(connection, conv, status, rows.micros(at))
    timeline.write(connection, conv, [notice])
    if journal is not None:
        records.write_journal(connection, [journal])
    return get(connection, id)


def _set_status(connection: sqlite3.Connection, conv: int, status: str, at: int) -> None:
    if status:
        connection.execute("UPDATE conversation SET status = ?, active_at = ? WHERE n = ?", (status, at, conv))


def amend(
    connection: sqlite3.Connection,
    id: str,
    fence: int | None,
    record: ComplaintRecord,
    *,
    status: str,
    notices: Sequence[Entry],
    sends: Sequence[NewSend],
    journal: Sequence[JournalLine],
    owner: str | None,
    at: int,
) -> Conversation:
    conv, current, holder = flow.checked(connection, id, fence)
    stored = records.revision(connection, record.number)
    if record.revision != stored + 1:
        raise Conflict(f"{record.number} stands at revision {stored}, {record.revision} does not follow")
    journal = records.write(connection, conv, record, journal)
    _set_status(connection, conv, status, at)
    if owner is not None and owner != holder:
        current = flow.hand_over(connection, conv, owner, at)
    timeline.write(connection, conv, notices)
    flow.queue(connection, conv, sends, current, at)
    records.write_journal(connection, journal)
    return get(connection, id)


# --- agents and their browsers ------------------------------------------------------------------------


def agents(connection: sqlite3.Connection) -> tuple[Agent, ...]:
    return tuple(
        agent_rows.agent(r)
        for r in connection.execute(f"SELECT {agent_rows.AGENT} FROM agent a ORDER BY a.login").fetchall()  # noqa: S608
    )


def put_agent(connection: sqlite3.Connection, agent: Agent) -> None:
    """Write or change an agent. Raises Conflict when the login is another agent's."""
    taken = connection.execute("SELECT 1 FROM agent WHERE login = ? AND id <> ?", (agent.login, agent.id)).fetchone()
    if taken:
        raise Conflict(f"the login {agent.login} is taken")
    connection.execute(
        "INSERT OR REPLACE INTO agent (id, login, name, role, skills, password, active) VALUES (?, ?, ?, ?, ?, ?, ?)",
        agent_rows.agent_row(agent),
    )


def put_session(connection: sqlite3.Connection, session: DeskSession, at: int) -> None:
    connection.execute("DELETE FROM desk_session WHERE expires_at < ?", (at,))
    connection.execute(
        "INSERT OR REPLACE INTO desk_session (token_hash, agent, csrf, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        agent_rows.session_row(session),
    )


def session(connection: sqlite3.Connection, token_hash: str, now: datetime) -> tuple[DeskSession, Agent]:
    row = connection.execute(
        f"SELECT {agent_rows.SESSION}, {agent_rows.AGENT}"  # noqa: S608
        " FROM desk_session s JOIN agent a ON a.id = s.agent"
        " WHERE s.token_hash = ? AND s.expires_at > ? AND a.active",
        (token_hash, rows.micros(now)),
    ).fetchone()
    row = rows.found(row, "such session")
    return agent_rows.session(row[:5]), agent_rows.agent(row[5:])


def end_session(connection: sqlite3.Connection, token_hash: str) -> None:
    connection.execute("DELETE FROM desk_session WHERE token_hash = ?", (token_hash,))


def put_once(
    connection: sqlite3.Connection, scope: str, key: str, value: bytes, expires_at: datetime, at: int
) -> bytes:
    connection.execute("DELETE FROM once WHERE expires_at <= ?", (at,))
    connection.execute(
        "INSERT OR IGNORE INTO once (scope, key, value, expires_at) VALUES (?, ?, ?, ?)",
        (scope, key, value, rows.micros(expires_at)),
    )
    found = connection.execute("SELECT value FROM once WHERE scope = ? AND key = ?", (scope, key)).fetchone()
    return bytes(found[0])


def take_once(connection: sqlite3.Connection, scope: str, key: str, now: datetime) -> bytes | None:
    found = connection.execute(
        "DELETE FROM once WHERE scope = ? AND key = ? RETURNING value, expires_at", (scope, key)
    ).fetchall()
    return bytes(found[0][0]) if found and found[0][1] > rows.micros(now) else None
