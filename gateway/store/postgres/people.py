"""What agents do with a conversation, and the agents themselves."""

from __future__ import annotations

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
from gateway.store.names import short
from gateway.store.postgres import flow, outbox, records, timeline
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import kept, read
from normalizer.record import ComplaintRecord

#: Most rows that are cleared away beside an operation; the rest goes with the next one.
_SWEPT = 100


async def get(c: Connection, id: str) -> Conversation:
    row = await c.fetchrow(f"SELECT {rows.CONVERSATION} FROM conversation c WHERE c.id = $1", kept(id))  # noqa: S608
    return rows.conversation(read(rows.found(row, "such conversation")))


async def claim(
    c: Connection, id: str, agent: str, *, lease_until: datetime, now: datetime, force: bool
) -> Conversation:
    """Make the agent the owner; who has it already only gets more time."""
    conv, _, owner = await flow.checked(c, id, None)
    until = rows.micros(lease_until)
    if owner == agent:
        await c.execute("UPDATE conversation SET lease_until = $1 WHERE n = $2", until, conv)
        return await get(c, id)
    lease = (await get(c, id)).lease_until
    if owner not in (BOT, NOBODY) and lease is not None and lease > now and not force:
        raise Conflict("another agent has this conversation")
    await flow.hand_over(c, conv, agent, rows.micros(now), until)
    return await get(c, id)


async def extend(c: Connection, id: str, agent: str, fence: int, lease_until: datetime) -> None:
    conv, _, owner = await flow.checked(c, id, fence)
    if owner != agent:
        raise Stale("this conversation is no longer yours")
    await c.execute("UPDATE conversation SET lease_until = $1 WHERE n = $2", rows.micros(lease_until), conv)


async def expire_leases(c: Connection, now: datetime) -> tuple[Conversation, ...]:
    """Each lease ends once: what another node ends, or somebody changes, at this moment is left to them."""
    at = rows.micros(now)
    over = await c.fetch(
        "SELECT n, id FROM conversation WHERE lease_until IS NOT NULL AND lease_until <= $1 ORDER BY lease_until, n"
        " FOR UPDATE SKIP LOCKED",
        at,
    )
    for n, _ in over:
        await flow.hand_over(c, n, NOBODY, at)
    return tuple([await get(c, id) for _, id in over])


async def say(
    c: Connection,
    id: str,
    fence: int,
    sends: Sequence[NewSend],
    journal: JournalLine | None,
    at: int,
) -> None:
    """Queue a reply. A repeat of a reply that is queued already says nothing, even when the fence has moved."""
    await flow.checked(c, id, None)
    if await c.fetchval("SELECT true FROM outbox WHERE key = $1", kept(sends[0].key)):
        return
    conv, _, _ = await flow.checked(c, id, fence)
    await outbox.add_all(c, [(conv, send, send.fence) for send in sends], at)
    if journal is not None:
        await records.write_journal(c, [journal])


async def note(c: Connection, id: str, entry: Entry) -> int:
    conv, _, _ = await flow.checked(c, id, None)
    return await timeline.write(c, conv, [entry])


async def original(c: Connection, id: str, seq: int, journal: JournalLine) -> str:
    text = await timeline.original(c, id, seq)
    await records.write_journal(c, [journal])
    return text


async def release(
    c: Connection,
    id: str,
    fence: int,
    owner: str,
    status: str,
    *,
    at: datetime,
    notice: Entry,
    journal: JournalLine | None,
) -> Conversation:
    conv, _, _ = await flow.checked(c, id, fence)
    await flow.hand_over(c, conv, owner, rows.micros(at))
    await _set_status(c, conv, status, rows.micros(at))
    await timeline.write(c, conv, [notice])
    if journal is not None:
        await records.write_journal(c, [journal])
    return await get(c, id)


async def _set_status(c: Connection, conv: int, status: str, at: int) -> None:
    if status:
        await c.execute("UPDATE conversation SET status = $1, active_at = $2 WHERE n = $3", status, at, conv)


