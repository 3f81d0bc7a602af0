"""X (Twitter): direct messages, and posts that mention the account.

Built from what is published; nobody here has had an account to try it with, so it starts only with ``unproven = true``.
Rules: https://docs.x.com/x-api/webhooks/introduction and https://docs.x.com/x-api/direct-messages/manage/introduction
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
    Outbound,
    Promise,
    Rate,
    Receipt,
    Refused,
    Request,
    Retry,
    Route,
    Secret,
    Sender,
    Tools,
    Unknown,
    asked_wait,
    read_json,
    settle,
)

#: Longest post; a direct message takes 10,000 characters.
MAX_POST = 280
#: A challenge is signed with the secret that signs deliveries, so nothing that could be a delivery is ever signed.
_CHALLENGE = re.compile(rb"[A-Za-z0-9_+/=.~-]{1,500}")
#: Keys of a delivery that are nobody's words.
HOUSEKEEPING = (
    "follow_events favorite_events block_events mute_events direct_message_mark_read_events tweet_delete_events user_event"
    " direct_message_indicate_typing_events users for_user_id user_has_blocked apps"
).split()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.x.<account>]``."""

    unproven: Annotated[
        bool, Meta(description="Must be `true`: this channel has never been tried with X itself, see its page.")
    ] = False
    consumer_secret: Annotated[Secret, Meta(description="The app's API key secret: it signs what comes in.")]
    token: Annotated[Secret, Meta(description="An OAuth 2.0 user token with dm.write, tweet.write and users.read.")]
    user_id: Annotated[str, Meta(description="The account's numeric id.")]
    api_url: Annotated[str, Meta(description="Where X's API is.")] = "https://api.x.com"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.unproven:
            raise ValueError("set `unproven = true` when you know what channels/x.md says is unproven")
        if not self.consumer_secret or not self.token or not self.user_id:
            raise ValueError("`consumer_secret`, `token` and `user_id` must not be empty")


