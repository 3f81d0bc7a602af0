"""SMS and MMS through Twilio, and WhatsApp through Twilio.

A thread is ``<our number>/<theirs>``, each as Twilio writes it (``+49…``, ``whatsapp:+49…``), so that an answer comes from the
number that was written to. Rules: https://www.twilio.com/docs/messaging
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from channels import _phone_twilio as twilio
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    Blocked,
    Call,
    ChannelError,
    DeliveryState,
    Expired,
    Finding,
    Inbound,
    Limits,
    MachineKind,
    Outbound,
    Promise,
    Receipt,
    Refused,
    Request,
    Retry,
    Route,
    Secret,
    Sender,
    Tools,
    Unauthorized,
    Unknown,
    asked_wait,
)

WHATSAPP = "whatsapp:"
#: After a customer's WhatsApp message a business may answer freely for so long.
WINDOW = timedelta(hours=24)
#: Most files of one MMS.
MAX_FILES = 10
#: What Twilio says of a message of ours.
STATES: Mapping[str, DeliveryState] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
}
#: https://www.twilio.com/docs/api/errors
CODES: Mapping[int, type[ChannelError]] = {
    20003: Unauthorized,
    21606: Unauthorized,
    21610: Blocked,
    63016: Expired,
}
EMPTY = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.sms.<account>]``."""

    account_sid: Annotated[str, Meta(description="Twilio's Account SID (`AC…`).")]
    auth_token: Annotated[Secret, Meta(description="Twilio's Auth Token: it signs what comes in.")]
    number: Annotated[str, Meta(description="The number that customers write to: `+4915…`, or `whatsapp:+4915…`.")] = ""
    messaging_service: Annotated[
        str, Meta(description="SID of a Messaging Service (`MG…`) that chooses the number, instead of `number`.")
    ] = ""
    callback_url: Annotated[
        str, Meta(description="Public address of this account's door, where Twilio tells what became of our messages.")
    ] = ""
    api_url: Annotated[str, Meta(description="Where Twilio's API is.")] = "https://api.twilio.com"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.account_sid or not self.auth_token:
            raise ValueError("`account_sid` and `auth_token` must not be empty: anybody could write as a customer")


