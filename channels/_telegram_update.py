"""What an update of Telegram's says: https://core.telegram.org/bots/api#update.

A message is named by its chat and number (``<chat>:<number>``), so that an edit finds what it changes. The chats of a
business account are apart from the bot's own with the same person, and a forum's topics are apart from each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from telegram import CallbackQuery, ChatMemberUpdated, Message, Sticker, Update, User
from telegram.helpers import effective_message_type

from channels.base import PUBLIC, Attachment, BadPayload, Inbound, Sender

#: Files above this size a bot cannot fetch (https://core.telegram.org/bots/api#getfile).
MAX_FETCH = 20 * 1024 * 1024
#: Begins the ``url`` of a file of Telegram's; behind it stands its file_id.
FILE = "telegram:"
#: A button's value that was too long for ``callback_data``: what counts then is what the button shows.
LABEL_ONLY = "~"

#: Kinds of update that are nobody's words.
_HOUSEKEEPING = (
    "message_reaction message_reaction_count inline_query chosen_inline_result shipping_query pre_checkout_query poll"
    " poll_answer chat_member chat_join_request chat_boost removed_chat_boost business_connection purchased_paid_media"
).split()
#: Content that is shown by its name alone.
_STANDS_FOR = {
    name: f"[{name.replace('_', ' ')}]"
    for name in (
        "checklist",
        "dice",
        "game",
        "giveaway",
        "invoice",
        "paid_media",
        "passport_data",
        "poll",
        "story",
        "successful_payment",
    )
}
_THREAD = re.compile(r"(public:)?(?P<chat>-?\d+)(#(?P<topic>\d+))?(@(?P<business>[\w-]+))?")
_MESSAGES = {
    "message": False,
    "channel_post": False,
    "business_message": False,
    "edited_message": True,
    "edited_channel_post": True,
    "edited_business_message": True,
}


class Place(NamedTuple):
    """Where a thread is at Telegram."""

    chat: int
    topic: int | None = None
    business: str | None = None


class Reader:
    """Reads the updates of one account. ``groups``: whether what is said in groups is for us."""

    def __init__(self, channel: str, account: str, *, groups: bool) -> None:
        self._channel, self._account, self._groups = channel, account, groups

    def read(self, tree: Any, raw: bytes, at: datetime) -> tuple[Inbound, ...]:
        """The messages of an update; none for housekeeping. Raises :class:`BadPayload`."""
        if isinstance(tree, dict) and any(name in tree for name in _HOUSEKEEPING):
            return ()
        try:
            return tuple(
                msgspec.structs.replace(one, raw=raw)
                for one in self._read(Update.de_json(_completed(tree), None), tree, at)
            )
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError) as err:
            raise BadPayload(f"not an update: {type(err).__name__}") from err

    def _read(self, update: Update, tree: Mapping[str, Any], at: datetime) -> list[Inbound]:
        for kind, edited in _MESSAGES.items():
            if (message := getattr(update, kind)) is not None:
                return self._message(message, tree[kind], edited=edited)
        if update.callback_query is not None:
            return self._press(update.callback_query, at)
        if update.deleted_business_messages is not None:
            return self._deleted(tree["deleted_business_messages"], at)
        if update.my_chat_member is not None:
            return self._member(update.my_chat_member, update.update_id)
        return [self._unknown(update.update_id, at)]

    # --- messages

    def _message(self, message: Message, node: Mapping[str, Any], *, edited: bool) -> list[Inbound]:
        if message.chat.type in ("group", "supergroup") and not self._groups:
            return []
        if edited and message.location is not None:
            return []  # a live location moves every few seconds
        text, files, placeholder = _content(message, node)
        kind = effective_message_type(message)
        if not (text or files or placeholder):
            if kind is not None or not message.api_kwargs:
                return []  # somebody joined, a title changed, a message was pinned
            placeholder = ", ".join(sorted(message.api_kwargs))[:80]
        name = f"{_room(message)}:{message.message_id}"
        changed = message.edit_date if edited and message.edit_date else None
        one = self._inbound(
            external_id=f"{name}:{int(changed.timestamp())}" if changed else name,
            thread=_thread(message),
            sender=_sender(message),
            at=changed or message.date,
            text=text,
            kind="edit" if changed else "message",
            machine="echo" if _is_ours(message) else "",
            attachments=files,
            choice=_command(text),
            refers_to=name if changed else "",
            reply_to=_answered(message),
            language=_language(message.from_user),
            placeholder=placeholder,
            part_of=f"{_room(message)}:{message.media_group_id}" if message.media_group_id else "",
            linked=_moved(message),
        )
        return [one]

    def _press(self, query: CallbackQuery, at: datetime) -> list[Inbound]:
        message, data = query.message, _string(query.data)
        if message is None or not data:
            return []  # a button under a message of another bot's, or of a game
        if message.chat.type in ("group", "supergroup") and not self._groups:
            return []
        label = _label(message, data) if isinstance(message, Message) else ""
        one = self._inbound(
            external_id=f"{_room(message)}:press-{_string(query.id)}",
            thread=_thread(message),
            sender=_person(query.from_user),
            at=at,
            text=label or data,
            choice="" if data.startswith(LABEL_ONLY) else data,
            reply_to=f"{_room(message)}:{message.message_id}",
            language=_language(query.from_user),
        )
        return [one]

    def _deleted(self, gone: Mapping[str, Any], at: datetime) -> list[Inbound]:
        chat, business = int(gone["chat"]["id"]), _string(gone["business_connection_id"])
        room = f"{chat}@{business}"
        return [
            self._inbound(
                external_id=f"{room}:{int(id)}:deleted",
                thread=room,
                sender=Sender(id=str(chat)),
                at=at,
                kind="delete",
                refers_to=f"{room}:{int(id)}",
            )
            for id in gone["message_ids"]
        ]

    def _member(self, change: ChatMemberUpdated, update_id: int) -> list[Inbound]:
        """Somebody blocks the bot, or takes it back."""
        if change.chat.type != "private":
            return []
        blocked = change.new_chat_member.status in ("kicked", "left")
        one = self._inbound(
            external_id=f"u{update_id}",
            thread=str(change.chat.id),
            sender=_person(change.from_user),
            at=change.date,
            kind="status",
            machine="blocked" if blocked else "",
            text="blocked" if blocked else "unblocked",
        )
        return [one]

    def _unknown(self, update_id: int, at: datetime) -> Inbound:
        id = f"u{int(update_id)}"
        return self._inbound(external_id=id, thread=id, sender=Sender(id=id), at=at, kind="event")

    def _inbound(self, **values: Any) -> Inbound:
        return Inbound(channel=self._channel, account=self._account, **values)


#: What every update has today, and those of older servers and of programs that pass updates on may lack.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "from": {"is_bot": False, "first_name": ""},
    "contact": {"first_name": "", "phone_number": ""},
    "sticker": {"type": "regular", "width": 0, "height": 0, "is_animated": False, "is_video": False},
}


#: https://core.telegram.org/bots/api-changelog#march-9-2023
_RENAMED = {"thumb": "thumbnail"}


def _completed(node: Any, name: str = "") -> Any:
    """The tree with what the library insists on and nobody needs, and without what we only name."""
    if isinstance(node, list):
        return [_completed(one) for one in node]
    if not isinstance(node, dict):
        return node
    same = {"file_unique_id": node["file_id"]} if "file_id" in node else {}
    renamed = {_RENAMED.get(key) or key: value for key, value in node.items() if key not in _STANDS_FOR}
    kept = {key: _completed(value, key) for key, value in renamed.items()}
    return {**_DEFAULTS.get(name, {}), **same, **kept}


def place(thread: str) -> Place:
    """Where to say something. Raises :class:`ValueError` for what is no thread of Telegram's."""
    parts = _THREAD.fullmatch(thread)
    if parts is None:
        raise ValueError(f"`{thread}` is no chat of Telegram's")
    return Place(int(parts["chat"]), int(parts["topic"]) if parts["topic"] else None, parts["business"])


