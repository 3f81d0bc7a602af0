"""WeChat Official Accounts (公众号, 服务号).

A thread is the follower's openid. WeChat waits five seconds for an answer and shows its user an error when none comes, so
the answer is always ``success`` right after the commit, and what we say goes out as customer-service messages: five within
48 hours of the customer's last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from channels import _wechat_crypto as crypto
from channels._query_signature import verify
from channels._wechat_api import Api, answered, checked
from channels._xml import read_xml
from channels.base import (
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
    Rate,
    Receipt,
    Refused,
    Request,
    Route,
    Secret,
    Sender,
    Token,
    Tools,
    Unauthorized,
    read_json,
)

#: How long a customer's word keeps the chat open for us.
WINDOW = timedelta(hours=48)
#: Begins the ``url`` of a file that lies at WeChat, for three days.
MEDIA = "media:"
#: What WeChat shows as what it is, with the largest size that it takes; other files cannot be sent at all.
UPLOADS: Mapping[str, tuple[str, int]] = {
    "image/jpeg": ("image", 10 * 1024 * 1024),
    "image/png": ("image", 10 * 1024 * 1024),
    "image/gif": ("image", 10 * 1024 * 1024),
    "audio/amr": ("voice", 2 * 1024 * 1024),
    "audio/mpeg": ("voice", 2 * 1024 * 1024),
    "video/mp4": ("video", 10 * 1024 * 1024),
}
#: A customer's files by kind of message: type and name.
FILES: Mapping[str, tuple[str, str]] = {
    "image": ("image/jpeg", "photo.jpg"),
    "voice": ("audio/amr", "voice.amr"),
    "video": ("video/mp4", "video.mp4"),
    "shortvideo": ("video/mp4", "video.mp4"),
}
SUCCESS = b"success"
#: Events that are nobody's words, and beginnings of their names: menus, mass mailings, the account's own affairs.
HOUSEKEEPING = frozenset({"location", "click", "view", "scan", "enter", "view_miniprogram", "location_select"})
HOUSEKEEPING_OF = (
    *("template", "masssend", "publish", "kf_", "pic_", "scancode_", "subscribe_msg_", "user_", "submit_", "card_"),
    *("device_", "wifi", "poi_", "qualification_", "naming_", "annual_", "verify_", "update_", "shakearound", "guide_"),
)
#: What hardware sends that is bound to the account; nobody has written it.
THINGS = "device_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.wechat.<account>]``."""

    app_id: Annotated[str, Meta(description="AppID of the account (`wx…`).")]
    app_secret: Annotated[Secret, Meta(description="AppSecret: it gets the access token.")]
    token: Annotated[Secret, Meta(description="The Token of the server configuration: it signs what comes in.")]
    aes_key: Annotated[
        Secret, Meta(description='The EncodingAESKey of the server configuration; only `mode = "plain"` needs none.')
    ] = Secret("")
    old_aes_key: Annotated[
        Secret, Meta(description="The EncodingAESKey before the last change; WeChat may use it for a while.")
    ] = Secret("")
    mode: Annotated[
        Literal["safe", "compatible", "plain"],
        Meta(description="The message mode of the server configuration. In `plain` nothing proves what was said."),
    ] = "safe"
    api_url: Annotated[str, Meta(description="Where WeChat's API is.")] = "https://api.weixin.qq.com"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.app_id or not self.app_secret or not self.token:
            raise ValueError("`app_id`, `app_secret` and `token` must not be empty")
        if self.mode != "plain" and not self.aes_key:
            raise ValueError("`aes_key` must not be empty: without it nothing proves what a follower said")
        for key in filter(None, (self.aes_key, self.old_aes_key)):
            crypto.aes_key(key)