async def amend(
    c: Connection,
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
    conv, current, holder = await flow.checked(c, id, fence)
    stored = await records.revision(c, record.number)
    if record.revision != stored + 1:
        raise Conflict(f"{record.number} stands at revision {stored}, {record.revision} does not follow")
    journal = await records.write(c, conv, record, journal)
    await _set_status(c, conv, status, at)
    if owner is not None and owner != holder:
        current = await flow.hand_over(c, conv, owner, at)
    await timeline.write(c, conv, notices)
    await flow.queue(c, conv, sends, current, at)
    await records.write_journal(c, journal)
    return await get(c, id)


# --- agents and their browsers ------------------------------------------------------------------------


async def agents(c: Connection) -> tuple[Agent, ...]:
    found = await c.fetch(f'SELECT {agent_rows.AGENT} FROM agent a ORDER BY a.login COLLATE "C"')  # noqa: S608
    return tuple(agent_rows.agent(read(r)) for r in found)


async def put_agent(c: Connection, agent: Agent) -> None:
    """Write or change an agent. Raises Conflict when the login is another agent's."""
    row = [kept(value) if isinstance(value, str) else value for value in agent_rows.agent_row(agent)]
    if await c.fetchval("SELECT true FROM agent WHERE login = $1 AND id <> $2", row[1], row[0]):
        raise Conflict(f"the login {agent.login} is taken")
    # Two who take one login at once break its key; the one who runs again finds it taken.
    await c.execute(
        "INSERT INTO agent (id, login, name, role, skills, password, active) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (id) DO UPDATE SET login = excluded.login, name = excluded.name, role = excluded.role,"
        " skills = excluded.skills, password = excluded.password, active = excluded.active",
        *row,
    )


async def put_session(c: Connection, session: DeskSession, at: int) -> None:
    await c.execute(
        "DELETE FROM desk_session WHERE token_hash IN"
        " (SELECT token_hash FROM desk_session WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        at,
        _SWEPT,
    )
    await c.execute(
        "INSERT INTO desk_session (token_hash, agent, csrf, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (token_hash) DO UPDATE SET agent = excluded.agent, csrf = excluded.csrf,"
        " created_at = excluded.created_at, expires_at = excluded.expires_at",
        *agent_rows.session_row(session),
    )


async def session(c: Connection, token_hash: str, now: datetime) -> tuple[DeskSession, Agent]:
    row = await c.fetchrow(
        f"SELECT {agent_rows.SESSION}, {agent_rows.AGENT}"  # noqa: S608 - our own columns
        " FROM desk_session s JOIN agent a ON a.id = s.agent"
        " WHERE s.token_hash = $1 AND s.expires_at > $2 AND a.active",
        kept(token_hash),
        rows.micros(now),
    )
    values = read(rows.found(row, "such session"))
    return agent_rows.session(values[:5]), agent_rows.agent(values[5:])


async def end_session(c: Connection, token_hash: str) -> None:
    await c.execute("DELETE FROM desk_session WHERE token_hash = $1", kept(token_hash))


async def put_once(c: Connection, scope: str, key: str, value: bytes, expires_at: datetime, at: int) -> bytes:
    await c.execute(
        "DELETE FROM once WHERE (scope, key) IN"
        " (SELECT scope, key FROM once WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        at,
        _SWEPT,
    )
    found = await c.fetchval(
        "INSERT INTO once AS o (scope, key, value, expires_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (scope, key) DO UPDATE SET"
        " value = CASE WHEN o.expires_at <= $5 THEN excluded.value ELSE o.value END,"
        " expires_at = CASE WHEN o.expires_at <= $5 THEN excluded.expires_at ELSE o.expires_at END RETURNING value",
        kept(scope),
        kept(short(key)),
        value,
        rows.micros(expires_at),
        at,
    )
    return bytes(found)


async def take_once(c: Connection, scope: str, key: str, now: datetime) -> bytes | None:
    """One caller gets it: who comes second finds the row gone."""
    row = await c.fetchrow(
        "DELETE FROM once WHERE scope = $1 AND key = $2 RETURNING value, expires_at", kept(scope), kept(short(key))
    )
    return bytes(row[0]) if row is not None and row[1] > rows.micros(now) else None
