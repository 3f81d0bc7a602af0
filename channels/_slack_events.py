"""What Slack's events say: https://docs.slack.dev/reference/events

A message is named by its channel and time (``<channel>:<ts>``). A direct chat is one thread, with one more for each thread that
is opened in it; in channels everybody reads along, so each thread there is public.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from channels.base import PUBLIC, Attachment, BadPayload, Inbound, Sender

#: Subtypes that are a person's words all the same.
_SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
#: Events of a workspace that are nobody's words, by the beginning of their names.
_HOUSEKEEPING = tuple(
    "channel_ group_ im_ member_ team_ user_ pin_ reaction_ star_ file_ emoji_ app_home app_uninstalled tokens_ subteam_"
    " dnd_ link_shared scope_ workflow_ bot_ call_ email_domain grid_ invite_ resources_ shared_channel function_".split()
)
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")


class Reader:
    """Reads the events of one account. ``channels``: whether what is said in channels is for us."""

    def __init__(self, channel: str, account: str, *, channels: bool) -> None:
        self._channel, self._account, self._channels = channel, account, channels

    def read(self, tree: Any, raw: bytes, at: datetime) -> tuple[Inbound, ...]:
        """The message of an event or of a pressed button; none for housekeeping. Raises :class:`BadPayload`."""
        try:
            found = self._read(tree, at)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, OSError) as err:
            raise BadPayload(f"not an event of Slack's: {type(err).__name__}") from None
        return () if found is None else (msgspec.structs.replace(found, raw=raw),)

    def _read(self, tree: Mapping[str, Any], at: datetime) -> Inbound | None:
        kind = tree["type"]
        if kind == "block_actions":
            return self._pressed(tree, at)
        if kind != "event_callback":
            id = f"{kind}:{tree.get('minute_rate_limited') or tree.get('trigger_id') or at.timestamp()}"
            return self._inbound(external_id=id, thread=id, sender=Sender(id=id), at=at, kind="event")
        event = tree["event"]
        name = _text(event["type"])
        if name in ("message", "app_mention"):
            return self._message(event)
        if name.startswith(_HOUSEKEEPING):
            return None
        id = _text(tree["event_id"])
        return self._inbound(external_id=id, thread=id, sender=Sender(id=id), at=at, kind="event")

    def _message(self, event: Mapping[str, Any]) -> Inbound | None:
        if not _is_direct(event) and not self._channels:
            return None
        subtype, room = str(event.get("subtype") or ""), _text(event["channel"])
        if subtype == "message_changed":
            return self._changed(event, room)
        if subtype == "message_deleted":
            gone = event.get("previous_message") or {}
            at, who = _moment(event["event_ts" if "event_ts" in event else "ts"]), str(gone.get("user") or room)
            return self._inbound(
                external_id=f"{room}:{event['deleted_ts']}:deleted",
                thread=_thread(event, gone),
                sender=Sender(id=who),
                at=at,
                kind="delete",
                refers_to=f"{room}:{event['deleted_ts']}",
            )
        if subtype == "bot_message" or event.get("bot_id"):
            return self._said(event, event, room, machine="echo")
        return self._said(event, event, room) if subtype in _SPOKEN else None

    def _changed(self, event: Mapping[str, Any], room: str) -> Inbound | None:
        message, before = event["message"], event.get("previous_message") or {}
        if message.get("bot_id") or (message.get("text") == before.get("text") and not message.get("edited")):
            return None  # our own, or Slack has only unfolded a link in it
        name = f"{room}:{message['ts']}"
        at = _moment((message.get("edited") or event)["ts"])
        edited = self._said(event, message, room)
        return msgspec.structs.replace(edited, kind="edit", refers_to=name, external_id=f"{name}:{event['ts']}", at=at)

    def _said(self, event: Mapping[str, Any], message: Mapping[str, Any], room: str, **more: Any) -> Inbound:
        who = str(message.get("user") or message.get("bot_id") or room)
        replied = message.get("thread_ts")
        return self._inbound(
            external_id=f"{room}:{_text(message['ts'])}",
            thread=_thread(event, message),
            sender=Sender(id=who, name=str(message.get("username") or "")),
            at=_moment(message["ts"]),
            text=plain(str(message.get("text") or "")),
            attachments=tuple(_file(file) for file in message.get("files") or ()),
            reply_to=f"{room}:{replied}" if replied and replied != message["ts"] else "",
            **more,
        )

    def _pressed(self, tree: Mapping[str, Any], at: datetime) -> Inbound:
        action, room = tree["actions"][0], _text(tree["channel"]["id"])
        message = tree.get("message") or {}
        place = {"channel": room, "channel_type": "im" if room.startswith("D") else "channel"}
        label = (action.get("text") or {}).get("text")
        return self._inbound(
            external_id=f"{room}:press-{_text(action.get('action_ts') or tree['trigger_id'])}",
            thread=_thread(place, message),
            sender=Sender(id=_text(tree["user"]["id"]), name=str(tree["user"].get("name") or "")),
            at=_moment(action["action_ts"]) if action.get("action_ts") else at,
            text=str(label or action.get("value") or ""),
            choice=str(action.get("value") or ""),
        )

    def _inbound(self, **values: Any) -> Inbound:
        return Inbound(channel=self._channel, account=self._account, **values)


def place(thread: str) -> tuple[str, str]:
    """The channel and the thread's time, empty where there is none."""
    room, _, time = thread.removeprefix(PUBLIC).partition(":")
    return room, time


def plain(text: str) -> str:
    """Slack's markup as people read it: links as they are, names of people and channels behind their signs."""
    return html.unescape(_LINK.sub(_linked, text))


def escaped(text: str) -> str:
    """Text that Slack takes as text: three characters are its markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _linked(match: re.Match[str]) -> str:
    target, label = match[1], match[2] or ""
    if target[0] in "@#!":
        return f"{target[0] if target[0] != '!' else '@'}{label.lstrip('@#') or target[1:]}"
    return target.removeprefix("mailto:") if not label or label in target else f"{label} ({target})"


def _is_direct(event: Mapping[str, Any]) -> bool:
    return event.get("channel_type") == "im" or str(event.get("channel", "")).startswith("D")


def _thread(event: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    room, time = _text(event["channel"]), message.get("thread_ts") or ""
    if _is_direct(event):
        return f"{room}:{time}" if time else room
    return f"{PUBLIC}{room}:{time or message.get('ts') or event['ts']}"


def _moment(ts: Any) -> datetime:
    return datetime.fromtimestamp(float(_text(ts)), UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _file(file: Mapping[str, Any]) -> Attachment:
    url = file.get("url_private_download") or file.get("url_private")
    size = file.get("size")
    named = Attachment(
        name=str(file.get("name") or file.get("title") or "file"),
        type=str(file.get("mimetype") or ""),
        size=size if isinstance(size, int) else 0,
        url=url if isinstance(url, str) else "",
    )
    if named.url:
        return named
    return msgspec.structs.replace(named, state="failed", reason="Slack names no address for the file")
