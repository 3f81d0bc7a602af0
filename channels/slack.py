"""Slack: direct messages to an app, and its channels where that is wanted.

Events come by webhook, or over a WebSocket that we open (Socket Mode), whose every event is acknowledged after the commit.
Rules: https://docs.slack.dev/apis/events-api/
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs, urlencode

import msgspec
from msgspec import Meta

from channels._slack_events import Reader, escaped, place
from channels._unread import unread
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    BadSignature,
    Call,
    ChannelError,
    Delivery,
    Finding,
    Inbound,
    Limits,
    Outbound,
    Promise,
    Rate,
    Receipt,
    Refused,
    Request,
    Retry,
    Route,
    Secret,
    Socket,
    Tools,
    Unauthorized,
    Unknown,
    asked_wait,
    read_json,
    settle,
)

#: A request signed longer ago than this is a replay.
MAX_AGE = timedelta(minutes=5)
#: Seconds without a word on the WebSocket after which it is opened anew.
SILENCE = 300.0
#: Where Slack keeps files; our token goes there and nowhere else.
FILES = ("https://files.slack.com/", "https://slack-files.com/")
LATER = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
CREDENTIALS = frozenset(
    "invalid_auth not_authed account_inactive token_revoked token_expired no_permission missing_scope org_login_required"
    " ekm_access_denied not_allowed_token_type".split()
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.slack.<account>]``."""

    bot_token: Annotated[Secret, Meta(description="The app's bot token (`xoxb-…`).")]
    mode: Annotated[
        Literal["events", "socket"],
        Meta(description="`events`: Slack calls us. `socket`: we open a WebSocket to Slack."),
    ] = "events"
    signing_secret: Annotated[Secret, Meta(description="The app's signing secret, for `events`.")] = Secret("")
    app_token: Annotated[Secret, Meta(description="An app-level token (`xapp-…`), for `socket`.")] = Secret("")
    channels: Annotated[bool, Meta(description="Whether what is said in channels is for us; they count as public.")] = (
        False
    )
    api_url: Annotated[str, Meta(description="Where Slack's API is.")] = "https://slack.com/api"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.bot_token:
            raise ValueError("`bot_token` must not be empty")
        if self.mode == "events" and not self.signing_secret:
            raise ValueError("`signing_secret` must not be empty: anybody could write in a customer's name")
        if self.mode == "socket" and not self.app_token:
            raise ValueError("`app_token` must not be empty in the socket mode")


