"""The message of our own API: its shape on the wire, and how it becomes an ``Inbound``."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from channels.base import Attachment, Inbound, Invalid, Sender

#: No text holds a NUL: databases refuse it and no person types it.
_NO_NUL = r"^[^\u0000]*$"
_Instant = Annotated[datetime, Meta(tz=True)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of the body: unknown fields are refused, so a misspelt one is noticed."""


class Person(_Wire, frozen=True):
    """Who wrote. One of ``id``, ``email`` and ``phone`` is needed where no ``thread`` is given."""

    id: Annotated[str, Meta(max_length=200, pattern=_NO_NUL, description="The sender's id in your system.")] = ""
    name: Annotated[str, Meta(max_length=200, pattern=_NO_NUL)] = ""
    email: Annotated[str, Meta(max_length=254, pattern=_NO_NUL)] = ""
    phone: Annotated[str, Meta(max_length=40, pattern=_NO_NUL)] = ""


class File(_Wire, frozen=True):
    """A file: its bytes as ``base64``, or the ``upload`` token that `POST /v1/uploads` gave."""

    name: Annotated[str, Meta(max_length=255, pattern=_NO_NUL)] = ""
    type: Annotated[str, Meta(max_length=127, pattern=_NO_NUL, description="What you believe it is.")] = ""
    base64: str = ""
    upload: Annotated[str, Meta(max_length=2000)] = ""


class NewMessage(_Wire, frozen=True):
    """Something a customer said, by whatever door it came."""

    external_id: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=_NO_NUL,
            description="Your id of this message. Needed where there is no Idempotency-Key, which else stands in.",
        ),
    ] = ""
    kind: Annotated[
        Literal["message", "edit", "delete"],
        Meta(description="`edit` and `delete` change the message that `refers_to` names."),
    ] = "message"
    refers_to: Annotated[
        str, Meta(max_length=200, pattern=_NO_NUL, description="The external_id of the message that is changed.")
    ] = ""
    thread: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=_NO_NUL,
            description="Your id of the conversation; without it everything of one sender is one conversation.",
        ),
    ] = ""
    sender: Person = Person()
    text: Annotated[str, Meta(pattern=_NO_NUL)] = ""
    subject: Annotated[str, Meta(max_length=1000, pattern=_NO_NUL)] = ""
    choice: Annotated[str, Meta(max_length=200, pattern=_NO_NUL, description="The value of a pressed button.")] = ""
    language: Annotated[
        str,
        Meta(
            max_length=35,
            pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$",
            description="The customer's language as a BCP 47 tag, where you know it.",
        ),
    ] = ""
    origin: Annotated[
        str,
        Meta(max_length=64, pattern=_NO_NUL, description="The door: `counter`, `letter`, `phone`, or an app's name."),
    ] = ""
    on_behalf_of: Annotated[
        str, Meta(max_length=200, pattern=_NO_NUL, description="The person the sender speaks for.")
    ] = ""
    sent_at: Annotated[
        _Instant | None,
        Meta(description="When it was written or said, if not just now. A time to come counts as now."),
    ] = None
    occurred_at: Annotated[_Instant | None, Meta(description="When the thing complained of happened.")] = None
    attachments: Annotated[tuple[File, ...], Meta(max_length=50)] = ()


def decode(body: bytes) -> NewMessage:
    """Read a body. Raises :class:`Invalid`: 400 when it is not JSON, 422 (with the place) when it is not a message."""
    try:
        return msgspec.json.decode(body, type=NewMessage)
    except msgspec.ValidationError as err:
        problem, _, path = str(err).partition(" - at `$")
        raise Invalid(problem, where=path.rstrip("`").lstrip(".")) from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise Invalid("the body is not JSON in UTF-8", status=400) from err


