"""For administrators: what was given up or could not be read, and the agents' accounts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway import operations, wake
from gateway.desk import passwords, people
from gateway.store.base import Agent, NotFound, Role
from gateway.web.desk.guard import Visit, acts, body_of, json_response, reads
from gateway.web.problems import ProblemError

#: Most characters of quarantined bytes that a list shows.
_PEEK = 2000


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to run again."""

    ids: Annotated[tuple[int, ...], Meta(min_length=1, max_length=500)]


class NewAgent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    login: Annotated[str, Meta(min_length=1, max_length=100)]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Role = "agent"
    skills: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of an account; a field left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    role: Role | None = None
    skills: tuple[str, ...] | None = None
    active: bool | None = None
    password: str | None = None


def routes() -> list[web.AbstractRouteDef]:
    """Only for the role admin."""
    return [
        web.get("/desk/api/outbox", reads(outbox, "admin")),
        web.post("/desk/api/outbox/replay", acts(replay_outbox, "admin")),
        web.get("/desk/api/inbox", reads(inbox, "admin")),
        web.post("/desk/api/inbox/replay", acts(replay_inbox, "admin")),
        web.get("/desk/api/quarantine", reads(quarantine, "admin")),
        web.post("/desk/api/quarantine/{id}/replay", acts(replay_quarantined, "admin")),
        web.post("/desk/api/quarantine/{id}/drop", acts(drop_quarantined, "admin")),
        web.get("/desk/api/agents", reads(agents, "admin")),
        web.post("/desk/api/agents", acts(add_agent, "admin")),
        web.post("/desk/api/agents/{id}", acts(change_agent, "admin")),
        web.post("/desk/api/agents/{id}/link", acts(login_link, "admin")),
    ]


async def outbox(visit: Visit) -> web.Response:
    """Outbox rows by state, without what they say."""
    page = await visit.gateway.store.outbox(state=_state(visit, "dead"), cursor=visit.request.query.get("cursor", ""))
    return json_response({"items": [_without(row, "body") for row in page.items], "cursor": page.cursor})


async def replay_outbox(visit: Visit) -> web.Response:
    """Let dead or unknown rows go out again."""
    body = await body_of(visit.request, Rows)
    done = await visit.gateway.store.replay_sends(body.ids, visit.gateway.clock())
    visit.gateway.wake.signal(wake.OUTBOX)
    visit.gateway.wake.signal(wake.DESK)
    return json_response({"replayed": done})


async def inbox(visit: Visit) -> web.Response:
    """Inbox rows by state."""
    page = await visit.gateway.store.inbox(state=_state(visit, "held"), cursor=visit.request.query.get("cursor", ""))
    return json_response({"items": page.items, "cursor": page.cursor})


async def replay_inbox(visit: Visit) -> web.Response:
    """Open held rows again."""
    body = await body_of(visit.request, Rows)
    done = await visit.gateway.store.replay_inbox(body.ids)
    visit.gateway.wake.signal(wake.INBOX)
    return json_response({"replayed": done})


async def quarantine(visit: Visit) -> web.Response:
    """What could not be read, with its first characters."""
    page = await visit.gateway.store.quarantined(cursor=visit.request.query.get("cursor", ""))
    items = [
        _without(row, "raw", "headers") | {"size": len(row.raw), "peek": row.raw[:_PEEK].decode("utf-8", "replace")}
        for row in page.items
    ]
    return json_response({"items": items, "cursor": page.cursor})


async def replay_quarantined(visit: Visit) -> web.Response:
    """Read one again; what still cannot be read stays, with the reason."""
    return await _on_quarantined(visit, operations.quarantine_replay)


async def drop_quarantined(visit: Visit) -> web.Response:
    """Set one aside for good; its bytes stay."""
    return await _on_quarantined(visit, operations.quarantine_drop)


async def _on_quarantined(visit: Visit, operation: operations.Operation) -> web.Response:
    id = visit.request.match_info["id"]
    if not id.isdecimal():
        raise NotFound("quarantine row")
    try:
        (row,) = await operation(visit.gateway, {"ids": [int(id)]})
    except operations.OperationError as err:
        raise ProblemError(422, str(err), code="value") from None
    if row["state"] == "open":
        raise ProblemError(422, row["reason"], code="value")
    return json_response(row)


async def agents(visit: Visit) -> web.Response:
    """All accounts, never their password hashes."""
    return json_response({"items": [_shown(agent) for agent in await visit.gateway.store.agents()]})


async def add_agent(visit: Visit) -> web.Response:
    """A new account and its first login link."""
    body = await body_of(visit.request, NewAgent)
    try:
        agent = await people.add_agent(
            visit.gateway, login=body.login, name=body.name, role=body.role, skills=body.skills
        )
    except people.LoginTaken:
        raise ProblemError(409, "Another account has this login.", code="login_taken") from None
    return json_response({"agent": _shown(agent), "link": await people.new_login_link(visit.gateway, agent.id)})


async def change_agent(visit: Visit) -> web.Response:
    """Change an account; nobody locks themselves out."""
    body, agent = await body_of(visit.request, Change), await _agent(visit)
    changes: dict[str, Any] = {
        field: value for field, value in msgspec.structs.asdict(body).items() if value is not None
    }
    if agent.id == visit.agent.id and (changes.get("active") is False or changes.get("role", "admin") != "admin"):
        raise ProblemError(422, "You cannot take your own rights away.", code="self")
    if "password" in changes:
        try:
            changes["password"] = await passwords.hash_in_thread(changes["password"])
        except passwords.WeakPassword as err:
            raise ProblemError(422, str(err), code="weak") from None
    agent = msgspec.structs.replace(agent, **changes)
    await visit.gateway.store.put_agent(agent)
    return json_response({"agent": _shown(agent)})


async def login_link(visit: Visit) -> web.Response:
    """A one-time login link for a colleague."""
    agent = await _agent(visit)
    return json_response({"link": await people.new_login_link(visit.gateway, agent.id)})


async def _agent(visit: Visit) -> Agent:
    agent = await people.find(visit.gateway, visit.request.match_info["id"])
    if agent is None:
        raise NotFound("agent")
    return agent


def _shown(agent: Agent) -> dict[str, Any]:
    return _without(agent, "password") | {"has_password": bool(agent.password)}


def _without(row: msgspec.Struct, *fields: str) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(row).items() if name not in fields}


def _state(visit: Visit, default: Literal["dead", "held"]) -> str:
    return visit.request.query.get("state", default)
