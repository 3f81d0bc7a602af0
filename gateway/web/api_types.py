"""What the API says and takes: the shapes that ``/openapi.json`` is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from channels.api import MessageAccepted, ReplyButton
from channels.base import Attachment
from gateway.store.base import BOT, NOBODY, Conversation, Entry, JournalLine
from normalizer.record import ComplaintRecord, Status

#: Most items of one page.
MAX_PAGE = 200
#: The largest whole number that JSON carries safely; a sequence never gets there.
_MAX_SEQ = 2**53 - 1

Instant = Annotated[datetime, Meta(tz=True)]
Author = Literal["customer", "bot", "person", "system"]
Owner = Literal["bot", "person", "nobody"]


class _Struct(msgspec.Struct, frozen=True, kw_only=True):
    """A question or an answer."""


# --- questions (query parameters) ---------------------------------------------------------------------


class RecordsQuery(_Struct, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Most records of a page.")] = 50
    cursor: Annotated[str, Meta(max_length=500, description="Where the last page ended, from `next`.")] = ""
    since: Annotated[Instant | None, Meta(description="Only records that were opened at or after this time.")] = None
    status: Annotated[Status | None, Meta(description="Only records that stand so.")] = None


class MessagesQuery(_Struct, frozen=True):
    after: Annotated[int, Meta(ge=0, le=_MAX_SEQ, description="Only messages after this `seq`.")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Most messages of a page.")] = MAX_PAGE


class UploadQuery(_Struct, frozen=True):
    name: Annotated[str, Meta(max_length=255, description="The file's name.")] = ""


class AttachmentQuery(_Struct, frozen=True):
    conversation: Annotated[str, Meta(max_length=200, description="A conversation that holds the file.")]


# --- answers ------------------------------------------------------------------------------------------


class Problem(_Struct, frozen=True):
    """What went wrong, as RFC 9457 says. ``where`` names the field; ``reference`` helps us to find a fault of ours."""

    type: str
    title: str
    status: int
    detail: str = ""
    where: str = ""
    reference: str = ""


class MessagesAccepted(_Struct, frozen=True):
    """The messages of a webhook, in its order."""

    messages: tuple[MessageAccepted, ...]


class RecordPage(_Struct, frozen=True):
    """Records, newest first. ``next`` is the path of the next page, empty on the last. A page may hold fewer than asked for."""

    items: tuple[ComplaintRecord, ...]
    next: str = ""


class Revisions(_Struct, frozen=True):
    """Every revision of a record, oldest first."""

    items: tuple[ComplaintRecord, ...]


class Journal(_Struct, frozen=True):
    """What happened to a complaint; each line's ``hash`` covers the line before it."""

    items: tuple[JournalLine, ...]


class ConversationView(_Struct, frozen=True):
    """A conversation. ``number`` is its open complaint, empty before the first message is processed."""

    id: str
    channel: str
    account: str
    thread: str
    status: str
    owner: Owner
    number: str
    last_seq: int
    opened_at: datetime
    last_at: datetime


class MessageFile(_Struct, frozen=True):
    """A file of a message; ``href`` is where to get it, empty when it was not kept (``reason`` says why)."""

    name: str
    type: str
    size: int
    sha256: str
    href: str
    reason: str


class Message(_Struct, frozen=True):
    """One line of a conversation as the customer may see it.

    ``kind`` is ``inbound``, ``outbound`` or ``notice``. A line with ``refers_to`` is a later version of the line with
    that ``seq``, or takes it back (``deleted``).
    """

    seq: int
    kind: str
    at: datetime
    author: Author
    author_name: str
    text: str
    language: str
    notice: str
    buttons: tuple[ReplyButton, ...]
    choice: str
    attachments: tuple[MessageFile, ...]
    external_id: str
    refers_to: int
    version: int
    deleted: bool
    placeholder: str


class MessagePage(_Struct, frozen=True):
    """Messages, oldest first. ``next`` is where to ask for what comes after them, now or later."""

    items: tuple[Message, ...]
    next: str


class Upload(_Struct, frozen=True):
    """A kept file: name its ``upload`` token in a message. ``type`` is what its first bytes say."""

    upload: str
    name: str
    type: str
    size: int
    sha256: str


def conversation_view(one: Conversation) -> ConversationView:
    owners: dict[str, Owner] = {BOT: "bot", NOBODY: "nobody"}
    return ConversationView(
        id=one.id,
        channel=one.channel,
        account=one.account,
        thread=one.thread,
        status=one.status,
        owner=owners.get(one.owner, "person"),
        number=one.number,
        last_seq=one.last_seq,
        opened_at=one.opened_at,
        last_at=one.last_at,
    )


def message(entry: Entry, conversation: str) -> Message:
    """A timeline line for the outside: an agent is a name there, never an account."""
    authors: dict[str, Author] = {"customer": "customer", "bot": "bot", "system": "system"}
    return Message(
        seq=entry.seq,
        kind=entry.kind,
        at=entry.at,
        author=authors.get(entry.author, "person"),
        author_name=entry.author_name,
        text=entry.text,
        language=entry.language,
        notice=entry.notice,
        buttons=tuple(ReplyButton(label=label, value=value) for label, value in entry.buttons),
        choice=entry.choice,
        attachments=tuple(_file(file, conversation) for file in entry.attachments),
        external_id=entry.external_id,
        refers_to=entry.refers_to,
        version=entry.version,
        deleted=entry.deleted,
        placeholder=entry.placeholder,
    )


def _file(file: Attachment, conversation: str) -> MessageFile:
    return MessageFile(
        name=file.name,
        type=file.type,
        size=file.size,
        sha256=file.digest,
        href=f"/v1/attachments/{file.digest}?conversation={conversation}" if file.digest else "",
        reason=file.reason,
    )
