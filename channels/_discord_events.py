"""What Discord's events say: https://discord.com/developers/docs/resources/message"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from channels._unread import unread
from channels.base import PUBLIC, Attachment, Inbound, Sender

#: Milliseconds between 1970 and the first second of Discord's ids.
EPOCH = 1420070400000
#: A message as people write it, and an answer to one; the other kinds are Discord's own words.
_SPOKEN = frozenset({0, 19})


class Reader:
    """Reads the events of one account. ``channels``: whether what is said in servers is for us."""

    def __init__(self, channel: str, account: str, *, channels: bool) -> None:
        self._channel, self._account, self._channels = channel, account, channels

    def read(self, kind: str, data: Any, me: str, now: datetime) -> tuple[Inbound, ...]:
        """The messages of an event. What should be one and cannot be read is shown to a person."""
        try:
            return self._read(kind, data, me)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
            raw = msgspec.json.encode((kind, data))
            shown = "an event of Discord's that could not be read"
            return (unread(self._channel, self._account, raw, now, shown),)

    def _read(self, kind: str, data: Mapping[str, Any], me: str) -> tuple[Inbound, ...]:
        if data.get("guild_id") and not self._channels:
            return ()
        raw = msgspec.json.encode(data)
        match kind:
            case "MESSAGE_CREATE":
                found = self._message(data, me)
            case "MESSAGE_UPDATE":
                found = self._edited(data, me)
            case "MESSAGE_DELETE":
                return (msgspec.structs.replace(self._deleted(data, data["id"]), raw=raw),)
            case "MESSAGE_DELETE_BULK":
                return tuple(msgspec.structs.replace(self._deleted(data, id), raw=raw) for id in data["ids"])
            case "INTERACTION_CREATE":
                found = self._pressed(data)
            case _:
                return ()
        return () if found is None else (msgspec.structs.replace(found, raw=raw),)

    def _message(self, data: Mapping[str, Any], me: str) -> Inbound | None:
        if data.get("type", 0) not in _SPOKEN:
            return None
        id, author = _id(data["id"]), data["author"]
        own = author["id"] == me or author.get("bot") is True
        files, text = tuple(_file(file) for file in data.get("attachments") or ()), str(data.get("content") or "")
        answered = data.get("message_reference") or {}
        return self._inbound(
            external_id=id,
            thread=_thread(data),
            sender=_sender(author),
            at=moment(id),
            text=text,
            machine="echo" if own else "",
            attachments=files,
            reply_to=str(answered.get("message_id") or ""),
            placeholder="" if text or files else _stands_for(data),
        )

    def _edited(self, data: Mapping[str, Any], me: str) -> Inbound | None:
        """Discord tells as an update also that it has unfolded a link; then nobody has edited anything."""
        stamp = data.get("edited_timestamp")
        if not stamp or "author" not in data or (found := self._message(data, me)) is None:
            return None
        at = datetime.fromisoformat(str(stamp)).astimezone(UTC)
        return msgspec.structs.replace(
            found,
            kind="edit",
            refers_to=found.external_id,
            external_id=f"{found.external_id}:{int(at.timestamp() * 1000)}",
            at=at,
        )

    def _deleted(self, data: Mapping[str, Any], id: Any) -> Inbound:
        name, thread = _id(id), _thread(data)
        return self._inbound(
            external_id=f"{name}:deleted",
            thread=thread,
            sender=Sender(id=thread),
            at=moment(name),
            kind="delete",
            refers_to=name,
        )

    def _pressed(self, data: Mapping[str, Any]) -> Inbound | None:
        if data.get("type") != 3:  # a component; slash commands are none of ours
            return None
        id, value = _id(data["id"]), str(data["data"]["custom_id"])
        message = data.get("message") or {}
        return self._inbound(
            external_id=f"press-{id}",
            thread=_thread(data),
            sender=_sender(data.get("user") or data["member"]["user"]),
            at=moment(id),
            text=_label(message, value),
            choice=value,
            reply_to=str(message.get("id") or ""),
            language=str(data.get("locale") or ""),
        )

    def _inbound(self, **values: Any) -> Inbound:
        return Inbound(channel=self._channel, account=self._account, **values)


def moment(id: str) -> datetime:
    """When an id was made: its upper bits are milliseconds."""
    return datetime.fromtimestamp(((int(id) >> 22) + EPOCH) / 1000, UTC)


def _id(value: Any) -> str:
    if not isinstance(value, str) or not value.isdecimal():
        raise TypeError("not an id of Discord's")
    return value


def _thread(data: Mapping[str, Any]) -> str:
    room = _id(data["channel_id"])
    return f"{PUBLIC}{room}" if data.get("guild_id") else room


def _sender(author: Mapping[str, Any]) -> Sender:
    return Sender(id=_id(author["id"]), name=str(author.get("global_name") or author.get("username") or ""))


def _stands_for(data: Mapping[str, Any]) -> str:
    """What is shown for a message without words and files."""
    stickers = ", ".join(str(one.get("name")) for one in data.get("sticker_items") or ())
    return f"[sticker: {stickers}]" if stickers else "a message that is not shown here"


def _file(file: Mapping[str, Any]) -> Attachment:
    """Its address is signed and good for a day only, so it is fetched at once."""
    kind = str(file.get("content_type") or "").partition(";")[0]
    return Attachment(name=str(file["filename"]), type=kind, size=int(file.get("size") or 0), url=str(file["url"]))


def _label(message: Mapping[str, Any], value: str) -> str:
    rows = message.get("components") or ()
    labels = {c.get("custom_id"): c.get("label") for row in rows for c in row.get("components") or ()}
    return str(labels.get(value) or value)
