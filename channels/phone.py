"""The channel for calls: a watched folder, Twilio's callbacks, signed webhooks, uploads; and streams of calls that run.

A recording is a message whose words are heard later. Each call is a conversation of its own. Nothing can be said
through this channel.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from channels import _phone_call as calls
from channels import _phone_live as live
from channels import _phone_media as media
from channels import _phone_twilio as twilio
from channels import _standard_webhooks as webhooks
from channels._phone_folder import DONE, FAILED, Folder, Found
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    BadSignature,
    Call,
    Delivery,
    Finding,
    Inbound,
    Limits,
    LocalFile,
    Outbound,
    Promise,
    Receipt,
    Refused,
    Request,
    Route,
    Secret,
    Sender,
    Tools,
    read_json,
)

#: Seconds between two looks at the folder.
LOOK_EVERY = 2.0
#: Calls in one signed webhook.
MAX_BATCH = 100


class PhoneSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.phone.<account>]``."""

    folder: Annotated[
        str, Meta(description="Folder that recordings are put into, as an absolute path; empty for none.")
    ] = ""
    settle_seconds: Annotated[
        float, Meta(ge=0, description="How long a file must not have changed before it counts as finished.")
    ] = 10.0
    file_names: Annotated[
        str,
        Meta(
            description="Regular expression with the groups `call_id`, `caller`, `agent`, `at`, `language` for file names "
            "that are not told by themselves."
        ),
    ] = ""
    timezone: Annotated[str, Meta(description="IANA zone of times without one, in file names and sidecars.")] = "UTC"
    language: Annotated[str, Meta(description="Language of the calls; empty to find it out by trying.")] = ""
    first_channel: Annotated[
        Literal["customer", "agent"], Meta(description="Whose voice the first channel of a stereo recording holds.")
    ] = "customer"
    receipt_by: Annotated[
        tuple[Annotated[str, Meta(pattern="^[a-z0-9_]+/[^/]+$")], ...],
        Meta(
            description="Accounts, as `channel/account`, by which the caller gets a receipt to correct: the first one that "
            "can write to the caller's number or address; empty for none."
        ),
    ] = ()
    audiosocket: Annotated[
        str,
        Meta(
            description="Address and port for Asterisk's AudioSocket, for example `127.0.0.1:9092`; empty for none. It knows "
            "no password: keep it on this machine or in a network of your own."
        ),
    ] = ""
    webhook_secrets: Annotated[
        tuple[Secret, ...],
        Meta(description="`whsec_…` secrets of “recording ready” webhooks; two while one is changed."),
    ] = ()
    tokens: Annotated[
        tuple[Annotated[str, Meta(pattern="^[0-9a-f]{64}$")], ...],
        Meta(
            description="sha256 in hex of the tokens that may upload to `/v1/recordings` and stream calls to "
            "`/calls/vosk/<account>`."
        ),
    ] = ()
    recordings_url: Annotated[
        str, Meta(description="Beginning of the links in webhooks that `recordings_authorization` is sent to.")
    ] = ""
    recordings_authorization: Annotated[
        Secret, Meta(description="`Authorization` header for fetching recordings from `recordings_url`.")
    ] = Secret("")
    twilio_account: Annotated[str, Meta(description="Twilio's AccountSid, for its recording callbacks.")] = ""
    twilio_token: Annotated[Secret, Meta(description="Twilio's auth token: checks signatures, fetches recordings.")] = (
        Secret("")
    )
    twilio_url: Annotated[str, Meta(description="Twilio's API.")] = "https://api.twilio.com/"

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if not (self.folder or self.webhook_secrets or self.tokens or self.twilio_token or self.audiosocket):
            raise ValueError(
                "no recording could come: set `folder`, `tokens`, `webhook_secrets`, `twilio_token` or `audiosocket`"
            )
        if self.audiosocket and not re.fullmatch(r"\[?[\w.:-]+\]?:\d{1,5}", self.audiosocket):
            raise ValueError("`audiosocket` is an address and a port, for example `127.0.0.1:9092`")
        if self.folder and not Path(self.folder).is_absolute():
            raise ValueError("`folder` must be an absolute path")
        if bool(self.recordings_url) != bool(self.recordings_authorization):
            raise ValueError("`recordings_url` and `recordings_authorization` belong together")
        if bool(self.twilio_account) != bool(self.twilio_token):
            raise ValueError("`twilio_account` and `twilio_token` belong together")
        for secret in self.webhook_secrets:
            webhooks.key_of(secret)
        ZoneInfo(self.timezone)


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as a webhook names it: behind ``url``, or inline as ``base64``."""

    call_id: Annotated[str, Meta(min_length=1, max_length=calls.MAX_VALUE)]
    url: Annotated[str, Meta(max_length=2000)] = ""
    base64: str = ""
    recording_id: Annotated[str, Meta(max_length=calls.MAX_VALUE)] = ""
    caller: str = ""
    name: str = ""
    email: str = ""
    agent: str = ""
    started_at: str = ""
    language: str = ""
    note: str = ""
    format: Annotated[str, Meta(pattern="^[a-z0-9]{0,5}$")] = ""


class Phone:
    """One account: one telephone system."""

    name: ClassVar[str] = "phone"
    settings: ClassVar[type[msgspec.Struct]] = PhoneSettings
    limits: ClassVar[Limits] = Limits(text=1_000_000, file=500 * 1024 * 1024, body=30 * 1024 * 1024)
    routes: ClassVar[tuple[Route, ...]] = (Route(),)
    idempotent: ClassVar[bool] = False
    exempt: ClassVar[Mapping[Promise, str]] = {
        "handshake": "neither Twilio nor signed webhooks ask anything before they deliver",
        "no_echo": "nothing can be said through this channel, so nothing can come back",
        "edits": "a recording is as it was recorded; there are no edits of a call",
        "send": "the call is over when its recording comes: there is nobody on the line to hear a reply",
        "retry": "nothing is ever sent through this channel, so no sending can fail",
        "thread": "nothing is ever sent through this channel, so there is no thread to answer into",
        "limits": "nothing is ever sent through this channel, so no reply can be too long",
    }

    def __init__(self, account: str, settings: PhoneSettings) -> None:
        self.account = account
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        other = "agent" if settings.first_channel == "customer" else "customer"
        self.speakers = (settings.first_channel, other)
        self.receipt_by = settings.receipt_by

    # --- what calls us

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has a path of its own
        return True

    def handshake(self, request: Request) -> Answer | None:  # noqa: ARG002
        return None

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """Twilio's form or a signed webhook, told apart by the header that signs."""
        if twilio.HEADER in request.headers:
            return self._from_twilio(request)
        id = webhooks.verify(self._settings.webhook_secrets, request.headers, request.body, request.at)
        tree = read_json(request.body)
        events = tree if isinstance(tree, list) else [tree]
        if not 0 < len(events) <= MAX_BATCH:
            raise BadPayload(f"a webhook holds 1 to {MAX_BATCH} events")
        return tuple(self._from_event(event, f"{id}-{n}", request) for n, event in enumerate(events))

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer(status=204)

    def _from_event(self, event: Any, id: str, request: Request) -> Inbound:
        raw = msgspec.json.encode(event)
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise BadPayload("an event is an object with a `type`")
        if event["type"] != "recording.ready":
            return Inbound(
                channel=self.name,
                account=self.account,
                external_id=id,
                thread=id,
                sender=Sender(id=id),
                at=request.at,
                kind="event",
                raw=raw,
            )
        try:
            ready = msgspec.convert(event.get("data"), Ready)
        except msgspec.ValidationError as err:
            raise BadPayload(f"data: {err}") from err
        call = calls.read(msgspec.structs.asdict(ready), self._zone)
        return calls.inbound(
            call,
            account=self.account,
            external_id=ready.recording_id or ready.call_id,
            file=_file(ready),
            received_at=request.at,
            language=self._settings.language,
            raw=raw,
        )

    def _from_twilio(self, request: Request) -> tuple[Inbound, ...]:
        if not self._settings.twilio_token:
            raise BadSignature("this account does not know Twilio")
        form = twilio.fields(request.body) if request.body else []
        twilio.verify(self._settings.twilio_token, request.url, form, request.headers)
        said = dict(form)
        if said.get("AccountSid", self._settings.twilio_account) != self._settings.twilio_account:
            raise BadSignature("another Twilio account")
        if said.get("RecordingStatus", "completed") != "completed":
            return ()
        sid, url = said.get("RecordingSid", ""), said.get("RecordingUrl", "")
        if not sid or not url:
            raise BadPayload("a recording callback has RecordingSid and RecordingUrl")
        call = calls.read(
            {"call_id": said.get("CallSid", ""), "caller": said.get("From", ""), "to": said.get("To", "")}
        )
        return (
            calls.inbound(
                call,
                account=self.account,
                external_id=sid,
                file=Attachment(name=f"{sid}.wav", type="audio/wav", url=f"{url}.wav"),
                received_at=request.at,
                language=self._settings.language,
                raw=request.body,
            ),
        )

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:  # noqa: ARG002 - no question to ask first
        """Credentials go to the host they are for, and to no link that somebody wrote into a webhook."""
        settings, headers = self._settings, {}
        if settings.twilio_token and _inside(attachment.url, settings.twilio_url):
            pair = f"{settings.twilio_account}:{settings.twilio_token}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif settings.recordings_url and _inside(attachment.url, settings.recordings_url):
            headers["Authorization"] = settings.recordings_authorization
        return Call(method="GET", url=attachment.url, headers=headers)

    # --- uploads

    def may_upload(self, token: str) -> bool:
        """Whether a bearer token may bring recordings and calls, in constant time."""
        digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        fits = [hmac.compare_digest(digest, known) for known in self._settings.tokens]
        return any(fits)

    def uploaded(self, file: Attachment, said: Mapping[str, str], id: str, request: Request) -> Inbound:
        """A kept upload as a message. ``said`` is what the caller tells of the call, ``id`` its Idempotency-Key."""
        call = calls.read(said, self._zone)
        return calls.inbound(
            call,
            account=self.account,
            external_id=id or call.call_id or file.digest,
            file=file,
            received_at=request.at,
            language=self._settings.language,
            raw=msgspec.json.encode(dict(said)),
        )

    # --- live calls

    @property
    def audiosocket(self) -> str:
        """Where Asterisk may stream calls to; empty for nowhere."""
        address: str = self._settings.audiosocket
        return address

    @property
    def language(self) -> str:
        """What is spoken in the calls; empty when it is to be found out."""
        language: str = self._settings.language
        return language

    def opens_stream(self, request: Request) -> None:
        """Check that it is Twilio that opens a media stream. Raises :class:`BadSignature`."""
        if not self._settings.twilio_token:
            raise BadSignature("this account does not know Twilio")
        twilio.verify_stream(self._settings.twilio_token, request.url, request.headers)

    def streamed(self, started: media.Started) -> tuple[calls.Call, tuple[str, ...]]:
        """The call of a media stream, and its tracks in the order of a recording's channels.

        Raises:
            BadSignature: it is another account's. BadPayload: a stream of something else.
        """
        if started.accountSid not in ("", self._settings.twilio_account):
            raise BadSignature("another Twilio account")
        tracks = tuple(dict.fromkeys(started.tracks))
        if not tracks or not set(tracks) <= {"inbound", "outbound"}:
            raise BadPayload("a stream has the tracks `inbound`, `outbound` or both")
        by_speaker = {"customer": "inbound", "agent": "outbound"}
        call = calls.read({**started.customParameters, "call_id": started.callSid}, self._zone)
        return call, tracks if len(tracks) == 1 else tuple(by_speaker[speaker] for speaker in self.speakers)

    def known(self, said: Mapping[str, object]) -> calls.Call:
        """What is told of a call that begins."""
        return calls.read(said, self._zone)

    def begun(self, call: calls.Call, id: str, at: datetime) -> Inbound:
        """A call that runs, as its first message; ``id`` names this stream of it."""
        return live.begun(call, account=self.account, id=id, at=at, language=self._settings.language)

    # --- the folder

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncIterator[Delivery]:  # noqa: ARG002
        """Each finished recording once; it moves to ``done`` after the commit. What is there after a crash comes again."""
        if not self._settings.folder:
            await asyncio.Event().wait()
        folder = Folder(
            Path(self._settings.folder), settle=self._settings.settle_seconds, pattern=self._settings.file_names
        )
        while True:
            ready, growing = await asyncio.to_thread(folder.finished, tools.now())
            for n, found in enumerate(ready):
                if not 0 < found.size <= self.limits.file:
                    await asyncio.to_thread(folder.put_away, found, FAILED)
                    trouble = f"a recording of {found.size} bytes was put into `{FAILED}`"
                    yield Delivery(waiting=len(ready) - n + growing, trouble=trouble)
                    continue
                yield await asyncio.to_thread(self._delivery, folder, found)
            yield Delivery(waiting=growing)
            await asyncio.sleep(LOOK_EVERY)

    def _delivery(self, folder: Folder, found: Found) -> Delivery:
        call, sidecar = folder.known(found, self._zone)
        message = calls.inbound(
            call,
            account=self.account,
            external_id=found.name,
            file=LocalFile(name=found.path.name, path=str(found.path)),
            received_at=found.changed_at,
            language=self._settings.language,
            raw=sidecar,
        )

        async def ack() -> None:
            await asyncio.to_thread(folder.put_away, found, DONE)

        return Delivery(messages=(message,), ack=ack)

    # --- what all channels have

    async def send(self, out: Outbound, tools: Tools) -> Receipt:  # noqa: ARG002
        """Always raises :class:`Refused`: the call is over."""
        raise Refused("nothing can be said into a call that is over: call back, or write by another channel")

    async def check(self, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Whether the folder can be read and its files moved; what else is configured calls us."""
        findings = [Finding(what="recordings that are sent to us", ok=True, detail="they come when there are any")]
        if self._settings.folder:
            findings = [await asyncio.to_thread(_usable, Path(self._settings.folder))]
        return tuple(findings)


def _usable(folder: Path) -> Finding:
    what = f"folder {folder}"
    if not folder.is_dir():
        return Finding(what=what, ok=False, detail="there is no such folder; create it or correct `folder`")
    probe = folder / ".allears-check"
    try:
        probe.touch()
        probe.unlink()
    except OSError as err:
        return Finding(what=what, ok=False, detail=f"files in it cannot be moved: {err.strerror}")
    return Finding(what=what, ok=True)


def _file(ready: Ready) -> Attachment:
    name = f"recording.{ready.format or 'wav'}"
    if ready.base64:
        try:
            return Attachment(name=name, data=base64.b64decode(ready.base64, validate=True))
        except ValueError as err:
            raise BadPayload("data: `base64` is not base64") from err
    if urlsplit(ready.url).scheme not in ("http", "https"):
        raise BadPayload("data: there is neither an http `url` nor `base64`")
    return Attachment(name=name, type="audio/wav", url=ready.url)


def _inside(url: str, base: str) -> bool:
    """Whether a link is on the base's host and below its path."""
    one, other = urlsplit(url), urlsplit(base)
    same = (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())
    return same and ".." not in one.path and one.path.startswith(other.path.rstrip("/") + "/")


CHANNEL = Phone
