"""The channel for apps, counters, call centres and letters: our own HTTP API, and signed webhooks.

``POST /v1/messages`` takes one message from the holder of a bearer token. ``POST /in/api/<account>`` takes signed
webhooks (Standard Webhooks), one message or a list. Replies go to ``reply_url`` as a signed webhook; without one
they wait to be read at ``GET /v1/conversations/<id>/messages``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from channels import _api_messages as messages
from channels import _standard_webhooks as webhooks
from channels._api_messages import NewMessage
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    BadSignature,
    Call,
    ChannelError,
    Finding,
    Forbidden,
    Inbound,
    Invalid,
    Limits,
    Outbound,
    Promise,
    Receipt,
    Request,
    Retry,
    Route,
    Secret,
    Sender,
    Tools,
    Unknown,
    settle,
)

Scope = Literal["messages:write", "messages:read", "records:read"]

#: The door for tokens.
MESSAGES = "/v1/messages"
#: Longest Idempotency-Key, in characters.
MAX_KEY = 200


class ApiToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bearer token of the API, known by its hash alone."""

    name: Annotated[str, Meta(min_length=1, description="Whose token it is.")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="sha256 of the token, in hex; never the token.")]
    scopes: Annotated[
        tuple[Scope, ...],
        Meta(
            min_length=1,
            description="What it may do: `messages:write` (send and upload), `messages:read` (conversations and their "
            "files), `records:read` (complaint records and journals).",
        ),
    ]
    origins: Annotated[
        tuple[str, ...],
        Meta(description="The values of `origin` it may use; empty for any. A single one is filled in by itself."),
    ] = ()
    reads: Annotated[
        tuple[str, ...],
        Meta(description="What it may read: `channel/account` pairs, or `*` for all; empty for its own account alone."),
    ] = ()


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.api.<account>]``."""

    tokens: Annotated[tuple[ApiToken, ...], Meta(description="Who may call.")] = ()
    webhook_secrets: Annotated[
        tuple[Secret, ...],
        Meta(description="`whsec_…` secrets of signed webhooks that come in; two while one is being changed."),
    ] = ()
    reply_url: Annotated[
        str, Meta(description="Where replies go as signed webhooks; empty when they are only read by GET.")
    ] = ""
    reply_secret: Annotated[Secret, Meta(description="`whsec_…` secret that signs the replies.")] = Secret("")

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.tokens and not self.webhook_secrets:
            raise ValueError("there is neither a token nor a webhook secret, so nobody could call; add `tokens`")
        for secret in self.webhook_secrets:
            webhooks.key_of(secret)
        if self.reply_url:
            webhooks.key_of(self.reply_secret)
            if urlsplit(self.reply_url).scheme not in ("http", "https") or not urlsplit(self.reply_url).hostname:
                raise ValueError("`reply_url` must be an http or https address")


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look on."""

    conversation: str
    messages: str


class MessageAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The message is durable. ``duplicate``: it was there already, these are the ids it got then."""

    conversation: str
    seq: int
    duplicate: bool
    links: Links


class ReplyButton(msgspec.Struct, frozen=True, kw_only=True):
    """What a button shows, and the ``choice`` to send back when it is pressed."""

    label: str
    value: str


class ReplyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a reply."""

    name: str
    type: str
    base64: str


