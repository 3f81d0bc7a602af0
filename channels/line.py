"""LINE Official Accounts, by the Messaging API.

A thread is the user's id; groups and rooms are public. Answers go out as push messages with a retry key, because a repeat of
one is no second message; a reply token would cost nothing and could not be repeated.
Rules: https://developers.line.biz/en/reference/messaging-api/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from channels.base import (
    PUBLIC,
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    BadSignature,
    Call,
    ChannelError,
    Finding,
    Inbound,
    Limits,
    MachineKind,
    Outbound,
    Promise,
    Receipt,
    Request,
    Retry,
    Route,
    Secret,
    Sender,
    Tools,
    asked_wait,
    read_json,
    settle,
)

#: Begins the ``url`` of a file that lies at LINE.
CONTENT = "line:"
FILES: Mapping[str, tuple[str, str]] = {
    "image": ("image/jpeg", "photo.jpg"),
    "video": ("video/mp4", "video.mp4"),
    "audio": ("audio/mp4", "voice.m4a"),
    "file": ("application/octet-stream", "file"),
}
#: Events that are nobody's words.
HOUSEKEEPING = frozenset(
    "join leave memberJoined memberLeft beacon accountLink membership module activated deactivated botSuspended"
    " botResumed delivery videoPlayComplete things".split()
)
#: Longest value of a button.
MAX_CHOICE = 300
#: The month's messages are used up, or too many a second: which, LINE says in words only.
RATE_PAUSE = 60.0


class _Envelope(msgspec.Struct):
    events: list[msgspec.Raw]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.line.<account>]``."""

    channel_secret: Annotated[Secret, Meta(description="The channel secret: it signs what comes in.")]
    token: Annotated[Secret, Meta(description="A long-lived channel access token.")]
    groups: Annotated[bool, Meta(description="Whether what is said in groups and rooms is for us.")] = False
    api_url: Annotated[str, Meta(description="Where LINE's API is.")] = "https://api.line.me"
    data_url: Annotated[str, Meta(description="Where LINE keeps files.")] = "https://api-data.line.me"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.channel_secret or not self.token:
            raise ValueError("`channel_secret` and `token` must not be empty: anybody could write in a customer's name")


class Line:
    """One official account."""

    name: ClassVar[str] = "line"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=5000, unit="utf16", files=0, buttons=13, label=20, body=512 * 1024)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "handshake": "LINE sends a delivery without events, which is answered like any other",
        "no_echo": "LINE does not deliver what the account itself has said",
        "thread": "a message is quoted by a token that LINE gives out with it and that is not kept",
    }
    idempotent: ClassVar[bool] = True
    routes: ClassVar[tuple[Route, ...]] = (Route(),)

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings

    def __repr__(self) -> str:
        return f"Line({self.account!r})"

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:  # noqa: ARG002
        return None

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """All messages of a delivery. Raises :class:`BadSignature` and :class:`BadPayload`."""
        digest = hmac.new(self._settings.channel_secret.encode(), request.body, hashlib.sha256).digest()
        shown = request.headers.get("x-line-signature", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(shown, base64.b64encode(digest)):
            raise BadSignature("x-line-signature does not fit the body")
        try:
            events = msgspec.json.decode(request.body, type=_Envelope).events
            return tuple(found for raw in events for found in self._read(read_json(bytes(raw)), bytes(raw)))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError) as err:
            raise BadPayload(f"not a delivery of LINE's: {type(err).__name__}") from None

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    def _read(self, event: Mapping[str, Any], raw: bytes) -> Iterator[Inbound]:
        kind = _text(event["type"])
        source = event.get("source") or {}
        if kind in HOUSEKEEPING or (source.get("type") in ("group", "room") and not self._settings.groups):
            return
        base = Inbound(
            channel=self.name,
            account=self.account,
            external_id=_text(event.get("webhookEventId") or f"{kind}:{event['timestamp']}:{_who(source)}"),
            thread=_thread(source),
            sender=Sender(id=_who(source)),
            at=datetime.fromtimestamp(int(event["timestamp"]) / 1000, UTC),
            silent="person" if event.get("mode") == "standby" else "",
            raw=raw,
        )
        yield msgspec.structs.replace(base, **_content(kind, event))

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:  # noqa: ARG002 - no question to ask first
        """A customer's file lies at LINE under its message, or at an address that the sender named."""
        if not attachment.url.startswith(CONTENT):
            return Call(method="GET", url=attachment.url)
        id = attachment.url.removeprefix(CONTENT)
        return Call(
            method="GET", url=f"{self._settings.data_url}/v2/bot/message/{id}/content", headers=self._authorization
        )

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One push message. The same key again is the same message, for a day."""
        message: dict[str, Any] = {"type": "text", "text": out.text}
        if out.buttons:
            message["quickReply"] = {"items": [_button(b.label, b.value) for b in out.buttons]}
        body = {"to": out.thread.removeprefix(PUBLIC), "messages": [message]}
        headers = {"x-line-retry-key": str(uuid.uuid5(uuid.NAMESPACE_URL, out.key))}
        answer = await self._post("/v2/bot/message/push", body, tools, headers)
        if answer.status == 409:  # it has been accepted before
            return Receipt(external_ids=(answer.headers.get("x-line-accepted-request-id", out.key),))
        if answer.status == 429:
            asked = asked_wait(answer)
            pause = RATE_PAUSE if asked is None else asked
            raise Retry("too many messages, or the month's are used up", pause, everyone=True)
        settle(answer)
        return Receipt(external_ids=tuple(_ids(answer.body)) or (out.key,))

    async def _post(
        self, path: str, body: Mapping[str, Any], tools: Tools, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {"content-type": "application/json", **self._authorization, **(headers or {})}
        return await tools.http(
            Call(url=f"{self._settings.api_url}{path}", headers=sent, body=msgspec.json.encode(body))
        )

    @property
    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._settings.token!s}"}

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask who we are, and how many messages the month still has; nothing changes."""
        url = self._settings.api_url
        found = []
        for what, path in (("the account", "/v2/bot/info"), ("the month's messages", "/v2/bot/message/quota")):
            try:
                answer = await tools.http(Call(method="GET", url=f"{url}{path}", headers=self._authorization))
                settle(answer)
            except ChannelError as err:
                found.append(Finding(what=what, ok=False, detail=f"{err}: is `token` a channel access token?"))
            else:
                found.append(Finding(what=what, ok=True, detail=_shown(answer.body)))
        return tuple(found)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at developers.line.biz."""
        return (
            "At https://developers.line.biz/console/ make a provider and a Messaging API channel for your account.",
            "Copy the channel secret (Basic settings): `channel_secret`. Issue a long-lived channel access token (Messaging "
            "API): `token`.",
            f"Start the gateway; the webhook URL is {url}. Switch on Use webhook and Webhook redelivery there.",
            "In the Official Account Manager switch off the greeting and auto-reply messages: the bot answers.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """Enter the webhook's address and let LINE try it."""
        headers = {"content-type": "application/json", **self._authorization}
        base = f"{self._settings.api_url}/v2/bot/channel/webhook"
        put = Call(method="PUT", url=f"{base}/endpoint", headers=headers, body=msgspec.json.encode({"endpoint": url}))
        found = []
        for what, call in (
            ("the webhook's address", put),
            ("LINE's test of it", Call(url=f"{base}/test", headers=headers, body=b"{}")),
        ):
            try:
                settle(await tools.http(call))
            except ChannelError as err:
                found.append(Finding(what=what, ok=False, detail=str(err)))
            else:
                found.append(Finding(what=what, ok=True))
        return tuple(found)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _who(source: Mapping[str, Any]) -> str:
    return _text(source.get("userId") or source.get("groupId") or source.get("roomId") or "nobody")