class X:
    """One account. Direct messages are threads by the other's id, posts public threads by the first post's id."""

    name: ClassVar[str] = "x"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=MAX_POST, files=0, body=1024 * 1024, per_account=Rate(200, 900.0))
    exempt: ClassVar[Mapping[Promise, str]] = {
        "edits": "what has been published of X's webhooks names no event for edited messages and posts",
        "thread": "a direct message quotes nothing; answers to posts are tested in tests/channels/x",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(), Route(method="GET"))

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings

    def __repr__(self) -> str:
        return f"X({self.account!r})"

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:
        """X shows a word now and then and wants it back signed (CRC)."""
        if request.method != "GET":
            return None
        word = request.query.get("crc_token", "").encode(errors="surrogateescape")
        if not _CHALLENGE.fullmatch(word):
            return Answer(status=400)
        body = msgspec.json.encode({"response_token": self._signature(word)})
        return Answer(headers={"content-type": "application/json"}, body=body)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """All messages and mentions of a delivery. Raises :class:`BadSignature` and :class:`BadPayload`."""
        shown = request.headers.get("x-twitter-webhooks-signature", "").encode(errors="surrogateescape")
        if _CHALLENGE.fullmatch(request.body) or not hmac.compare_digest(shown, self._signature(request.body).encode()):
            raise BadSignature("x-twitter-webhooks-signature does not fit the body")
        tree = read_json(request.body)
        try:
            found = tuple(self._read(tree, request))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as err:
            raise BadPayload(f"not a delivery of X's: {type(err).__name__}") from None
        return tuple(msgspec.structs.replace(one, raw=request.body) for one in found)

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    def _signature(self, said: bytes) -> str:
        digest = hmac.new(self._settings.consumer_secret.encode(), said, hashlib.sha256).digest()
        return f"sha256={base64.b64encode(digest).decode()}"

    def _read(self, tree: Mapping[str, Any], request: Request) -> Iterator[Inbound]:
        if "data" in tree:  # the newer envelope
            yield from self._activity(tree["data"], request)
            return
        users = tree.get("users") or {}
        messages, posts = tree.get("direct_message_events") or (), tree.get("tweet_create_events") or ()
        yield from (self._direct(event, users) for event in messages if event["type"] == "message_create")
        yield from (one for post in posts if (one := self._post(post)) is not None)
        if set(tree) - {*HOUSEKEEPING, "direct_message_events", "tweet_create_events", "controller", "action"}:
            yield self._unknown(request)

    def _activity(self, data: Mapping[str, Any], request: Request) -> Iterator[Inbound]:
        kind, payload = str(data["event_type"]), data.get("payload") or {}
        if kind.startswith("dm.") and "direct_message_events" in payload:
            yield from self._read(payload, request)
        elif kind in ("dm.received", "dm.sent"):
            yield self._flat(payload)
        elif kind.startswith("chat."):
            id = f"event:{data['event_uuid']}"
            note = "an encrypted message that X does not show"
            yield self._inbound(external_id=id, thread=id, sender=Sender(id=id), at=request.at, placeholder=note)
        else:
            yield self._unknown(request)

    def _direct(self, event: Mapping[str, Any], users: Mapping[str, Any]) -> Inbound:
        said = event["message_create"]
        who, data = _text(said["sender_id"]), said["message_data"]
        own = who == self._settings.user_id
        person = users.get(who) or {}
        media = (data.get("attachment") or {}).get("media") or {}
        return self._inbound(
            external_id=_text(event["id"]),
            thread=_text(said["target"]["recipient_id"]) if own else who,
            sender=Sender(id=who, name=str(person.get("name") or "")),
            at=datetime.fromtimestamp(int(event["created_timestamp"]) / 1000, UTC),
            text=html.unescape(str(data.get("text") or "")),
            machine="echo" if own else "",
            attachments=tuple(_files([media])),
            choice=str((data.get("quick_reply_response") or {}).get("metadata") or ""),
        )

    def _flat(self, event: Mapping[str, Any]) -> Inbound:
        who = _text(event["sender_id"])
        parts = [p for p in str(event.get("dm_conversation_id") or who).split("-") if p != self._settings.user_id]
        return self._inbound(
            external_id=_text(event["id"]),
            thread=parts[0] if parts else who,
            sender=Sender(id=who),
            at=datetime.fromisoformat(str(event["created_at"])).astimezone(UTC),
            text=html.unescape(str(event.get("text") or "")),
            machine="echo" if who == self._settings.user_id else "",
        )

    def _post(self, post: Mapping[str, Any]) -> Inbound | None:
        """A mention, or what the account itself has posted; passing on what somebody said is no complaint."""
        if post.get("retweeted_status"):
            return None
        who, whole = post["user"], post.get("extended_tweet") or post
        id, before = _text(post["id_str"]), str(post.get("in_reply_to_status_id_str") or "")
        own = str(who.get("id_str") or who["id"]) == self._settings.user_id
        media = (whole.get("extended_entities") or whole.get("entities") or {}).get("media") or []
        return self._inbound(
            external_id=id,
            thread=f"{PUBLIC}{before or id}",
            sender=Sender(id=str(who.get("id_str") or who["id"]), name=str(who.get("name") or "")),
            at=parsedate_to_datetime(_date(post["created_at"])).astimezone(UTC),
            text=html.unescape(str(whole.get("full_text") or whole.get("text") or "")),
            machine="echo" if own else "",
            attachments=tuple(_files(media)),
            reply_to=before,
        )

    def _unknown(self, request: Request) -> Inbound:
        id = f"event:{hashlib.sha256(request.body).hexdigest()[:32]}"
        return self._inbound(external_id=id, thread=id, sender=Sender(id=id), at=request.at, kind="event")

    def _inbound(self, **values: Any) -> Inbound:
        return Inbound(channel=self.name, account=self.account, **values)

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """A direct message, or an answer to a post. X knows no repeats."""
        if out.thread.startswith(PUBLIC):
            answered = out.reply_to or out.thread.removeprefix(PUBLIC)
            body: dict[str, Any] = {"text": out.text, "reply": {"in_reply_to_tweet_id": answered}}
            return await self._said("/2/tweets", body, "id", tools)
        return await self._said(
            f"/2/dm_conversations/with/{out.thread}/messages", {"text": out.text}, "dm_event_id", tools
        )

    async def _said(self, path: str, body: Mapping[str, Any], id: str, tools: Tools) -> Receipt:
        headers = {"content-type": "application/json", **self._authorization}
        answer = await tools.http(
            Call(url=f"{self._settings.api_url}{path}", headers=headers, body=msgspec.json.encode(body))
        )
        _check(answer, tools.now())
        try:
            return Receipt(external_ids=(str(msgspec.json.decode(answer.body)["data"][id]),))
        except (msgspec.DecodeError, KeyError, TypeError):
            raise Unknown("X's answer names no message") from None

    @property
    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._settings.token!s}"}

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask who we are; nothing changes."""
        what = "the user's token"
        try:
            call = Call(method="GET", url=f"{self._settings.api_url}/2/users/me", headers=self._authorization)
            _check(await tools.http(call), tools.now())
        except ChannelError as err:
            return (Finding(what=what, ok=False, detail=f"{err}; OAuth 2.0 user tokens end after two hours"),)
        return (Finding(what=what, ok=True),)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at developer.x.com."""
        return (
            "Read channels/x.md: nothing of this channel has been tried with X itself. Direct messages need a paid tier.",
            "At https://developer.x.com make a project and an app; its API key secret is `consumer_secret`.",
            "Get an OAuth 2.0 user token of your account with dm.read, dm.write, tweet.read, tweet.write, users.read: `token`.",
            f"Start the gateway, register the webhook {url} (https, no port) by POST /2/webhooks and subscribe the account.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Which of X's two webhook products an account has is not known, so nothing is registered by itself."""
        return await self.check(tools)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _date(value: Any) -> str:
    """``Mon Dec 23 13:20:23 +0000 2019`` in the order of RFC 5322."""
    _, month, day, time, zone, year = _text(value).split()
    return f"{day} {month} {year} {time} {zone}"


def _files(media: list[Mapping[str, Any]]) -> Iterator[Attachment]:
    for one in media:
        variants = (one.get("video_info") or {}).get("variants") or []
        films = [v["url"] for v in variants if v.get("content_type") == "video/mp4"]
        url = films[-1] if films else one.get("media_url_https")
        if isinstance(url, str) and url.startswith("https://"):
            yield Attachment(name=url.rpartition("/")[2], type="video/mp4" if films else "image/jpeg", url=url)


def _check(answer: Answer, now: datetime) -> None:
    """Raises what X's status says; whoever takes no direct messages of ours is no fault of the token."""
    if answer.status == 429:
        reset, wait = answer.headers.get("x-rate-limit-reset", ""), asked_wait(answer)
        if wait is None and reset.isdigit():
            wait = max(1.0, int(reset) - now.timestamp())
        raise Retry("rate limited", wait, everyone=True)
    if answer.status == 403:
        raise Refused("HTTP 403: they take no direct messages of ours, or the tier does not allow it")
    settle(answer)


CHANNEL = X
