"""What WhatsApp, Messenger and Instagram share: signed requests, the set-up challenge, events in batches, the Graph API.

Rules: https://developers.facebook.com/docs/graph-api/webhooks/getting-started and
https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from channels.base import (
    Answer,
    Attachment,
    BadPayload,
    BadSignature,
    Call,
    ChannelError,
    Finding,
    Inbound,
    Refused,
    Request,
    Retry,
    Secret,
    Sender,
    Tools,
    Unauthorized,
    Unknown,
    read_json,
    settle,
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


# --- the Graph API ------------------------------------------------------------------------------------

#: Graph error code, or (code, subcode), to what follows. The HTTP status varies, the code does not.
Codes = Mapping[int | tuple[int, int], ChannelError]

CODES: Codes = {
    1: Retry("an error of Meta's"),
    2: Retry("Meta's service is not available"),
    4: Retry("too many calls of the app", 60.0, everyone=True),
    17: Retry("too many calls of the user", 60.0, everyone=True),
    32: Retry("too many calls of the Page", 60.0, everyone=True),
    613: Retry("too many calls", 60.0, everyone=True),
    80007: Retry("too many calls of the business account", 60.0, everyone=True),
    0: Unauthorized("the token is not accepted"),
    3: Unauthorized("the app may not make this call"),
    10: Unauthorized("the app lacks a permission"),
    102: Unauthorized("the session has ended"),
    190: Unauthorized("the token is invalid or has expired"),
    368: Unauthorized("the account is blocked for a breach of rules"),
    100: Refused("Meta does not accept a field of the message"),
}
#: 200 to 299 are missing permissions.
PERMISSIONS = range(200, 300)


class Graph:
    """Calls with one token. ``proof`` adds appsecret_proof, which shows that the token is in our own hands."""

    def __init__(self, settings: MetaSettings, token: Secret, codes: Codes, *, proof: bool = True) -> None:
        self._root = f"{settings.graph_url.rstrip('/')}/{settings.graph_version}"
        self._token, self._codes = token, {**CODES, **codes}
        key = settings.app_secret.encode()
        self._proof = hmac.new(key, token.encode(), hashlib.sha256).hexdigest() if proof else ""

    def __repr__(self) -> str:
        return "Graph()"

    def fetch(self, url: str) -> Call:
        """A call that fetches a file with the token."""
        return Call(method="GET", url=url, headers=self._headers())

    async def get(self, tools: Tools, path: str) -> dict[str, Any]:
        """Raises as :meth:`post`; asking again does no harm, so a lost answer is :class:`Retry`."""
        try:
            return self.outcome(await tools.http(Call(method="GET", url=self._url(path), headers=self._headers())))
        except Unknown as err:
            raise Retry("no answer") from err

    async def post(self, tools: Tools, path: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Raises :class:`Retry`, :class:`Unauthorized`, :class:`Refused`, :class:`Expired` and :class:`Unknown`."""
        body = msgspec.json.encode(value)
        return await self.form(tools, path, ("application/json", body))

    async def form(self, tools: Tools, path: str, body: tuple[str, bytes]) -> dict[str, Any]:
        """Post a (content type, body) pair."""
        headers = {**self._headers(), "content-type": body[0]}
        return self.outcome(await tools.http(Call(url=self._url(path), headers=headers, body=body[1])))

    def outcome(self, answer: Answer) -> dict[str, Any]:
        """The answer's object; an error becomes what to do next."""
        try:
            body = node(msgspec.json.decode(answer.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = {}
        error = node(body, "error")
        if error:
            raise self.verdict(error, answer)
        settle(answer)
        return body

    def verdict(self, error: Mapping[str, Any], answer: Answer) -> ChannelError:
        """What follows from a Graph error object."""
        code, subcode = _number(error, "code"), _number(error, "error_subcode")
        known = self._codes.get((code, subcode)) or self._codes.get(code)
        if known is None and code in PERMISSIONS:
            known = Unauthorized("the app lacks a permission")
        if known is None:
            return _by_status(answer, transient=error.get("is_transient") is True, code=code)
        text = f"{code}: {known}"
        if isinstance(known, Retry):
            asked = answer.headers.get("retry-after", "")
            return Retry(text, float(asked) if asked.isdecimal() else known.after, everyone=known.everyone)
        return type(known)(text)

    def _url(self, path: str) -> str:
        if not self._proof:
            return f"{self._root}/{path}"
        return f"{self._root}/{path}{'&' if '?' in path else '?'}appsecret_proof={self._proof}"

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"}


def _number(error: Mapping[str, Any], name: str) -> int:
    found = error.get(name)
    return found if isinstance(found, int) else -1


def _by_status(answer: Answer, *, transient: bool, code: int) -> ChannelError:
    if transient:
        return Retry(f"{code}: Meta says that it will pass")
    try:
        settle(answer)
    except Retry as err:
        return Retry(f"{code}: {err}", err.after)
    except ChannelError as err:
        return type(err)(f"{code}: {err}")
    return Refused(f"{code}: an error that we do not know")


def multipart(fields: Mapping[str, str], field: str, file: Attachment, data: bytes) -> tuple[str, bytes]:
    """A form with one file as (content type, body)."""
    mark = hashlib.sha256(data).hexdigest()[:40]  # not in the data, and the same for a repeat
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{field}"; filename="{_plain(file.name)}"\r\n'
    head += f"Content-Type: {_type(file)}\r\n\r\n"
    body = "".join(parts).encode() + head.encode() + data + f"\r\n--{mark}--\r\n".encode()
    return f"multipart/form-data; boundary={mark}", body


def _plain(name: str) -> str:
    """A file name without what would end the line or the quotes; Instagram takes ASCII names only."""
    kept = "".join(c for c in name if c.isascii() and (c.isalnum() or c in "._- "))
    return kept.strip(" .")[:100] or "file"


def _type(file: Attachment) -> str:
    kept = file.type if file.type.isascii() and file.type.isprintable() else ""
    return kept or "application/octet-stream"


# --- set-up -------------------------------------------------------------------------------------------


async def subscribe_app(
    settings: MetaSettings, tools: Tools, *, object: str, fields: str, url: str
) -> tuple[Finding, ...]:
    """Tell the app where its events go. A repeat changes nothing."""
    what = f"the app's webhook for `{object}`"
    if not settings.app_id:
        return (Finding(what=what, ok=False, detail="set `app_id`, or enter the address in the app dashboard"),)
    # The dashboard's own calls are made with the app's id and secret in place of a token.
    graph = Graph(settings, Secret(f"{settings.app_id}|{settings.app_secret}"), {}, proof=False)
    value = {"object": object, "callback_url": url, "fields": fields, "verify_token": str(settings.verify_token)}
    return (await attempt(what, graph.post(tools, f"{settings.app_id}/subscriptions", value)),)


async def attempt(what: str, call: Any, detail: str = "") -> Finding:
    """A call as a finding."""
    try:
        await call
    except ChannelError as err:
        return Finding(what=what, ok=False, detail=f"{type(err).__name__}: {err}")
    return Finding(what=what, ok=True, detail=detail)