def message_number(external_id: str) -> int | None:
    """The number in its chat of a message that can be answered; None for pressed buttons and the like."""
    number = external_id.partition(":")[2].partition(":")[0]
    return int(number) if number.isdecimal() else None


# --- parts of a message


def _room(message: Any) -> str:
    """The chat in which numbers of messages are unique."""
    business = getattr(message, "business_connection_id", None)
    return f"{message.chat.id}@{_string(business)}" if business else str(message.chat.id)


def _thread(message: Any) -> str:
    topic = message.message_thread_id if getattr(message, "is_topic_message", False) else None
    chat, at, business = _room(message).partition("@")
    thread = f"{chat}#{int(topic)}{at}{business}" if topic else f"{chat}{at}{business}"
    return thread if message.chat.type == "private" else f"{PUBLIC}{thread}"


def _sender(message: Message) -> Sender:
    if message.from_user is not None:
        sender = _person(message.from_user)
        contact = message.contact
        if contact is not None and contact.user_id == message.from_user.id:
            # Telegram itself fills in the number of somebody who shares their own contact.
            return msgspec.structs.replace(sender, phone=_string(contact.phone_number), verified=True)
        return sender
    chat = message.sender_chat or message.chat
    return Sender(id=str(chat.id), name=_string(chat.effective_name or ""))


def _person(user: User) -> Sender:
    return Sender(id=str(int(user.id)), name=_string(user.full_name or user.username or "")[:200])


