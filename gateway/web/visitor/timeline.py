"""A conversation as its visitor may see it: what was said, in order, and what is being typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from aiohttp import web

from gateway import wake
from gateway.context import GATEWAY, Gateway
from gateway.store.base import BOT, Entry, NotFound
from gateway.web.problems import ProblemError
from gateway.web.visitor import who

#: Lines in one page of history, and how many a fresh window gets.
PAGE = 100


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a line; its bytes are at ``/widget/v1/files/<seq>/<n>``, counted from 0. ``size`` in bytes."""

    name: str
    type: str
    size: int
    state: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A quick reply."""

    label: str
    value: str


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message"):
    """One line for the window. ``author``: ``me``, ``bot``, ``agent``; ``id`` is the window's own of what it sent.

    ``refers_to`` is the seq of a line that this one replaces (or takes back, when ``deleted``).
    """

    seq: int
    at: datetime
    author: str
    name: str = ""
    text: str = ""
    language: str = ""
    files: tuple[File, ...] = ()
    buttons: tuple[Choice, ...] = ()
    id: str = ""
    refers_to: int = 0
    deleted: bool = False


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="status"):
    """Something that happened: ``joined``, ``left``, ``closed``, ``reopened``."""

    seq: int
    at: datetime
    status: str
    name: str = ""


class Typing(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="typing"):
    """Somebody writes at this moment; it is nowhere stored."""

    author: str
    name: str


Event = Line | Status | Typing


def shown(entry: Entry) -> Line | Status:
    """A stored line as the visitor sees it: no ids of agents, no digests, no keys."""
    if entry.kind == "notice":
        return Status(seq=entry.seq, at=entry.at, status=entry.notice, name=entry.author_name)
    mine = entry.kind == "inbound"
    return Line(
        seq=entry.seq,
        at=entry.at,
        author="me" if mine else BOT if entry.author == BOT else "agent",
        name="" if mine else entry.author_name,
        text=entry.text,
        language=entry.language,
        files=tuple(File(name=a.name, type=a.type, size=a.size, state=a.state) for a in entry.attachments),
        buttons=tuple(Choice(label=label, value=value) for label, value in entry.buttons),
        id=entry.external_id.rpartition(":")[2] if mine else "",
        refers_to=entry.refers_to,
        deleted=entry.deleted,
    )


async def newest(gateway: Gateway, conversation: str) -> int:
    """The seq of the last line, 0 before the first."""
    try:
        return (await gateway.store.conversation(conversation)).last_seq
    except NotFound:
        return 0


async def read(gateway: Gateway, conversation: str, after: int, limit: int = PAGE) -> tuple[Entry, ...]:
    """What the visitor may see after ``after``; nothing before their first message."""
    try:
        return await gateway.store.timeline(conversation, after=after, limit=limit, visible_only=True)
    except NotFound:
        return ()


async def follow(
    gateway: Gateway, conversation: str, after: int, *, beat: float | None = None
) -> AsyncIterator[Event | None]:
    """Everything after ``after``, then what comes, for ever; None at least whenever ``beat`` seconds were quiet.

    A signal only says "look again": what is yielded comes from the store, so nothing can be missed between
    reading and listening. A signal that is lost on its way from another node costs a few seconds.
    """
    with gateway.wake.listen(wake.conversation(conversation)) as listener:
        hints: tuple[wake.Hint, ...] = ()
        while True:
            spoke, more = False, True
            while more:
                page = await read(gateway, conversation, after)
                for entry in page:
                    after, spoke = entry.seq, True
                    yield shown(entry)
                more = len(page) == PAGE  # what is written after this was read has given a signal of its own
            for hint in () if spoke else hints[-1:]:
                if hint.get("type") == "typing" and hint.get("who") == "agent":
                    yield Typing(author="agent", name=str(hint.get("name", "")))
            hints = await listener.next(min(beat or wake.SURE, gateway.wake.poll))
            if beat is not None and not hints:
                yield None


async def history(http: web.Request) -> web.Response:
    """``GET history?after=seq``: up to :data:`PAGE` lines, oldest first, and whether there are more."""
    visitor = who.visitor(http)
    page = await read(http.app[GATEWAY], visitor.conversation, number(http, "after"))
    body = {"events": [shown(entry) for entry in page], "more": len(page) == PAGE}
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def number(http: web.Request, name: str) -> int:
    """A count from the query, 0 when absent. Raises :class:`ProblemError` 400."""
    text = http.query.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ProblemError(400, f"`{name}` is a whole number")
    return int(text)