class Slack:
    """One app in one workspace."""

    name: ClassVar[str] = "slack"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=3000, file=100 * 1024 * 1024, files=10, caption=3000, buttons=20, label=75, per_chat=Rate(1, 1.0)
    )
    exempt: ClassVar[Mapping[Promise, str]] = {
        "whole_batch": "Slack delivers one event in each request, so there is no batch that could be cut",
        "thread": "a direct chat is one stream that quotes nothing; its threads are tested in tests/channels/slack",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(),)

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self.pulling = settings.mode == "socket"
        self._reader = Reader(self.name, account, channels=settings.channels)

    def __repr__(self) -> str:
        return f"Slack({self.account!r})"

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:
        """Slack shows a word and wants it back. Raises :class:`BadSignature`."""
        if b'"url_verification"' not in request.body:
            return None
        self._verify(request)
        tree = read_json(request.body)
        if not isinstance(tree, dict) or tree.get("type") != "url_verification":
            return None
        return Answer(headers={"content-type": "text/plain"}, body=str(tree.get("challenge", "")).encode()[:1000])

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """The message of an event or of a pressed button. Raises :class:`BadSignature` and :class:`BadPayload`."""
        self._verify(request)
        return self._reader.read(_payload(request), request.body, request.at)

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    def _verify(self, request: Request) -> None:
        stamp = request.headers.get("x-slack-request-timestamp", "")
        said = b"v0:%s:%s" % (stamp.encode(errors="surrogateescape"), request.body)
        good = "v0=" + hmac.new(self._settings.signing_secret.encode(), said, hashlib.sha256).hexdigest()
        shown = request.headers.get("x-slack-signature", "").encode(errors="surrogateescape")
        if not self._settings.signing_secret or not hmac.compare_digest(shown, good.encode()):
            raise BadSignature("X-Slack-Signature does not fit")
        at = int(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) < 12 else 0
        if abs(request.at.timestamp() - at) > MAX_AGE.total_seconds():
            raise BadSignature("signed too long ago, or the clock is wrong")

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:  # noqa: ARG002
        """Events over the WebSocket for ever; Slack repeats what we have not acknowledged. Raises as :meth:`_post`."""
        while True:
            found = await self._post("apps.connections.open", {}, tools, token=self._settings.app_token)
            async with tools.socket(str(found.get("url", ""))) as socket:
                while (frame := await self._frame(socket)) is not None:
                    yield self._delivery(frame, socket, tools.now())

    async def _frame(self, socket: Socket) -> dict[str, Any] | None:
        """The next frame; None when the connection is to be opened anew. Raises :class:`BadPayload`, :class:`Retry`."""
        text = await socket.receive(SILENCE)
        frame = read_json(text.encode()) if text else {"type": "disconnect"}
        if not isinstance(frame, dict):
            raise Retry("the WebSocket said something that is no event")
        return None if frame.get("type") == "disconnect" else frame

    def _delivery(self, frame: Mapping[str, Any], socket: Socket, now: datetime) -> Delivery:
        id = frame.get("envelope_id")
        if not id:
            return Delivery()  # the greeting: from here on what comes is new
        payload = frame.get("payload") or {}
        raw = msgspec.json.encode(payload)
        try:
            messages = self._reader.read(payload, raw, now)
        except BadPayload:
            messages = (unread(self.name, self.account, raw, now, "an event of Slack's that could not be read"),)

        async def ack() -> None:
            await socket.send(json.dumps({"envelope_id": id}))

        return Delivery(messages=messages, ack=ack)

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:  # noqa: ARG002 - no question to ask first
        """A file of Slack's wants the bot's token. One that lies elsewhere gets none, and neither does a call of Slack's API
        that somebody has put in the place of a file's address: it would be made in our name."""
        api = self._settings.api_url.rstrip("/")
        host = api.removesuffix("/api") + "/"
        ours = attachment.url.startswith((*FILES, host)) and not attachment.url.startswith(f"{host}api/")
        return Call(method="GET", url=attachment.url, headers=_bearer(self._settings.bot_token) if ours else {})

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One message, or its files with the text as their comment. Slack knows no repeats."""
        room, time = place(out.thread)
        body: dict[str, Any] = {"channel": room} | ({"thread_ts": time} if time else {})
        if out.attachments:
            return await self._send_files(out, body, tools)
        body |= {"text": escaped(out.text), "unfurl_links": False, "unfurl_media": False}
        if out.buttons:
            body["blocks"] = _blocks(out)
        found = await self._post("chat.postMessage", body, tools)
        return Receipt(external_ids=(f"{room}:{found.get('ts', '')}",))

    async def _send_files(self, out: Outbound, where: Mapping[str, str], tools: Tools) -> Receipt:
        """Each file is brought to Slack first, where nobody sees it; one call then shows them all."""
        try:
            files = [await self._upload(file, tools) for file in out.attachments]
        except Unknown as err:
            raise Retry("no answer to the upload") from err
        shown: dict[str, Any] = {"files": files, "channel_id": where["channel"], "initial_comment": escaped(out.text)}
        if "thread_ts" in where:
            shown["thread_ts"] = where["thread_ts"]
        await self._post("files.completeUploadExternal", shown, tools)
        return Receipt(external_ids=tuple(file["id"] for file in files))

    async def _upload(self, file: Attachment, tools: Tools) -> dict[str, str]:
        data = await tools.read(file)
        form = {"filename": file.name or "file", "length": str(len(data))}
        place = await self._call("files.getUploadURLExternal", urlencode(form).encode(), _FORM, tools)
        answer = await tools.http(Call(url=str(place.get("upload_url", "")), body=data, headers=_BYTES, timeout=120.0))
        settle(answer)
        return {"id": str(place.get("file_id", "")), "title": file.name or "file"}

    async def _post(
        self, method: str, body: Mapping[str, Any], tools: Tools, *, token: Secret | None = None
    ) -> dict[str, Any]:
        """A call of Slack's Web API. Raises what its ``error`` says."""
        return await self._call(method, msgspec.json.encode(body), _JSON, tools, token=token)

    async def _call(
        self, method: str, body: bytes, kind: Mapping[str, str], tools: Tools, *, token: Secret | None = None
    ) -> dict[str, Any]:
        headers = {**kind, **_bearer(token or self._settings.bot_token)}
        return _answered(await tools.http(Call(url=f"{self._settings.api_url}/{method}", headers=headers, body=body)))

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask who we are, and in the socket mode for a WebSocket; nothing changes."""
        tried = [("the bot's token", "auth.test", self._settings.bot_token)]
        if self.pulling:
            tried.append(("the app's token", "apps.connections.open", self._settings.app_token))
        found = []
        for what, method, token in tried:
            try:
                answer = await self._post(method, {}, tools, token=token)
            except ChannelError as err:
                found.append(Finding(what=what, ok=False, detail=f"{err}; copy the token from the app's page"))
            else:
                found.append(Finding(what=what, ok=True, detail=str(answer.get("team", ""))))
        return tuple(found)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at api.slack.com."""
        return (
            "At https://api.slack.com/apps make an app From scratch in your workspace.",
            "Under OAuth & Permissions add the bot scopes chat:write, im:history, im:read, files:read, files:write (with "
            "`channels = true` also channels:history); install it and copy the bot token: `bot_token`.",
            "Under App Home allow messages from the Messages tab.",
            f"For `events`: copy the Signing Secret; start the gateway; enter {url} under Event Subscriptions and under "
            "Interactivity; subscribe to message.im (and message.channels).",
            "For `socket`: switch Socket Mode on, make an app-level token with connections:write (`app_token`), subscribe to "
            "the same events.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Slack has no call for it without a configuration token: the app's page does it."""
        return await self.check(tools)


_JSON = {"content-type": "application/json; charset=utf-8"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_BYTES = {"content-type": "application/octet-stream"}


def _bearer(token: Secret) -> dict[str, str]:
    return {"authorization": f"Bearer {token!s}"}


def _payload(request: Request) -> Any:
    """Events are JSON; pressed buttons are a form with JSON in it."""
    if not request.body.startswith(b"payload="):
        return read_json(request.body)
    try:
        return read_json(parse_qs(request.body.decode(), max_num_fields=20)["payload"][0].encode())
    except (ValueError, KeyError) as err:
        raise BadPayload("not a form of Slack's") from err


def _blocks(out: Outbound) -> list[dict[str, Any]]:
    words = {"type": "section", "text": {"type": "plain_text", "text": out.text, "emoji": True}}
    buttons = [
        {
            "type": "button",
            "action_id": f"choice{n}",
            "text": {"type": "plain_text", "text": button.label, "emoji": True},
            "value": button.value,
        }
        for n, button in enumerate(out.buttons)
    ]
    return [words, {"type": "actions", "elements": buttons}]


def _answered(answer: Answer) -> dict[str, Any]:
    """Slack's answer; HTTP is 200 even where ``ok`` is false."""
    if answer.status == 429:
        raise Retry("rate limited", asked_wait(answer), everyone=True)
    settle(answer)
    try:
        found = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Unknown("the answer is not Slack's") from None
    if found.get("ok") is True:
        return found
    error = str(found.get("error", ""))[:60]
    if error in LATER or error.startswith("ratelimited"):
        raise Retry(error)
    raise (Unauthorized if error in CREDENTIALS else Refused)(error)


CHANNEL = Slack