def _is_ours(message: Message) -> bool:
    """What a business account writes to its customer comes back to its bot; so does what a bot wrote."""
    who = message.from_user
    if who is None:
        return False
    mine = bool(message.business_connection_id) and message.chat.type == "private" and who.id != message.chat.id
    return mine or bool(who.is_bot) or message.sender_business_bot is not None


def _answered(message: Message) -> str:
    replied = message.reply_to_message
    return f"{_room(message)}:{replied.message_id}" if replied is not None else ""


def _moved(message: Message) -> str:
    """A group that became a supergroup goes on under another id."""
    before = message.migrate_from_chat_id
    return f"{PUBLIC}{before}" if before else ""


def _command(text: str) -> str:
    """``/start`` (the button that opens a chat) and ``/end`` as choices; what follows ``/start`` is a link's."""
    word = text.split(maxsplit=1)[0].partition("@")[0] if text.startswith("/") and text.strip("/") else ""
    return {"/start": "start", "/end": "end", "/stop": "end"}.get(word, "")


def _language(user: User | None) -> str:
    """``zh-hans`` as ``zh-Hans``."""
    code = _string(user.language_code) if user is not None and user.language_code else ""
    first, *rest = code.split("-")
    return "-".join([first.lower(), *(p.title() if len(p) == 4 else p.upper() for p in rest)])[:35]


def _label(message: Message, data: str) -> str:
    rows = message.reply_markup.inline_keyboard if message.reply_markup else ()
    return next((_string(button.text) for row in rows for button in row if button.callback_data == data), "")


def _string(value: Any) -> str:
    """The library does not check types; what is no text here is not Telegram's."""
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


# --- what it holds


def _content(message: Message, node: Mapping[str, Any]) -> tuple[str, tuple[Attachment, ...], str]:
    """Text, files, and what stands for that which can be shown as neither."""
    text = _string(message.text or message.caption or "")
    files = tuple(_files(message))
    if message.venue is not None:
        venue = message.venue
        spot = f"{venue.location.latitude}, {venue.location.longitude}"
        return f"📍 {venue.title}, {venue.address} ({spot})", (), "a location"
    if message.location is not None:
        return f"📍 {message.location.latitude}, {message.location.longitude}", (), "a location"
    if message.contact is not None:
        return _contact(message), (), "a contact"
    if message.sticker is not None:
        return text, files, f"a sticker {_string(message.sticker.emoji or '')}".strip()
    if text or files:
        return text, files, ""
    return "", (), next((shown for name, shown in _STANDS_FOR.items() if name in node), "")


def _contact(message: Message) -> str:
    contact = message.contact
    assert contact is not None
    names = (contact.first_name, contact.last_name, contact.phone_number)
    return "👤 " + " ".join(_string(part) for part in names if part)


def _files(message: Message) -> list[Attachment]:
    if message.photo:
        best = max(message.photo, key=lambda photo: photo.width * photo.height)
        return [_file(best, "photo", "image/jpeg", ".jpg")]
    if message.sticker is not None:
        return [_sticker(message.sticker)]
    for name, kind, ending in _KINDS:
        if (media := getattr(message, name)) is not None:
            return [_file(media, name, kind, ending)]
    return []


def _sticker(sticker: Sticker) -> Attachment:
    """A moving sticker is in a format that nothing else opens: its still picture, where there is one."""
    if sticker.thumbnail is not None and (sticker.is_animated or sticker.is_video):
        return _file(sticker.thumbnail, "sticker", "image/webp", ".webp")
    if sticker.is_animated:
        return _file(sticker, "sticker", "application/x-tgsticker", ".tgs")
    return _file(sticker, "sticker", *(("video/webm", ".webm") if sticker.is_video else ("image/webp", ".webp")))


#: Kinds of media with what they are when Telegram does not say. An animation is a document, too, and stands before it.
_KINDS = (
    ("voice", "audio/ogg", ".ogg"),
    ("audio", "audio/mpeg", ".mp3"),
    ("animation", "video/mp4", ".mp4"),
    ("video", "video/mp4", ".mp4"),
    ("video_note", "video/mp4", ".mp4"),
    ("document", "application/octet-stream", ""),
)


def _file(media: Any, name: str, kind: str, ending: str) -> Attachment:
    """A file that lies at Telegram. Its name and type are said here alone, not where it is fetched."""
    id, size = _string(media.file_id), int(media.file_size or 0)
    named = _string(getattr(media, "file_name", None) or f"{name}-{_unique(media)}{ending}")
    file = Attachment(name=named, type=_string(getattr(media, "mime_type", None) or kind), size=size, url=f"{FILE}{id}")
    if size > MAX_FETCH:
        reason = f"larger than the {MAX_FETCH // 1024**2} MB that Telegram gives to bots"
        return msgspec.structs.replace(file, state="refused", reason=reason)
    return file


def _unique(media: Any) -> str:
    return _string(getattr(media, "file_unique_id", None) or media.file_id)[-12:]
