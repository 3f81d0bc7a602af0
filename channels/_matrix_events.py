"""What Matrix's events say: https://spec.matrix.org/v1.16/client-server-api/#instant-messaging"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from channels._unread import unread
from channels.base import PUBLIC, Attachment, Inbound, Sender

#: The events that are asked for.
SPOKEN, SEALED, REDACTION, STICKER, MEMBER = (
    "m.room.message",
    "m.room.encrypted",
    "m.room.redaction",
    "m.sticker",
    "m.room.member",
)
KINDS = (SPOKEN, SEALED, REDACTION, STICKER, MEMBER)
#: What is shown for a message of an encrypted room.
LOCKED = "an encrypted message, which cannot be read here"
_FILES = frozenset({"m.image", "m.audio", "m.video", "m.file"})
#: Older clients repeat above an answer what it answers, line by line.
_QUOTED = re.compile(r"\A(?:> [^\n]*\n)+\n?")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A room as far as it matters: whether more than two are in it, and how its members call themselves."""

    public: bool = False
    names: Mapping[str, str] = {}


class Reader:
    """Reads the events of one account."""

    def __init__(self, channel: str, account: str) -> None:
        self._channel, self._account = channel, account

    def read(
        self, room: str, event: Any, me: str, place: Place, threads: Mapping[str, str], now: datetime
    ) -> Inbound | None:
        """The message of an event. What should be one and cannot be read is shown to a person.

        ``threads``: in which thread those earlier events were said that are not simply their room's.
        """
        raw = msgspec.json.encode({**event, "room_id": room} if isinstance(event, dict) else event)
        try:
            found = self._read(room, event, me, place, threads)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError):
            shown = "an event of Matrix's that could not be read"
            return unread(self._channel, self._account, raw, now, shown)
        return None if found is None else msgspec.structs.replace(found, raw=raw)

    def _read(
        self, room: str, event: Mapping[str, Any], me: str, place: Place, threads: Mapping[str, str]
    ) -> Inbound | None:
        kind, content = _text(event["type"]), event["content"]
        if kind not in KINDS or kind == MEMBER or "state_key" in event:
            return None
        id, who = _text(event["event_id"]), _text(event["sender"])
        base = Inbound(
            channel=self._channel,
            account=self._account,
            external_id=id,
            thread=_thread(room, event, place, threads),
            sender=Sender(id=who, name=place.names.get(who) or who.partition(":")[0].lstrip("@")),
            at=datetime.fromtimestamp(int(event["origin_server_ts"]) / 1000, UTC),
            machine="echo" if who == me else "",
        )
        if kind == REDACTION:
            return msgspec.structs.replace(base, kind="delete", refers_to=_text(target(event)))
        if kind == SEALED:
            return msgspec.structs.replace(base, placeholder=LOCKED, silent="" if base.machine else "person")
        return _said(base, kind, content)


def target(event: Mapping[str, Any]) -> str:
    """The event that a redaction or an edit changes, or whose thread this one belongs to."""
    content = event.get("content") or {}
    relation = content.get("m.relates_to") or {}
    redacted = event.get("redacts") or content.get("redacts")
    answered = (relation.get("m.in_reply_to") or {}).get("event_id")
    return str(redacted or relation.get("event_id") or answered or "")


def targets(events: Iterable[Any]) -> list[str]:
    """All that a page of events points at."""
    found: list[str] = []
    for event in events:
        try:
            found.append(target(event))
        except (AttributeError, TypeError):
            continue  # it is read, and told, with the others
    return [one for one in found if one]


def _thread(room: str, event: Mapping[str, Any], place: Place, threads: Mapping[str, str]) -> str:
    """The room; with its root where a thread was opened. Where others read along, each who begins has a thread of their own."""
    changed = target(event)
    if changed in threads:
        return threads[changed]
    relation = event["content"].get("m.relates_to") or {}
    if relation.get("rel_type") == "m.thread":
        return f"{PUBLIC if place.public else ''}{room}/{_text(relation['event_id'])}"
    if not place.public:
        return room
    return f"{PUBLIC}{room}/{changed or event['event_id']}"


def _said(base: Inbound, kind: str, content: Mapping[str, Any]) -> Inbound | None:
    relation = content.get("m.relates_to") or {}
    if relation.get("rel_type") == "m.replace":
        new = content.get("m.new_content") or {}
        return msgspec.structs.replace(base, kind="edit", refers_to=_text(relation["event_id"]), **_content(kind, new))
    if not content:  # it was taken back before we saw it: its words are gone everywhere
        return msgspec.structs.replace(base, placeholder="a message that was taken back")
    if str(content.get("msgtype")).startswith("m.key.verification."):
        return None
    answered = str((relation.get("m.in_reply_to") or {}).get("event_id") or "")
    found = msgspec.structs.replace(base, reply_to=answered, **_content(kind, content))
    text = _QUOTED.sub("", found.text) if answered else found.text
    bot = content.get("msgtype") == "m.notice" and not base.machine
    return msgspec.structs.replace(found, text=text, machine="auto_reply" if bot else base.machine)


def _content(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Words and files. The body of a file is its name, or its caption where it has a name besides."""
    body = _text(content["body"])
    if kind == STICKER:
        return {"placeholder": f"[sticker: {body}]"}
    match content.get("msgtype"):
        case "m.text" | "m.notice" | "m.emote":
            return {"text": body}
        case "m.location":
            return {"text": body, "placeholder": f"a location: {content.get('geo_uri')}"}
        case other if other in _FILES and "url" in content:
            name = str(content.get("filename") or body)
            return {"text": "" if name == body else body, "attachments": (_file(name, content),)}
        case other if other in _FILES:
            return {"placeholder": "an encrypted file, which cannot be read here"}
        case _:
            return {"text": body}


def _file(name: str, content: Mapping[str, Any]) -> Attachment:
    info = content.get("info") or {}
    size = info.get("size")
    return Attachment(
        name=name,
        type=str(info.get("mimetype") or "").partition(";")[0],
        size=size if isinstance(size, int) and size > 0 else 0,
        url=_text(content["url"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value
