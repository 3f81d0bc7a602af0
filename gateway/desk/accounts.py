"""The agents' accounts as the command line changes them: by login, in plain rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from gateway.context import Gateway
from gateway.desk import passwords, people
from gateway.store.base import Agent, Role

Params = Mapping[str, Any]
Rows = list[dict[str, Any]]


class AccountError(Exception):
    """The account cannot be made or changed; the message says why."""


async def listing(gateway: Gateway, params: Params) -> Rows:  # noqa: ARG001 - every operation takes parameters
    """All accounts."""
    return [_row(agent) for agent in await gateway.store.agents()]


async def add(gateway: Gateway, params: Params) -> Rows:
    """A new account, and a one-time login link when it has no password."""
    role: Role = params.get("role") or "agent"
    if role not in get_args(Role):
        raise AccountError(f"there is no role `{role}`; one of {', '.join(get_args(Role))}")
    try:
        agent = await people.add_agent(
            gateway,
            login=params["login"],
            name=params.get("name") or params["login"],
            role=role,
            password=params.get("password", ""),
            skills=tuple(params.get("skills", ())),
        )
    except people.LoginTaken as err:
        raise AccountError(f"the login `{err}` is taken") from None
    except passwords.WeakPassword as err:
        raise AccountError(str(err)) from None
    link = {} if agent.password else {"link": await people.new_login_link(gateway, agent.id)}
    return [_row(agent) | link]


async def passwd(gateway: Gateway, params: Params) -> Rows:
    """A new password for an account."""
    agent = await _found(gateway, params["login"])
    try:
        hashed = await passwords.hash_in_thread(params["password"])
    except passwords.WeakPassword as err:
        raise AccountError(str(err)) from None
    return await _changed(gateway, msgspec.structs.replace(agent, password=hashed))


async def disable(gateway: Gateway, params: Params) -> Rows:
    """Shut an account: its sessions end at once, its history stays."""
    return await _changed(gateway, msgspec.structs.replace(await _found(gateway, params["login"]), active=False))


async def enable(gateway: Gateway, params: Params) -> Rows:
    """Open an account again."""
    return await _changed(gateway, msgspec.structs.replace(await _found(gateway, params["login"]), active=True))


async def link(gateway: Gateway, params: Params) -> Rows:
    """A one-time login link for an account."""
    agent = await _found(gateway, params["login"])
    return [_row(agent) | {"link": await people.new_login_link(gateway, agent.id)}]


async def _found(gateway: Gateway, login: str) -> Agent:
    agent = await people.find_login(gateway, login)
    if agent is None:
        raise AccountError(f"there is no account `{login}`")
    return agent


async def _changed(gateway: Gateway, agent: Agent) -> Rows:
    await gateway.store.put_agent(agent)
    return [_row(agent)]


def _row(agent: Agent) -> dict[str, Any]:
    return {
        "login": agent.login,
        "name": agent.name,
        "role": agent.role,
        "skills": list(agent.skills),
        "active": "yes" if agent.active else "no",
        "password": "set" if agent.password else "none",
    }