class ReplyData(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell the customer, and in which of your threads."""

    id: str
    thread: str
    kind: str
    text: str
    subject: str
    author: str
    language: str
    reply_to: str
    buttons: tuple[ReplyButton, ...]
    attachments: tuple[ReplyFile, ...]


class ReplyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a reply webhook. It carries no time, so that every attempt has the same bytes."""

    type: Literal["message.replied"] = "message.replied"
    data: ReplyData


class Api:
    """One account: its tokens share one space of external ids, threads and senders."""

    name: ClassVar[str] = "api"
    settings: ClassVar[type[msgspec.Struct]] = ApiSettings
    limits: ClassVar[Limits] = Limits(text=100_000, buttons=20, body=25 * 1024 * 1024)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "limits": "a reply goes out whole, its buttons as fields: JSON sets no limit of characters and the caller shows it",
        "no_echo": "what we say goes to reply_url or is read by GET; no protocol brings it back to us",
        "handshake": "the protocol is our own and has no set-up request: a token or a secret in the settings is enough",
    }
    idempotent: ClassVar[bool] = True
    routes: ClassVar[tuple[Route, ...]] = (Route(path=MESSAGES), Route())

    def __init__(self, account: str, settings: ApiSettings) -> None:
        self.account = account
        self._settings = settings
        self._upload_key = b""

    def __repr__(self) -> str:
        return f"Api({self.account!r})"

    # --- who calls --------------------------------------------------------------------------------

    def use_key(self, key: bytes) -> None:
        self._upload_key = key

    def token(self, headers: Mapping[str, str]) -> ApiToken | None:
        """The token that a request shows, if it is one of ours."""
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(shown.strip().encode(errors="surrogateescape")).hexdigest()
        found = None
        # All are compared, so the time taken does not tell how near a guess came.
        for token in self._settings.tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found if scheme.lower() == "bearer" else None

    def owns(self, request: Request) -> bool:
        return self.token(request.headers) is not None

    def handshake(self, request: Request) -> Answer | None:  # noqa: ARG002
        return None

    def upload_token(self, kept: Attachment) -> str:
        """The token that stands for a kept file in a message to this account."""
        return messages.upload_token(kept, self._upload_key)

    # --- what comes in ----------------------------------------------------------------------------

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """One message of a token's holder, or the messages of a signed webhook.

        Raises:
            BadSignature: no known token, or the signature does not fit.
            Forbidden: the token may not write, or not with this origin.
            Invalid: the holder of a token sent something wrong.
            BadPayload: nothing in a webhook could be read.
        """
        if not _with_token(request):
            return self._webhook(request)
        token = self.token(request.headers)
        if token is None:
            raise BadSignature("no known bearer token")
        if "messages:write" not in token.scopes:
            raise Forbidden("this token has no scope `messages:write`")
        wire = messages.decode(request.body)
        return (self._inbound(wire, request, named=_key(request), origin=_origin(wire, token)),)

    def idempotency(self, request: Request) -> tuple[str, str] | None:
        """The Idempotency-Key and the fingerprint of the body (draft-ietf-httpapi-idempotency-key-header)."""
        key = _key(request) if _with_token(request) else ""
        return (key, messages.fingerprint(messages.decode(request.body))) if key else None

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:
        told = [_told(one) for one in accepted]
        status = 200 if all(one.duplicate for one in accepted) else 202
        body: Any = told[0] if _with_token(request) else {"messages": told}
        return Answer(status=status, headers={"content-type": "application/json"}, body=msgspec.json.encode(body))

    def _inbound(self, wire: NewMessage, request: Request, *, named: str, origin: str, raw: bytes = b"") -> Inbound:
        return messages.inbound(
            wire,
            account=self.account,
            named=named,
            origin=origin,
            at=request.at,
            upload_key=self._upload_key,
            raw=raw,
        )

    def _webhook(self, request: Request) -> tuple[Inbound, ...]:
        id = webhooks.verify(self._settings.webhook_secrets, request.headers, request.body, request.at)
        parts = _parts(request.body)
        names = [id] if len(parts) == 1 else [f"{id}/{n}" for n in range(len(parts))]
        read = [self._part(part, request, named) for part, named in zip(parts, names, strict=True)]
        if parts and all(one.kind == "event" for one in read):
            raise BadPayload("no message in it could be read")
        return tuple(read)

    def _part(self, part: bytes, request: Request, named: str) -> Inbound:
        try:
            wire = messages.decode(part)
            return self._inbound(wire, request, named=named, origin=wire.origin)
        except Invalid as err:
            return self._unread(part, request, named, err)

    def _unread(self, part: bytes, request: Request, named: str, err: Invalid) -> Inbound:
        # One bad message must not hold up the rest of its batch, nor be lost: an agent sees that it came.
        where = f" ({err.where})" if err.where else ""
        return Inbound(
            channel=self.name,
            account=self.account,
            external_id=named,
            thread="unreadable",
            sender=Sender(id="unreadable"),
            at=request.at,
            kind="event",
            placeholder=f"a message that could not be read: {err.detail}{where}",
            raw=part,
        )

    # --- what goes out ----------------------------------------------------------------------------

    async def begin(self, sender: Sender, key: str) -> str:  # noqa: ARG002 - a person is one thread here
        """The person's number or address is the thread; without a ``reply_url`` nobody would see it."""
        return (sender.phone or sender.email) if self._settings.reply_url else ""

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """Post a reply to ``reply_url``; without one it is delivered by being stored, and is read by GET."""
        id = _reply_id(out.key)
        if not self._settings.reply_url:
            return Receipt(external_ids=(id,), written=True)
        body = msgspec.json.encode(ReplyEvent(data=await _reply(id, out, tools)))
        headers = webhooks.sign(self._settings.reply_secret, id, tools.now(), body)
        call = Call(url=self._settings.reply_url, headers={**headers, "content-type": "application/json"}, body=body)
        try:
            settle(await tools.http(call))
        except Unknown as err:
            # The webhook-id stays the same, so a receiver takes the repeat for what it is.
            raise Retry("no answer from reply_url") from err
        return Receipt(external_ids=(id,))

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask ``reply_url`` what it allows (OPTIONS, signed, without a message)."""
        if not self._settings.reply_url:
            return (Finding(what="replies", ok=True, detail="no reply_url: replies are read by GET"),)
        headers = webhooks.sign(self._settings.reply_secret, "check", tools.now(), b"")
        try:
            answer = await tools.http(Call(method="OPTIONS", url=self._settings.reply_url, headers=headers))
        except ChannelError as err:
            return (Finding(what="reply_url", ok=False, detail=f"cannot be reached: {err}"),)
        return (_verdict(answer.status),)


def _with_token(request: Request) -> bool:
    """Each door has its own key: a token opens this one, a signature the other."""
    return request.url.partition("?")[0].endswith(MESSAGES)


def _key(request: Request) -> str:
    # The draft writes the key as a structured string, in quotes; many clients send it bare. Both are one key.
    key = request.headers.get("idempotency-key", "").strip().removeprefix('"').removesuffix('"')
    if len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(
            f"an Idempotency-Key is at most {MAX_KEY} printable ASCII characters", where="Idempotency-Key", status=400
        )
    return key


def _origin(wire: NewMessage, token: ApiToken) -> str:
    if not token.origins or wire.origin in token.origins:
        return wire.origin
    if wire.origin:
        raise Forbidden(f"this token may not write with this origin, only with: {', '.join(token.origins)}")
    if len(token.origins) > 1:
        raise Invalid(f"say which `origin` it is: {', '.join(token.origins)}", where="origin")
    return token.origins[0]


def _parts(body: bytes) -> list[bytes]:
    try:
        value = msgspec.json.decode(body, type=msgspec.Raw)
        if bytes(value).lstrip()[:1] == b"[":
            return [bytes(part) for part in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise BadPayload("the webhook's body is not JSON") from err
    return [body]


def _told(one: Accepted) -> MessageAccepted:
    path = f"/v1/conversations/{one.conversation}"
    return MessageAccepted(
        conversation=one.conversation,
        seq=one.seq,
        duplicate=one.duplicate,
        links=Links(conversation=path, messages=f"{path}/messages"),
    )


def _reply_id(key: str) -> str:
    # A webhook's id is plain ASCII without a dot; our keys carry the callers' ids, which may hold anything.
    return f"reply_{hashlib.sha256(key.encode()).hexdigest()[:40]}"


async def _reply(id: str, out: Outbound, tools: Tools) -> ReplyData:
    return ReplyData(
        id=id,
        thread=out.thread,
        kind=out.kind,
        text=out.text,
        subject=out.subject,
        author=out.author,
        language=out.language,
        reply_to=out.reply_to,
        buttons=tuple(ReplyButton(label=button.label, value=button.value) for button in out.buttons),
        attachments=tuple([await _reply_file(one, tools) for one in out.attachments]),
    )


async def _reply_file(attachment: Attachment, tools: Tools) -> ReplyFile:
    data = await tools.read(attachment)
    return ReplyFile(name=attachment.name, type=attachment.type, base64=base64.b64encode(data).decode())


def _verdict(status: int) -> Finding:
    """A receiver may well not know OPTIONS (405, 501) or want a body (400); that it answers is what is asked."""
    if 300 <= status < 400:
        return Finding(what="reply_url", ok=False, detail="it redirects, and webhooks follow no redirect; give the end")
    if status in (401, 403):
        return Finding(what="reply_url", ok=False, detail="it refuses our signature: compare reply_secret on both ends")
    if status in (404, 410):
        return Finding(what="reply_url", ok=False, detail=f"HTTP {status}: nothing takes webhooks at this address")
    if status >= 500 and status != 501:
        return Finding(what="reply_url", ok=False, detail=f"HTTP {status}: the receiver is out of order")
    return Finding(what="reply_url", ok=True, detail=f"it answers (HTTP {status})")


CHANNEL = Api
