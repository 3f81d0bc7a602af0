"""Who sits at the desk: accounts, the first administrator, sessions and one-time login links."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from gateway.context import Gateway
from gateway.desk import passwords
from gateway.store.base import Agent, DeskSession, Role

#: How long a one-time login link works.
LINK_LIFE = timedelta(hours=1)
LINK_SCOPE = "login"
FORCEFUL: frozenset[Role] = frozenset(("lead", "admin"))


class LoginTaken(ValueError):
    """Another account has this login."""


async def ensure_admin(gateway: Gateway) -> Agent:
    """The installation's first active administrator; made (without a password) when there is none."""
    agents = await gateway.store.agents()
    for agent in agents:
        if agent.role == "admin" and agent.active:
            return agent
    taken = {agent.login for agent in agents}
    login = next(name for name in ("admin", *(f"admin{n}" for n in range(2, len(taken) + 3))) if name not in taken)
    return await add_agent(gateway, login=login, name="Admin", role="admin")


async def add_agent(
    gateway: Gateway, *, login: str, name: str, role: Role, password: str = "", skills: tuple[str, ...] = ()
) -> Agent:
    """A new account; without a password it enters by login link only. Raises :class:`LoginTaken`, WeakPassword."""
    login = login.strip().casefold()
    if await find_login(gateway, login) is not None:
        raise LoginTaken(login)
    agent = Agent(
        id=f"agent-{secrets.token_hex(5)}",
        login=login,
        name=name.strip() or login,
        role=role,
        skills=skills,
        password=await passwords.hash_in_thread(password) if password else "",
    )
    await gateway.store.put_agent(agent)
    return agent


async def find_login(gateway: Gateway, login: str) -> Agent | None:
    """The account with this login, active or not."""
    wanted = login.strip().casefold()
    return next((a for a in await gateway.store.agents() if a.login == wanted), None)


async def find(gateway: Gateway, agent_id: str) -> Agent | None:
    """The account with this id."""
    return next((a for a in await gateway.store.agents() if a.id == agent_id), None)


async def names(gateway: Gateway) -> dict[str, str]:
    """Names by agent id."""
    return {agent.id: agent.name for agent in await gateway.store.agents()}


async def new_login_link(gateway: Gateway, agent_id: str) -> str:
    """A URL that logs this agent in once, within :data:`LINK_LIFE`. Whoever holds it gets in: show it to nobody else."""
    token = secrets.token_urlsafe(32)
    await gateway.store.put_once(LINK_SCOPE, digest(token), agent_id.encode(), expires_at=gateway.clock() + LINK_LIFE)
    return f"{gateway.config.base_url}/desk/login/{token}"


async def follow_login_link(gateway: Gateway, token: str) -> Agent | None:
    """The agent of an unused link, which is used up by this."""
    agent_id = await gateway.store.take_once(LINK_SCOPE, digest(token), gateway.clock())
    agent = await find(gateway, agent_id.decode()) if agent_id else None
    return agent if agent is not None and agent.active else None


async def start_session(gateway: Gateway, agent: Agent) -> str:
    """A new session and its token, which is kept nowhere but in the browser."""
    token, now = secrets.token_urlsafe(32), gateway.clock()
    await gateway.store.put_session(
        DeskSession(
            token_hash=digest(token),
            agent=agent.id,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            expires_at=now + timedelta(hours=gateway.config.desk.session_hours),
        )
    )
    return token


def digest(token: str) -> str:
    """What the store keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
