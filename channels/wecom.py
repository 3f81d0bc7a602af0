"""WeCom customer service (企业微信 微信客服): customers write from WeChat, the company is in WeCom.

WeCom only says that something has happened; what was said is asked for with a cursor, which moves in the transaction of the
messages. A lost or late callback costs nothing but a little time, because we ask every minute as well.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from channels import _wechat_crypto as crypto
from channels._query_signature import verify
from channels._unread import unread
from channels._wechat_api import Api, answered, checked
from channels._xml import read_xml
from channels.base import (
    Accepted,
    Answer,
    Attachment,
    BadPayload,
    Call,
    ChannelError,
    Delivery,
    Finding,
    Inbound,
    Limits,
    Outbound,
    Promise,
    Receipt,
    Request,
    Retry,
    Route,
    Secret,
    Sender,
    Token,
    Tools,
    Unauthorized,
    Unknown,
)

#: How long a customer's word keeps the chat open for us; five messages in that time.
WINDOW = timedelta(hours=48)
#: Seconds between two questions when no callback comes. Without a callback's token WeCom limits how often we may ask.
POLL = 60.0
#: How long a callback's token is good.
TOKEN_AGE = timedelta(minutes=10)
PAGE = 1000
#: What was said before the first connect is history: somebody has dealt with it in WeCom.
SKEW = timedelta(minutes=10)
#: Begins the ``url`` of a file that lies at WeCom, for three days.
MEDIA = "media:"
UPLOADS: Mapping[str, str] = {
    "image/jpeg": "image",
    "image/png": "image",
    "audio/amr": "voice",
    "video/mp4": "video",
}
FILES: Mapping[str, tuple[str, str]] = {
    "image": ("image/jpeg", "photo.jpg"),
    "voice": ("audio/amr", "voice.amr"),
    "video": ("video/mp4", "video.mp4"),
    "file": ("application/octet-stream", "file"),
}
#: Why WeCom could not show a message of ours (``fail_type``).
FAILURES: Mapping[int, str] = {
    1: "the customer's account is gone",
    2: "the app is closed",
    4: "more than 48 hours since the customer wrote",
    5: "the session is closed",
    6: "more than five messages since the customer wrote",
    10: "the customer wants no messages",
}
#: ``origin`` of what a colleague wrote in WeCom.
SERVICER = 5
#: Events that are nobody's words.
HOUSEKEEPING = frozenset(
    {
        "enter_session",
        "servicer_status_change",
        "session_status_change",
        "servicer_recall_msg",
        "reject_customer_msg_switch_change",
    }
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.wecom.<account>]``."""

    corp_id: Annotated[str, Meta(description="The company's id (企业ID, `ww…`).")]
    secret: Annotated[Secret, Meta(description="Secret of the app that may use customer service.")]
    open_kfid: Annotated[str, Meta(description="Id of the customer-service account (`wk…`).")]
    token: Annotated[Secret, Meta(description="The Token of the callback: it signs what comes in.")]
    aes_key: Annotated[Secret, Meta(description="The EncodingAESKey of the callback.")]
    api_url: Annotated[str, Meta(description="Where WeCom's API is.")] = "https://qyapi.weixin.qq.com"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not all((self.corp_id, self.secret, self.open_kfid, self.token)):
            raise ValueError("`corp_id`, `secret`, `open_kfid` and `token` must not be empty")
        crypto.aes_key(self.aes_key)


