"""Agents and their sessions as rows, the same in every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import Agent, DeskSession

#: The columns of :func:`agent`.
AGENT = "a.id, a.login, a.name, a.role, a.skills, a.password, a.active"
#: The columns of :func:`session`.
SESSION = "s.token_hash, s.agent, s.csrf, s.created_at, s.expires_at"


def agent(row: Sequence[Any]) -> Agent:
    id, login, name, role, skills, password, active = row
    return msgspec.convert(
        {
            "id": id,
            "login": login,
            "name": name,
            "role": role,
            "skills": msgspec.json.decode(skills),
            "password": password,
            "active": bool(active),
        },
        Agent,
    )


def agent_row(agent: Agent) -> tuple[Any, ...]:
    """As :data:`AGENT`."""
    skills = rows.encode(agent.skills).decode()
    return (agent.id, agent.login, agent.name, agent.role, skills, agent.password, agent.active)


def session(row: Sequence[Any]) -> DeskSession:
    return DeskSession(
        token_hash=row[0], agent=row[1], csrf=row[2], created_at=rows.when(row[3]), expires_at=rows.when(row[4])
    )


def session_row(session: DeskSession) -> tuple[Any, ...]:
    """As :data:`SESSION`."""
    times = (rows.micros(session.created_at), rows.micros(session.expires_at))
    return (session.token_hash, session.agent, session.csrf, *times)
