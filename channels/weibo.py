"""Weibo's fans service (微博粉丝服务平台): private messages and mentions.

Built from pages of 2012 to 2016; nobody here has had an account, so it starts only with ``unproven = true``.
Rules: https://open.weibo.com/wiki/Messages_api_start. The signature covers no body, so whoever sees one request can write in
a fan's name until its time is too old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from channels._query_signature import verify
from channels.base import (
    PUBLIC,
    Accepted,
    Answer,
    BadPayload,
    Call,
    ChannelError,
    Finding,
    Inbound,
    Limits,
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
    read_json,
    settle,
)

WINDOW = timedelta(hours=48)
MAX_ECHO = 200
#: https://open.weibo.com/wiki/Error_code
_CREDENTIALS = frozenset({21314, 21315, 21316, 21317, 21319, 21327, 21332})
_RATE = frozenset({10022, 10023, 10024})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.weibo.<account>]``."""

    unproven: Annotated[
        bool, Meta(description="Must be `true`: this channel has never been tried with Weibo itself, see its page.")
    ] = False
    app_secret: Annotated[Secret, Meta(description="The app's AppSecret: it signs what comes in.")]
    token: Annotated[Secret, Meta(description="The account's access token.")]
    api_url: Annotated[str, Meta(description="Where Weibo's API is.")] = "https://m.api.weibo.com"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.unproven:
            raise ValueError("set `unproven = true` when you know what channels/weibo.md says is unproven")
        if not self.app_secret or not self.token:
            raise ValueError("`app_secret` and `token` must not be empty")


class Weibo:
    """One account. Its threads are fans' ids; mentions are public, and answered by a private message."""

    name: ClassVar[str] = "weibo"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=290, files=0, body=64 * 1024)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "whole_batch": "Weibo delivers one message in each request, so there is no batch that could be cut",
        "raw_body": "the platform's signature covers time and nonce alone, not the body: the page says what that means",
        "edits": "Weibo names no event for messages that are changed or taken back",
        "no_echo": "Weibo names no event for what the account itself has said",
        "attachments": "pictures and voice come as numbers whose download is published nowhere; they are shown as such",
        "thread": "a private chat is one stream: a message cannot quote what it answers",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(), Route(method="GET"))

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings

    def __repr__(self) -> str:
        return f"Weibo({self.account!r})"

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:
        """Weibo shows a word and wants it back. Raises :class:`BadSignature`."""
        if request.method != "GET":
            return None
        self._verify(request)
        word = request.query.get("echostr", "")[:MAX_ECHO]
        return Answer(headers={"content-type": "text/plain"}, body=word.encode(errors="replace"))

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """The message of a delivery. Raises :class:`BadSignature` and :class:`BadPayload`."""
        self._verify(request)
        tree = read_json(request.body)
        try:
            return (msgspec.structs.replace(self._read(tree), raw=request.body),)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as err:
            raise BadPayload(f"not a message of Weibo's: {type(err).__name__}") from None

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    def _verify(self, request: Request) -> None:
        verify(self._settings.app_secret, request, name="signature", per_second=1000)

    def _read(self, tree: Mapping[str, Any]) -> Inbound:
        kind, who = str(tree["type"]), str(int(tree["sender_id"]))
        at = parsedate_to_datetime(_date(tree["created_at"])).astimezone(UTC)
        said = (kind, who, tree["created_at"], tree.get("text"), tree.get("data"))
        base = Inbound(
            channel=self.name,
            account=self.account,
            # Weibo gives messages no id: the same words of the same second are the same message.
            external_id=hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()[:32],
            thread=f"{PUBLIC}{who}" if kind == "mention" else who,
            sender=Sender(id=who),
            at=at,
            replies_until=at + WINDOW,
        )
        return msgspec.structs.replace(base, **_content(kind, tree))

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """A private message, also to who has mentioned us. Weibo knows no repeats and gives no id."""
        receiver = out.thread.removeprefix(PUBLIC)
        words = msgspec.json.encode({"text": out.text}).decode()
        fields = {
            "access_token": str(self._settings.token),
            "type": "text",
            "receiver_id": receiver,
            "save_sender_box": "1",
            "data": words,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        call = Call(
            url=f"{self._settings.api_url}/2/messages/reply.json", headers=headers, body=urlencode(fields).encode()
        )
        found = _answered(await tools.http(call))
        if found.get("result") is False:
            raise Refused("Weibo did not take the message")
        return Receipt(external_ids=(f"sent:{out.key}",))

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask whose token it is; nothing changes."""
        what = "the access token"
        query = urlencode({"access_token": str(self._settings.token)})
        try:
            url = f"{self._settings.api_url}/2/account/get_uid.json?{query}"
            _answered(await tools.http(Call(method="GET", url=url)))
        except ChannelError as err:
            return (Finding(what=what, ok=False, detail=f"{err}; tokens of the console are good for a year"),)
        return (Finding(what=what, ok=True),)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at open.weibo.com."""
        return (
            "Read channels/weibo.md: nothing of this channel has been tried with Weibo itself.",
            "Apply for the fans service (粉丝服务平台) with a verified account, become its developer; AppSecret is `app_secret`.",
            f"Start the gateway, then enter {url} as the URL in the console and choose JSON, not the WeChat-like XML.",
            "Copy the access token of the console: `token`.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Weibo has no call for it: only the page does it."""
        return await self.check(tools)


def _date(value: Any) -> str:
    """``Mon Jul 16 18:09:20 +0800 2012`` in the order of RFC 5322."""
    _, month, day, time, zone, year = str(value).split()
    return f"{day} {month} {year} {time} {zone}"


def _content(kind: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    data = tree.get("data") or {}
    if kind in ("text", "mention"):
        return {"text": str(tree.get("text") or "")}
    if kind == "position":
        return {"text": f"📍 ({data.get('latitude')}, {data.get('longitude')})", "placeholder": "a location"}
    if kind in ("image", "voice"):
        return {"text": str(tree.get("text") or ""), "placeholder": f"[{kind}]"}
    if kind == "event" and data.get("subtype") in ("follow", "unfollow", "subscribe", "unsubscribe"):
        gone = data["subtype"].startswith("un")
        return {"kind": "status", "machine": "blocked" if gone else "", "text": "blocked" if gone else "unblocked"}
    return {"kind": "event"}


def _answered(answer: Answer) -> dict[str, Any]:
    """Weibo's JSON. Raises what its status and ``error_code`` say."""
    try:
        found = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        found = {}
    code = found.get("error_code")
    if code in _RATE:
        raise Retry(f"Weibo's error {code}", 3600.0, everyone=True)
    if code in _CREDENTIALS:
        raise Unauthorized(f"Weibo's error {code}")
    settle(answer)
    if code:
        raise Refused(f"Weibo's error {code}")
    if not found:
        raise Unknown("the answer is not Weibo's")
    return found


CHANNEL = Weibo