class WeCom:
    """One customer-service account. Its threads are the customers' ``external_userid``."""

    name: ClassVar[str] = "wecom"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=2048, unit="byte", file=20 * 1024 * 1024, files=1, caption=0, body=64 * 1024)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "signature": "a callback carries no message; its signature has tests of its own (tests/channels/wecom)",
        "raw_body": "a callback carries no message: it wakes the watcher, which asks for what was said",
        "handshake": "the encrypted set-up request has tests of its own (tests/channels/wecom)",
        "unknown_event": "events that are asked for are kept in their delivery, tests/channels/wecom shows it",
        "edits": "customers cannot edit; what they take back is tested in tests/channels/wecom",
        "no_echo": "what is sent through the API does not come back from WeCom",
        "thread": "a chat is one stream: a message cannot quote what it answers",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(), Route(method="GET"))

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self._keys = [crypto.aes_key(settings.aes_key)]
        self._api = Api(settings.api_url, self._ask)
        self._news = asyncio.Event()
        self._callback: tuple[str, datetime] | None = None

    def __repr__(self) -> str:
        return f"WeCom({self.account!r})"

    def use_token(self, token: Token) -> None:
        """All nodes use the same access token."""
        self._api.use_token(token)

    # --- callbacks

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:
        """WeCom shows an encrypted word and wants it back decrypted. Raises :class:`BadSignature`, :class:`BadPayload`."""
        if request.method != "GET":
            return None
        return Answer(
            headers={"content-type": "text/plain"}, body=self._opened(request, request.query.get("echostr", ""))
        )

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """Wake the watcher; a callback itself says nothing. Raises :class:`BadSignature` and :class:`BadPayload`."""
        try:
            sealed = read_xml(request.body).get("Encrypt", "")
        except BadPayload:
            sealed = ""  # who cannot even sign is a stranger, not a case for the quarantine
        told = read_xml(self._opened(request, sealed if isinstance(sealed, str) else ""))
        if told.get("Event") == "kf_msg_or_event" and told.get("OpenKfId") == self._settings.open_kfid:
            self._callback = (str(told.get("Token", "")), request.at)
            self._news.set()
        return ()

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer(headers={"content-type": "text/plain"}, body=b"success")

    def _opened(self, request: Request, sealed: str) -> bytes:
        verify(self._settings.token, request, name="msg_signature", sealed=[sealed])
        return crypto.opened(self._keys, self._settings.corp_id, sealed)

    # --- asking

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """Pages of messages and events, each with the cursor after it. Raises as :meth:`Api.post`."""
        started = tools.now() if cursor is None else None
        while True:
            self._news.clear()
            more = True
            while more:
                found = await self._page(cursor, tools)
                cursor, more = str(found.get("next_cursor") or cursor or ""), found.get("has_more") == 1
                messages = tuple(self._messages(found.get("msg_list") or (), started, tools))
                yield Delivery(messages=messages, cursor=cursor or None)
                more = more or bool(messages)  # asking on is how WeCom hears that we have them
            started = None
            yield Delivery()
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._news.wait()
        except TimeoutError:
            return

    async def _page(self, cursor: str | None, tools: Tools) -> dict[str, Any]:
        asked = {"cursor": cursor or "", "limit": PAGE, "voice_format": 0, "open_kfid": self._settings.open_kfid}
        if self._callback is not None and tools.now() - self._callback[1] < TOKEN_AGE:
            asked["token"] = self._callback[0]
        try:
            return await self._api.post("/cgi-bin/kf/sync_msg", asked, tools)
        except Unknown as err:
            raise Retry("no whole page came") from err

    def _messages(self, page: Any, started: datetime | None, tools: Tools) -> Iterator[Inbound]:
        for item in page if isinstance(page, list) else ():
            message = self._message(item, tools.now())
            if message is not None:
                old = started is not None and message.at < started - SKEW
                yield msgspec.structs.replace(message, silent="history") if old else message

    def _message(self, item: Any, now: datetime) -> Inbound | None:
        """One item of a page; what cannot be read is shown to a person, never passed over."""
        raw = msgspec.json.encode(item)
        try:
            found = self._read(item)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError):
            return unread(self.name, self.account, raw, now, "a message of WeCom's that could not be read")
        return None if found is None else msgspec.structs.replace(found, raw=raw)

    def _read(self, item: Mapping[str, Any]) -> Inbound | None:
        kind, at = _text(item["msgtype"]), datetime.fromtimestamp(int(item["send_time"]), UTC)
        base = Inbound(
            channel=self.name,
            account=self.account,
            external_id=_text(item["msgid"]),
            thread="",
            sender=Sender(id=""),
            at=at,
        )
        if kind == "event":
            return _event(base, item["event"])
        who = _text(item["external_userid"])
        own = item.get("origin") == SERVICER
        return msgspec.structs.replace(
            base,
            thread=who,
            sender=Sender(id=who),
            machine="echo" if own else "",
            replies_until=None if own else at + WINDOW,
            **_content(kind, item),
        )

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:
        """A customer's file lies behind the access token."""
        return await self._api.media("/cgi-bin/media/get", attachment.url.removeprefix(MEDIA), tools)

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One message, under an id of ours that comes back when WeCom cannot show it.

        Raises:
            Expired: five messages are used up, 48 hours are over, or a colleague has the chat in WeCom.
        """
        content = await self._file(out.attachments[0], tools) if out.attachments else _words(out.text)
        body = {"touser": out.thread, "open_kfid": self._settings.open_kfid, "msgid": _message_id(out.key), **content}
        found = await self._api.post("/cgi-bin/kf/send_msg", body, tools)
        return Receipt(external_ids=(str(found.get("msgid") or body["msgid"]),))

    async def _file(self, file: Attachment, tools: Tools) -> dict[str, Any]:
        kind = UPLOADS.get(file.type, "file")
        return {"msgtype": kind, kind: {"media_id": await self._api.upload("/cgi-bin/media/upload", kind, file, tools)}}

    async def _ask(self, tools: Tools) -> tuple[str, float]:
        """``gettoken`` gives the same token to everybody who asks while it is good."""
        settings = self._settings
        query = urlencode({"corpid": settings.corp_id, "corpsecret": str(settings.secret)})
        found = answered(await tools.http(Call(method="GET", url=f"{settings.api_url}/cgi-bin/gettoken?{query}")))
        checked(found)
        return str(found["access_token"]), int(found.get("expires_in", 7200))

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Get an access token and look for the account among those of the company; nothing changes."""
        what = "the customer-service account"
        try:
            self._api.forget()
            found = await self._api.post("/cgi-bin/kf/account/list", {"offset": 0, "limit": 100}, tools)
        except Unauthorized as err:
            hint = "is `secret` that of an app which may use customer service (可调用接口的应用)?"
            return (Finding(what="the access token", ok=False, detail=f"{err}: {hint}"),)
        except ChannelError as err:
            return (Finding(what="the access token", ok=False, detail=f"{type(err).__name__}: {err}"),)
        accounts = found.get("account_list")
        ids = [one.get("open_kfid") for one in accounts if isinstance(one, dict)] if isinstance(accounts, list) else []
        ok = self._settings.open_kfid in ids
        return (
            Finding(what=what, ok=ok, detail="found" if ok else f"`open_kfid` is none of {', '.join(map(str, ids))}"),
        )

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at work.weixin.qq.com."""
        return (
            "At https://work.weixin.qq.com copy 企业ID under 我的企业: `corp_id`.",
            "Under 应用管理 make an app of your own and copy its Secret: `secret`.",
            "Under 应用管理 > 微信客服 open API and add that app to 可调用接口的应用; make an account there: `open_kfid`.",
            f"Start the gateway, then enter under the app's 接收消息 the URL {url} with a Token (`token`) and an EncodingAESKey "
            "(`aes_key`); WeCom calls the URL at once.",
            "Let the account's chats be received by the API (通过API管理微信客服账号), not by people in WeCom.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """WeCom has no call for it: only the page does it."""
        return (
            *await self.check(tools),
            Finding(what="the callback address", ok=True, detail="entered by hand, see above"),
        )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _message_id(key: str) -> str:
    """Up to 32 letters and digits; the same for the same message."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _event(base: Inbound, event: Mapping[str, Any]) -> Inbound | None:
    """A message of ours that could not be shown, one that was taken back; the rest is kept, nothing follows."""
    kind, who = _text(event["event_type"]), str(event.get("external_userid") or event.get("open_kfid") or "")
    base = msgspec.structs.replace(base, thread=who, sender=Sender(id=who), kind="event")
    if kind == "msg_send_fail":
        why = FAILURES.get(event.get("fail_type", 0), f"WeCom's reason {event.get('fail_type')}")
        return msgspec.structs.replace(
            base, kind="status", delivery="failed", text=why, refers_to=_text(event["fail_msgid"])
        )
    if kind == "user_recall_msg":
        return msgspec.structs.replace(base, kind="delete", refers_to=_text(event["recall_msgid"]))
    return None if kind in HOUSEKEEPING else base


def _content(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Text, files, or what stands for that which is neither."""
    said = item.get(kind) or {}
    if kind == "text":
        return {"text": str(said.get("content", "")), "choice": str(said.get("menu_id") or "")}
    if kind in FILES:
        type, name = FILES[kind]
        return {"attachments": (Attachment(name=name, type=type, url=f"{MEDIA}{_text(said['media_id'])}"),)}
    if kind == "location":
        where = " ".join(str(said[n]) for n in ("name", "address") if said.get(n))
        return {"text": f"📍 {where} ({said.get('latitude')}, {said.get('longitude')})", "placeholder": "a location"}
    if kind == "link":
        return {"text": "\n".join(str(said[n]) for n in ("title", "desc", "url") if said.get(n))}
    return {"placeholder": f"a message that is not shown here ({kind[:40]})"}


def _words(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}


CHANNEL = WeCom
