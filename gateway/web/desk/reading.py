"""What the desk's page reads: who I am, the queue, one conversation with all that is known of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

import msgspec
from aiohttp import web

from gateway.calls import CALLS
from gateway.desk import contacts, people, revise
from gateway.store.base import Conversation, ConversationLine, Entry, JournalLine, NotFound, Send, View
from gateway.web.desk import recordings
from gateway.web.desk.guard import Visit, json_response, reads
from gateway.web.labels import CATEGORIES, LANGUAGES, by_language
from gateway.web.problems import ProblemError
from normalizer.mask import mask
from normalizer.record import ComplaintRecord, Disposition

#: Timeline lines of one answer.
LINES = 200
_BODY = msgspec.json.Decoder(dict[str, Any])


def routes() -> list[web.AbstractRouteDef]:
    """The routes that only look."""
    return [
        web.get("/desk/api/me", reads(me)),
        web.get("/desk/api/conversations", reads(conversations)),
        web.get("/desk/api/conversations/{id}", reads(conversation)),
    ]


async def me(visit: Visit) -> web.Response:
    """Who is logged in, the page's token, and the lists its forms need."""
    agent, gateway = visit.agent, visit.gateway
    return json_response(
        {
            "agent": {"id": agent.id, "name": agent.name, "login": agent.login, "role": agent.role},
            "has_password": bool(agent.password),
            "csrf": visit.session.csrf,
            "now": gateway.clock(),
            "company": {tag: gateway.config.company.called(tag) for tag in LANGUAGES},
            "lease_minutes": gateway.config.desk.lease_minutes,
            "limits": {"file": gateway.config.limits.file, "files": gateway.config.limits.files},
            "dispositions": [value for value in get_args(Disposition) if value],
            "choices": {field: revise.choices(field) for field in get_args(revise.Correctable)},
            "categories": categories(visit),
        }
    )


def categories(visit: Visit) -> dict[str, dict[str, str]]:
    """The category codes of the rules in force, with their labels by language."""
    return {code: by_language(CATEGORIES, code) for code in visit.gateway.rules.categories}


async def conversations(visit: Visit) -> web.Response:
    """One page of a view, or what a search finds."""
    query = visit.request.query
    view = query.get("view", "waiting")
    if view not in get_args(View):
        raise ProblemError(422, f"there is no view {view!r}", code="value")
    store = visit.gateway.store
    if text := query.get("q", "").strip():
        page = await store.search(text[:200])
    else:
        # mypy cannot narrow a str to the literal by `in`
        page = await store.conversations(view, agent=visit.agent.id, cursor=query.get("cursor", ""))  # type: ignore[arg-type]
    calls = visit.request.app[CALLS].conversations()
    return json_response(
        {"items": [_line(line, calls) for line in page.items], "cursor": page.cursor, "now": visit.gateway.clock()}
    )


async def conversation(visit: Visit) -> web.Response:
    """One conversation: its timeline (the latest lines, or those before ``before``), and what belongs to it."""
    store, id = visit.gateway.store, visit.request.match_info["id"]
    conversation = await store.conversation(id)
    before = _number(visit.request.query.get("before", ""), conversation.last_seq + 1)
    entries = await store.timeline(id, after=max(0, before - LINES - 1), limit=LINES)
    record, journal = await _case(visit, conversation)
    names = await people.names(visit.gateway)
    return json_response(
        {
            "now": visit.gateway.clock(),
            "conversation": conversation,
            "owner_name": names.get(conversation.owner, ""),
            "names": names,
            "entries": [entry for entry in entries if entry.seq < before and not _of_an_action(entry)],
            "recordings": await recordings.states(visit, id),
            "call": visit.request.app[CALLS].shown(id),
            "pending": [_send(send) for send in await store.pending(id) if send.destination.startswith("channel:")],
            "record": record,
            "contact": await contacts.shown(visit.gateway, id),
            "journal": journal,
            "traces": [msgspec.Raw(trace) for trace in await store.traces(id)],
        }
    )


async def _case(visit: Visit, conversation: Conversation) -> tuple[ComplaintRecord | None, tuple[JournalLine, ...]]:
    if not conversation.number:
        return None, ()
    try:
        record = await visit.gateway.store.record(conversation.number)
    except NotFound:
        return None, ()
    return record, await visit.gateway.store.journal(conversation.number)


def _of_an_action(entry: Entry) -> bool:
    """The inbox row that brought an action's result: its notice says the same in words."""
    return entry.kind == "inbound" and not entry.visible and entry.external_id.startswith("action/")


def _line(line: ConversationLine, calls: Collection[str]) -> dict[str, Any]:
    """One flat line of the list."""
    flat: dict[str, Any] = msgspec.structs.asdict(line)
    return msgspec.structs.asdict(flat.pop("conversation")) | flat | {"on_call": line.conversation.id in calls}


def _send(send: Send) -> dict[str, Any]:
    """An outbox row as the page shows it between the bubbles."""
    out = _BODY.decode(send.body)
    return {
        "id": send.id,
        "key": send.key,
        "kind": send.kind,
        "state": send.state,
        "tries": send.tries,
        "error": send.error,
        "created_at": send.created_at,
        "next_at": send.next_at,
        "text": mask(out.get("text", "")),
        "author": out.get("author", ""),
        "attachments": [{"name": a.get("name", ""), "size": a.get("size", 0)} for a in out.get("attachments", ())],
    }


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else default