class Sms:
    """One Twilio account with its numbers."""

    name: ClassVar[str] = "sms"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=1600, files=0, body=256 * 1024)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "handshake": "Twilio calls an address without trying it first",
        "whole_batch": "Twilio delivers one message in each request, so there is no batch that could be cut",
        "raw_body": "Twilio signs the address and every parameter of the form, sorted, not the bytes of the body",
        "edits": "a text message cannot be changed or taken back",
        "no_echo": "Twilio tells of our own messages only what became of them",
        "thread": "a text message cannot quote what it answers",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(),)

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings

    def __repr__(self) -> str:
        return f"Sms({self.account!r})"

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:  # noqa: ARG002
        return None

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """A message, or what became of one of ours. Raises :class:`BadSignature` and :class:`BadPayload`."""
        try:
            form = twilio.fields(request.body)
        except BadPayload:
            form = []  # who cannot even sign is a stranger, not a case for the quarantine
        twilio.verify(self._settings.auth_token, request.url, form, request.headers)
        fields = dict(form)
        if fields.get("AccountSid", self._settings.account_sid) != self._settings.account_sid:
            raise BadPayload("meant for another account of Twilio's")
        return (self._read(fields, request),) if fields else ()

    def _read(self, fields: Mapping[str, str], request: Request) -> Inbound:
        id = fields.get("MessageSid") or fields.get("SmsSid") or fields.get("SmsMessageSid") or ""
        state = fields.get("MessageStatus", fields.get("SmsStatus", "received"))
        ours = state not in ("received", "receiving")
        here, there = (fields.get("From", ""), fields.get("To", ""))[:: 1 if ours else -1]
        base = Inbound(
            channel=self.name,
            account=self.account,
            external_id=id,
            thread=f"{here}/{there}",
            sender=_sender(there, fields),
            at=request.at,
            raw=request.body,
        )
        if ours and id and state in STATES:
            return _state(base, state, fields)
        if not id or not there:
            thread = id or "event"
            return msgspec.structs.replace(
                base, kind="event", external_id=id or f"event:{_digest(request)}", thread=thread
            )
        if ours:  # queued, accepted: nobody's words
            return msgspec.structs.replace(base, kind="event", external_id=f"{id}:{state[:40]}")
        return msgspec.structs.replace(base, **_content(fields, request))

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        """No words in TwiML: an answer in it could not be repeated."""
        return Answer(headers={"content-type": "text/xml"}, body=EMPTY)

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:
        """Twilio redirects to where the file lies; our credentials go to Twilio alone."""
        call = Call(method="HEAD", url=attachment.url, headers=self._authorization(attachment.url))
        try:
            answer = await tools.http(call)
        except Unknown as err:
            raise Retry("no answer about the file") from err
        if 300 <= answer.status < 400 and answer.headers.get("location"):
            return Call(method="GET", url=answer.headers["location"])
        return msgspec.structs.replace(call, method="GET")

    def _authorization(self, url: str) -> dict[str, str]:
        settings = self._settings
        if not url.startswith(f"{settings.api_url}/"):
            return {}
        pair = f"{settings.account_sid}:{settings.auth_token!s}".encode()
        return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}

    # --- what goes out

    async def begin(self, sender: Sender, key: str) -> str:  # noqa: ARG002 - one chat for each pair of numbers
        """The chat with somebody's number; none where it is not known, or no number of ours is set."""
        prefix = WHATSAPP if self._settings.number.startswith(WHATSAPP) else ""
        return f"{self._settings.number}/{prefix}{sender.phone}" if sender.phone and self._settings.number else ""

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One text message. Twilio divides what is longer than a segment, and knows no repeats.

        Raises:
            Expired: WhatsApp's 24 hours are over.
        """
        ours, _, theirs = out.thread.partition("/")
        fields = {"To": theirs, "Body": out.text}
        service = self._settings.messaging_service
        fields |= {"MessagingServiceSid": service} if service else {"From": ours}
        if self._settings.callback_url:
            fields["StatusCallback"] = self._settings.callback_url
        found = await self._call("Messages.json", tools, fields)
        if not found.get("sid"):
            raise Unknown("Twilio's answer names no message")
        return Receipt(external_ids=(str(found["sid"]),))

    async def _call(self, path: str, tools: Tools, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A form posted, or without ``fields`` a question; what Twilio answers."""
        url = f"{self._settings.api_url}/2010-04-01/Accounts/{quote(self._settings.account_sid)}/{path}"
        headers = {"content-type": "application/x-www-form-urlencoded", **self._authorization(url)}
        body = urlencode(fields).encode() if fields else b""
        answer = await tools.http(Call(method="POST" if fields else "GET", url=url, headers=headers, body=body))
        return _answered(answer)

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask for the account; nothing changes."""
        try:
            found = await self._call("Balance.json", tools)
        except ChannelError as err:
            hint = "are `account_sid` and `auth_token` right?"
            return (Finding(what="the account", ok=False, detail=f"{err}: {hint}"),)
        return (Finding(what="the account", ok=True, detail=f"{found.get('balance', '')} {found.get('currency', '')}"),)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at console.twilio.com."""
        return (
            "At https://console.twilio.com copy Account SID and Auth Token: `account_sid`, `auth_token`.",
            "Buy a number that can do SMS, or register a WhatsApp sender: `number`.",
            f"Start the gateway, then set the number's `A message comes in` to {url} with HTTP POST (this command does it for "
            "SMS numbers). Set `callback_url` to the same address for delivery reports.",
            f"Add `#rc=2&rp=all` to the address ({url}#rc=2&rp=all) so that Twilio comes again after a failure.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:
        """Set where Twilio brings what comes to the number."""
        what, number = "the number's address", self._settings.number
        if not number or number.startswith(WHATSAPP):
            return (Finding(what=what, ok=False, detail="only for SMS numbers; set it in the console"),)
        try:
            found = await self._call(f"IncomingPhoneNumbers.json?PhoneNumber={quote(number, safe='')}", tools)
            numbers = found.get("incoming_phone_numbers") or []
            if not numbers:
                return (Finding(what=what, ok=False, detail=f"the account has no number {number}"),)
            path = f"IncomingPhoneNumbers/{quote(str(numbers[0].get('sid')))}.json"
            await self._call(path, tools, {"SmsUrl": f"{url}#rc=2&rp=all", "SmsMethod": "POST"})
        except ChannelError as err:
            return (Finding(what=what, ok=False, detail=str(err)),)
        return (Finding(what=what, ok=True, detail=url),)


def _digest(request: Request) -> str:
    """A name for what came without one: the same for the same bytes."""
    return hashlib.sha256(request.body).hexdigest()[:32]


def _sender(number: str, fields: Mapping[str, str]) -> Sender:
    """The network, or WhatsApp, vouches for the number; short codes and names are no numbers."""
    phone = number.removeprefix(WHATSAPP)
    is_number = phone.startswith("+") and phone[1:].isdecimal()
    return Sender(id=number, name=fields.get("ProfileName", ""), phone=phone if is_number else "", verified=is_number)


def _state(base: Inbound, state: str, fields: Mapping[str, str]) -> Inbound:
    """What became of a message of ours, which its id names alone."""
    why = f"Twilio's error {fields['ErrorCode']}" if fields.get("ErrorCode") else ""
    return msgspec.structs.replace(
        base,
        kind="status",
        external_id=f"{base.external_id}:{state}",
        refers_to=base.external_id,
        delivery=STATES[state],
        text=why,
    )


def _content(fields: Mapping[str, str], request: Request) -> dict[str, Any]:
    """Text, files, a place; what a customer said about wanting messages at all."""
    wish = fields.get("OptOutType", "")
    if wish in ("STOP", "START"):
        machine: MachineKind = "blocked" if wish == "STOP" else ""
        return {"kind": "status", "machine": machine, "text": "blocked" if machine else "unblocked"}
    pressed = fields.get("ButtonPayload") or fields.get("ListId") or ""
    found: dict[str, Any] = {"text": fields.get("Body", ""), "attachments": tuple(_files(fields)), "choice": pressed}
    if fields.get("Latitude") and fields.get("Longitude"):
        where = " ".join(fields[name] for name in ("Label", "Address") if fields.get(name))
        found["text"] = f"{found['text']}\n📍 {where} ({fields['Latitude']}, {fields['Longitude']})".strip()
        found["placeholder"] = "a location"
    if fields.get("OriginalRepliedMessageSid"):
        found["reply_to"] = fields["OriginalRepliedMessageSid"]
    if fields.get("From", "").startswith(WHATSAPP):
        found["replies_until"] = request.at + WINDOW
    if not found["text"] and not found["attachments"]:
        found["placeholder"] = "an empty message"
    return found


def _files(fields: Mapping[str, str]) -> list[Attachment]:
    count = fields.get("NumMedia", "")
    number = min(int(count), MAX_FILES) if count.isdecimal() and len(count) < 4 else 0
    return [
        Attachment(
            name=f"file-{n + 1}", type=fields.get(f"MediaContentType{n}", ""), url=fields[f"MediaUrl{n}"], size=0
        )
        for n in range(number)
        if fields.get(f"MediaUrl{n}", "").startswith(("https://", "http://"))
    ]


def _answered(answer: Answer) -> dict[str, Any]:
    """Twilio's JSON. Raises what its status and code say."""
    try:
        found = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        found = {}
    if 200 <= answer.status < 300:
        return found
    code = found.get("code")
    said = f"Twilio's error {code}" if code else f"HTTP {answer.status}"
    if answer.status == 429 or answer.status >= 500:
        raise Retry(said, asked_wait(answer), everyone=answer.status == 429)
    if answer.status == 401:
        raise Unauthorized(said)
    raise CODES.get(code if isinstance(code, int) else 0, Refused)(said)


CHANNEL = Sms