def inbound(
    wire: NewMessage, *, account: str, named: str, origin: str, at: datetime, upload_key: bytes, raw: bytes = b""
) -> Inbound:
    """The message as the gateway takes it. ``named`` is the id that the request carries beside the body.

    Raises :class:`Invalid` when parts of the body do not fit together.
    """
    _check_kind(wire)
    external_id = wire.external_id or named
    if not external_id:
        raise Invalid("give the message an `external_id`, or the request an Idempotency-Key", where="external_id")
    who = wire.sender.id or wire.sender.email or wire.sender.phone or wire.thread
    if not who:
        raise Invalid("say who wrote: an `id`, `email` or `phone`, or a `thread`", where="sender")
    return Inbound(
        channel="api",
        account=account,
        external_id=external_id,
        thread=wire.thread or who,
        sender=Sender(id=who, name=wire.sender.name, email=wire.sender.email, phone=wire.sender.phone),
        at=min(_utc(wire.sent_at, "sent_at") or at, at),
        text=wire.text,
        subject=wire.subject,
        kind=wire.kind,
        attachments=tuple(_attachment(file, i, upload_key) for i, file in enumerate(wire.attachments)),
        choice=wire.choice,
        refers_to=wire.refers_to,
        language=wire.language,
        on_behalf_of=wire.on_behalf_of,
        occurred_at=_utc(wire.occurred_at, "occurred_at"),
        origin=origin,
        raw=raw or _without_files(wire),
    )


def fingerprint(wire: NewMessage) -> str:
    """sha256 hex of what is asked: the same for two bodies that differ in white space or the order of fields alone."""
    return hashlib.sha256(msgspec.json.encode(wire)).hexdigest()


def _check_kind(wire: NewMessage) -> None:
    if wire.kind == "message" and wire.refers_to:
        raise Invalid("`refers_to` belongs to an `edit` or a `delete`", where="refers_to")
    if wire.kind != "message" and not wire.refers_to:
        raise Invalid(f"say which message the {wire.kind} changes", where="refers_to")
    if wire.kind != "delete" and not (wire.text.strip() or wire.subject.strip() or wire.choice or wire.attachments):
        raise Invalid("there is nothing in it: no text, subject, choice or attachment", where="text")


def _utc(at: datetime | None, where: str) -> datetime | None:
    if at is None:
        return None
    # Outside of these years a time zone can push a time out of what `datetime` holds.
    if not 1900 <= at.year <= 2999:
        raise Invalid("a year before 1900 or after 2999 is a typing mistake", where=where)
    return at.astimezone(UTC)


def _attachment(file: File, index: int, upload_key: bytes) -> Attachment:
    where = f"attachments[{index}]"
    if bool(file.base64) == bool(file.upload):
        raise Invalid("a file is given either as `base64` or as an `upload`", where=where)
    if file.upload:
        return _uploaded(file, f"{where}.upload", upload_key)
    try:
        data = base64.b64decode(file.base64, validate=True)
    except (binascii.Error, ValueError) as err:
        raise Invalid("not base64", where=f"{where}.base64") from err
    return Attachment(name=file.name, type=file.type, size=len(data), data=data)


def _without_files(wire: NewMessage) -> bytes:
    # The bytes of the files are kept once, as files.
    files = tuple(msgspec.structs.replace(file, base64="") for file in wire.attachments)
    return msgspec.json.encode(msgspec.structs.replace(wire, attachments=files))


# --- uploads ------------------------------------------------------------------------------------------


class _Upload(msgspec.Struct, frozen=True, array_like=True):
    digest: str
    name: str
    type: str
    size: int


def upload_token(kept: Attachment, key: bytes) -> str:
    """A token that stands for a kept file. The same file has the same token, so a repeated request is the same request."""
    what = _base64url(msgspec.json.encode(_Upload(kept.digest, kept.name, kept.type, kept.size)))
    return f"{what}.{_tag(what, key)}"


def _uploaded(file: File, where: str, key: bytes) -> Attachment:
    what, _, tag = file.upload.partition(".")
    if not re.fullmatch(r"[\w-]+", what, re.ASCII) or not hmac.compare_digest(_tag(what, key).encode(), tag.encode()):
        raise Invalid("not an upload of this account: use the token that `POST /v1/uploads` answered", where=where)
    kept = msgspec.json.decode(base64.urlsafe_b64decode(what + "=" * (-len(what) % 4)), type=_Upload)
    return Attachment(digest=kept.digest, name=file.name or kept.name, type=kept.type, size=kept.size, state="kept")


def _tag(what: str, key: bytes) -> str:
    return _base64url(hmac.new(key, b"upload " + what.encode(), hashlib.sha256).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