class WeChat:
    """One official account."""

    name: ClassVar[str] = "wechat"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=2048,
        unit="byte",
        file=10 * 1024 * 1024,
        files=1,
        caption=0,
        body=64 * 1024,
        per_account=Rate(50, 1.0),
    )
    exempt: ClassVar[Mapping[Promise, str]] = {
        "whole_batch": "WeChat delivers one message in each request, so there is no batch that could be cut",
        "raw_body": "the signature covers the encrypted text in the body, and nothing else of the body is read",
        "edits": "WeChat tells an official account neither of edits nor of messages taken back",
        "no_echo": "WeChat does not deliver what the account itself has said",
        "thread": "a chat is one stream: a customer-service message cannot quote what it answers",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(), Route(method="GET"))

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self._keys = [crypto.aes_key(key) for key in (settings.aes_key, settings.old_aes_key) if key]
        self._api = Api(settings.api_url, self._ask)

    def __repr__(self) -> str:
        return f"WeChat({self.account!r})"

    def use_token(self, token: Token) -> None:
        """All nodes use the same access token."""
        self._api.use_token(token)

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:
        """WeChat shows a word of its own and wants it back. Raises :class:`BadSignature`."""
        if request.method != "GET":
            return None
        verify(self._settings.token, request, name="signature")
        return Answer(headers={"content-type": "text/plain"}, body=request.query.get("echostr", "").encode()[:1000])

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """The message of a delivery; none for housekeeping. Raises :class:`BadSignature` and :class:`BadPayload`."""
        tree = self._tree(request)
        try:
            message = self._message(tree)
        except (KeyError, ValueError, OverflowError, OSError, TypeError) as err:
            raise BadPayload(f"not a message of WeChat's: {type(err).__name__}") from None
        return () if message is None else (msgspec.structs.replace(message, raw=request.body),)

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        """Everything else than ``success`` would be shown to the customer."""
        return Answer(headers={"content-type": "text/plain"}, body=SUCCESS)

    def _tree(self, request: Request) -> dict[str, Any]:
        """What the body says. Outside the plain mode only what was encrypted counts."""
        if self._settings.mode == "plain":
            verify(self._settings.token, request, name="signature")
            return _read(request.body)
        if "msg_signature" not in request.query:
            raise BadSignature("not encrypted; set the server configuration to the safe mode")
        try:
            sealed = _read(request.body).get("Encrypt", "")
        except BadPayload:
            sealed = ""  # who cannot even sign is a stranger, not a case for the quarantine
        sealed = sealed if isinstance(sealed, str) else ""
        verify(self._settings.token, request, name="msg_signature", sealed=[sealed])
        return _read(crypto.opened(self._keys, self._settings.app_id, sealed))

    def _message(self, tree: Mapping[str, Any]) -> Inbound | None:
        kind, at = _text(tree["MsgType"]), datetime.fromtimestamp(int(tree["CreateTime"]), UTC)
        sender = _text(tree["FromUserName"])
        base = Inbound(
            channel=self.name,
            account=self.account,
            external_id=_text(tree.get("MsgId") or _event_id(tree)),
            thread=sender,
            sender=Sender(id=sender),
            at=at,
            replies_until=at + WINDOW,
        )
        if kind == "event":
            return self._event(base, _text(tree["Event"]).lower())
        if kind.startswith(THINGS):
            return None
        if not sender:
            raise ValueError("nobody wrote it")
        return msgspec.structs.replace(base, **_content(kind, tree))

    def _event(self, base: Inbound, event: str) -> Inbound | None:
        """Somebody follows, or ceases to; everything else is housekeeping, kept where nobody knows what it is."""
        if event in HOUSEKEEPING or event.startswith(HOUSEKEEPING_OF):
            return None
        base = msgspec.structs.replace(base, kind="event", replies_until=None)
        if event not in ("subscribe", "unsubscribe"):
            return base
        machine: MachineKind = "blocked" if event == "unsubscribe" else ""
        return msgspec.structs.replace(base, kind="status", machine=machine, text="un" * (not machine) + "blocked")

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:
        """A customer's file lies behind the access token."""
        return await self._api.media("/cgi-bin/media/get", attachment.url.removeprefix(MEDIA), tools)

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One customer-service message. WeChat gives it no id; ours stands for it.

        Raises:
            Expired: five messages are used up, or 48 hours are over.
        """
        content = await self._file(out.attachments[0], tools) if out.attachments else _words(out.text)
        await self._api.post("/cgi-bin/message/custom/send", {"touser": out.thread, **content}, tools)
        return Receipt(external_ids=(f"sent:{out.key}",))

    async def _file(self, file: Attachment, tools: Tools) -> dict[str, Any]:
        kind, most = UPLOADS.get(file.type, ("", 0))
        if not kind:
            raise Refused(
                f"WeChat cannot show a file of the type {file.type}; send a picture, or put it on a page of yours"
            )
        if file.size > most:
            raise Refused(f"WeChat takes a file of this kind up to {most // 1024**2} MB")
        return {"msgtype": kind, kind: {"media_id": await self._api.upload("/cgi-bin/media/upload", kind, file, tools)}}

    async def _ask(self, tools: Tools) -> tuple[str, float]:
        """``stable_token``: who asks again gets the same one."""
        settings = self._settings
        body = {"grant_type": "client_credential", "appid": settings.app_id, "secret": str(settings.app_secret)}
        call = Call(
            url=f"{settings.api_url}/cgi-bin/stable_token",
            headers={"content-type": "application/json"},
            body=msgspec.json.encode(body),
        )
        found = answered(await tools.http(call))
        checked(found)
        return str(found["access_token"]), int(found.get("expires_in", 7200))

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Get an access token and ask for WeChat's own addresses with it; nothing changes."""
        what = "the access token"
        try:
            self._api.forget()
            await self._api.call(
                lambda token: Call(method="GET", url=self._api.url("/cgi-bin/get_api_domain_ip", token)), tools
            )
        except Unauthorized as err:
            hint = "are `app_id` and `app_secret` right, and is this machine on the account's IP list?"
            return (Finding(what=what, ok=False, detail=f"{err}: {hint}"),)
        except ChannelError as err:
            return (Finding(what=what, ok=False, detail=f"{type(err).__name__}: {err}"),)
        return (Finding(what=what, ok=True, detail="WeChat takes it"),)

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at mp.weixin.qq.com."""
        return (
            "At https://mp.weixin.qq.com open 设置与开发 > 开发接口管理 (Settings > Basic configuration).",
            "Copy AppID and AppSecret: `app_id`, `app_secret`. Put this machine's public address on the IP list (IP白名单).",
            "Invent a Token of letters and digits (`token`), let WeChat make an EncodingAESKey (`aes_key`).",
            f"Start the gateway, then enter the server address {url}, the token and the key, choose 安全模式 (safe mode), "
            "save and switch it on (启用). WeChat calls the address at once.",
            "Without the right to customer-service messages (verified accounts) nothing can be answered: look under 接口权限.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """WeChat has no call for it: only the page does it."""
        return (
            *await self.check(tools),
            Finding(what="the server address", ok=True, detail="entered by hand, see above"),
        )


def _read(body: bytes) -> dict[str, Any]:
    """A body in XML or, where the account is set so, in JSON with the same names."""
    if not body.lstrip().startswith(b"{"):
        return read_xml(body)
    found = read_json(body)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value.strip()


def _event_id(tree: Mapping[str, Any]) -> str:
    """Events have no id: who, when and what is one."""
    return ":".join(str(tree.get(name, "")) for name in ("FromUserName", "CreateTime", "Event", "EventKey"))


def _content(kind: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Text, files, or what stands for that which is neither."""
    if kind == "text":
        return {"text": str(tree.get("Content", ""))}
    if kind in FILES:
        type, name = FILES[kind]
        spoken = {"voice": {"speex": ("audio/speex", "voice.speex")}}
        type, name = spoken.get(kind, {}).get(str(tree.get("Format", "")), (type, name))
        return {"attachments": (Attachment(name=name, type=type, url=f"{MEDIA}{_text(tree['MediaId'])}"),)}
    if kind == "location":
        spot = f"{_text(tree['Location_X'])}, {_text(tree['Location_Y'])}"
        return {"text": f"📍 {tree.get('Label') or ''} ({spot})".replace("  ", " "), "placeholder": "a location"}
    if kind == "link":
        return {"text": "\n".join(str(tree[n]) for n in ("Title", "Description", "Url") if tree.get(n))}
    return {
        "placeholder": f"a message that WeChat does not pass on ({kind[:40]})",
        "text": str(tree.get("Content") or ""),
    }


def _words(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}


CHANNEL = WeChat