def _thread(source: Mapping[str, Any]) -> str:
    if source.get("type") in ("group", "room"):
        return f"{PUBLIC}{_text(source.get('groupId') or source.get('roomId'))}"
    return _who(source)


def _content(kind: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says, as fields of an Inbound."""
    if kind == "message":
        return _message(event["message"])
    if kind == "messageEdited":
        edited = _message(event["message"])
        id = edited["external_id"]
        return {**edited, "kind": "edit", "refers_to": id, "external_id": f"{id}:{event['timestamp']}"}
    if kind == "unsend":
        return {"kind": "delete", "refers_to": _text(event["unsend"]["messageId"])}
    if kind == "postback":
        data = _text(event["postback"]["data"])
        return {"text": data, "choice": data}
    if kind in ("follow", "unfollow"):
        machine: MachineKind = "blocked" if kind == "unfollow" else ""
        return {"kind": "status", "machine": machine, "text": "blocked" if machine else "unblocked"}
    return {"kind": "event"}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    kind, id = _text(message["type"]), _text(message["id"])
    base: dict[str, Any] = {"external_id": id, "reply_to": str(message.get("quotedMessageId") or "")}
    if kind == "text":
        return {**base, "text": _text(message["text"])}
    if kind in FILES:
        album = message.get("imageSet") or {}
        return {**base, "attachments": (_file(kind, id, message),), "part_of": str(album.get("id") or "")}
    if kind == "location":
        where = " ".join(str(message[name]) for name in ("title", "address") if message.get(name))
        text = f"📍 {where} ({message.get('latitude')}, {message.get('longitude')})"
        return {**base, "text": text, "placeholder": "a location"}
    if kind == "sticker":
        return {**base, "text": str(message.get("text") or ""), "placeholder": "[sticker]"}
    return {**base, "placeholder": f"a message that is not shown here ({kind[:40]})"}


def _file(kind: str, id: str, message: Mapping[str, Any]) -> Attachment:
    type, name = FILES[kind]
    size = int(message.get("fileSize") or 0)
    elsewhere = (message.get("contentProvider") or {}).get("originalContentUrl")
    url = elsewhere if isinstance(elsewhere, str) and elsewhere.startswith("https://") else f"{CONTENT}{id}"
    return Attachment(name=str(message.get("fileName") or name), type=type, size=size, url=url)


def _button(label: str, value: str) -> dict[str, Any]:
    """Pressed, it comes back as a postback; the customer sees what they chose."""
    return {
        "type": "action",
        "action": {"type": "postback", "label": label, "data": value[:MAX_CHOICE], "displayText": label},
    }


def _ids(body: bytes) -> Iterator[str]:
    try:
        found = msgspec.json.decode(body)
        yield from (str(one["id"]) for one in found.get("sentMessages", ()))
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
        return


def _shown(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return ""
    name = found.get("displayName")
    return str(name) if name else f"{found.get('value', 'no limit')}" if "type" in found else ""


CHANNEL = Line
