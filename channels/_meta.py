"""What comes in from WhatsApp, Messenger and Instagram alike: signed requests, the set-up challenge, events in batches.

Rules: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from channels.base import (
    Answer,
    BadPayload,
    BadSignature,
    Inbound,
    Request,
    Secret,
    Sender,
    read_json,
)

#: After a customer's message a business may answer freely for so long.
WINDOW = timedelta(hours=24)
#: A platform's challenge is a number; longer ones are not its own.
MAX_CHALLENGE = 100


class MetaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every account of Meta's platforms has."""

    app_secret: Annotated[Secret, Meta(description="The app's secret: it signs what comes in.")]
    verify_token: Annotated[
        Secret, Meta(description="A long random word of your own; Meta shows it when the address is set up.")
    ]
    app_id: Annotated[str, Meta(description="The app's id; only `allears channels setup` needs it.")] = ""
    graph_url: Annotated[str, Meta(description="Where the Graph API is.")] = "https://graph.facebook.com"
    graph_version: Annotated[str, Meta(description="Version of the Graph API.")] = "v25.0"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.app_secret or not self.verify_token:
            raise ValueError(
                "`app_secret` and `verify_token` must not be empty: anybody could write in a customer's name"
            )


# --- what comes in ------------------------------------------------------------------------------------


def verify(secret: Secret, request: Request) -> None:
    """Check ``X-Hub-Signature-256`` over the bytes that came. Raises :class:`BadSignature`."""
    shown = request.headers.get("x-hub-signature-256", "").encode(errors="surrogateescape")
    good = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(shown, f"sha256={good}".encode()):
        raise BadSignature("X-Hub-Signature-256 does not fit the body")


def challenge(token: Secret, request: Request) -> Answer | None:
    """The answer to Meta's set-up request, None for anything else."""
    if request.method != "GET":
        return None
    shown = request.query.get("hub.verify_token", "").encode(errors="surrogateescape")
    word = request.query.get("hub.challenge", "")
    if request.query.get("hub.mode") != "subscribe" or len(word) > MAX_CHALLENGE:
        return Answer(status=403)
    if not hmac.compare_digest(shown, token.encode()):
        return Answer(status=403)
    return Answer(headers={"content-type": "text/plain"}, body=word.encode(errors="replace"))


class _Entry(msgspec.Struct):
    id: Any = ""
    time: Any = 0
    changes: list[msgspec.Raw] = []
    messaging: list[msgspec.Raw] = []
    standby: list[msgspec.Raw] = []
    field: Any = ""
    value: msgspec.Raw = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct):
    entry: list[_Entry]
    object: Any = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a batch: ``list`` names where it stood (``changes``, ``messaging``, ``standby``), ``raw`` is as it came."""

    list: str
    owner: str
    at: datetime
    body: dict[str, Any]
    raw: bytes


def events(request: Request, wanted: str) -> Iterator[Event]:
    """All events of a delivery, in order. ``wanted`` is the ``object`` that this channel is told of.

    Raises:
        BadPayload: the bytes are not what Meta sends.
    """
    for envelope in _envelopes(request.body):
        if envelope.object != wanted:
            raise BadPayload(f"it tells of `{str(envelope.object)[:40]}`, this address is for `{wanted}`")
        for entry in envelope.entry:
            yield from _of_entry(entry, request.at)


def _of_entry(entry: _Entry, received_at: datetime) -> Iterator[Event]:
    at = moment(entry.time, received_at)
    for list in ("changes", "messaging", "standby"):
        for raw in getattr(entry, list):
            yield Event(list=list, owner=_word(entry.id), at=at, body=node(_value(raw)), raw=bytes(raw))
    if entry.field:  # Instagram Login puts a single change into the entry itself
        body = {"field": entry.field, "value": _value(entry.value)}
        yield Event(list="changes", owner=_word(entry.id), at=at, body=body, raw=bytes(entry.value))


def _envelopes(body: bytes) -> list[_Envelope]:
    """A batch comes as an object; Instagram's documentation also shows a list of them."""
    try:
        return _decoded(body)
    except msgspec.ValidationError as err:
        raise BadPayload("not a batch of events") from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # An emoji that was cut in two is no reason to lose a message: half characters become question marks.
        whole = json.dumps(read_json(body), ensure_ascii=False).encode(errors="replace")
    try:
        return _decoded(whole)
    except (msgspec.DecodeError, RecursionError) as err:
        raise BadPayload("not a batch of events") from err


def _decoded(body: bytes) -> list[_Envelope]:
    if body.lstrip()[:1] == b"[":
        return msgspec.json.decode(body, type=list[_Envelope])
    return [msgspec.json.decode(body, type=_Envelope)]


def _value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise BadPayload("an event that is not JSON") from err


def node(value: Any, *path: str) -> dict[str, Any]:
    """The object at a path; an empty one where there is none. Meta leaves out and adds fields as it likes."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def nodes(value: Any, *path: str) -> list[dict[str, Any]]:
    """The objects in the list at a path."""
    found = node(value, *path[:-1]).get(path[-1]) if path else value
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def word(value: Any, *path: str) -> str:
    """The text or number at a path as a string; empty where there is none."""
    return _word(node(value, *path[:-1]).get(path[-1]))


def _word(found: Any) -> str:
    if isinstance(found, str):
        return found
    return str(found) if isinstance(found, int | float) and not isinstance(found, bool) else ""


def moment(value: Any, otherwise: datetime) -> datetime:
    """A time of Meta's: seconds or milliseconds since 1970, as number or string, or ISO 8601."""
    text = _word(value)
    try:
        if text.isdecimal():
            seconds = int(text)
            return (
                datetime.fromtimestamp(seconds / 1000 if seconds > 10**11 else seconds, UTC) if seconds else otherwise
            )
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise


def answerable(external_id: str) -> str:
    """The platform's own id of a message, where an event has one: an edit of it is ``<id>:edit:1``, a made-up id ``event:…``."""
    id = external_id.partition(":")[0]
    return "" if id in ("event", "mention") else id


def digest(data: bytes) -> str:
    """What stands for an event that has no id of its own."""
    return hashlib.sha256(data).hexdigest()[:32]


def unknown(event: Event, *, channel: str, account: str) -> Inbound:
    """An event that asks nothing of us: kept as it came, and nothing follows."""
    return Inbound(
        channel=channel,
        account=account,
        external_id=f"event:{digest(event.raw)}",
        thread=f"{event.owner}/events",
        sender=Sender(id=event.owner or "meta"),
        at=event.at,
        kind="event",
        raw=event.raw,
    )
