"""Douyin's private messages (抖音开放平台 私信).

Built from what is published; nobody here has had an account with the ability, which Douyin may take back, so it starts only
with ``unproven = true``. Rules: https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/webhooks/overview
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from channels.base import (
    Accepted,
    Answer,
    BadPayload,
    BadSignature,
    Call,
    Finding,
    Inbound,
    Limits,
    Outbound,
    Promise,
    Receipt,
    Refused,
    Request,
    Route,
    Secret,
    Sender,
    Tools,
    Unauthorized,
    Unknown,
    read_json,
    settle,
)

RECEIVED, SENT, RECALLED = "im_receive_msg", "im_send_msg", "im_recall_msg"
#: Events that are nobody's words.
HOUSEKEEPING = frozenset(
    {"im_enter_direct_msg", "im_group_receive_msg", "authorize", "unauthorize", "contract_authorize"}
)
_CREDENTIALS = frozenset({2190002, 2190008, 10008, 28001003, 28001008, 28003017})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.douyin.<account>]``."""

    unproven: Annotated[
        bool, Meta(description="Must be `true`: this channel has never been tried with Douyin itself, see its page.")
    ] = False
    client_secret: Annotated[Secret, Meta(description="The app's client secret: it signs what comes in.")]
    token: Annotated[Secret, Meta(description="The account's access token with the scope im.direct_message.")]
    open_id: Annotated[str, Meta(description="The account's open_id.")]
    api_url: Annotated[str, Meta(description="Where Douyin's API is.")] = "https://open.douyin.com"

    def __post_init__(self) -> None:
        """Nobody gets in without a credential. Raises ValueError, which says what to change."""
        if not self.unproven:
            raise ValueError("set `unproven = true` when you know what channels/douyin.md says is unproven")
        if not self.client_secret or not self.token or not self.open_id:
            raise ValueError("`client_secret`, `token` and `open_id` must not be empty")


class Douyin:
    """One enterprise account. A thread is ``<conversation>/<the other's open_id>``."""

    name: ClassVar[str] = "douyin"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=500, files=0, body=256 * 1024)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "whole_batch": "Douyin delivers one event in each request, so there is no batch that could be cut",
        "edits": "Douyin tells of messages taken back, not of edits; tests/channels/douyin shows the former",
        "attachments": "the addresses of pictures and films are not delivered; they are shown as such",
        "check": "no call that only asks is published for this ability, so nothing can be tried without a message",
    }
    idempotent: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = (Route(),)

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings

    def __repr__(self) -> str:
        return f"Douyin({self.account!r})"

    # --- what comes in

    def owns(self, request: Request) -> bool:  # noqa: ARG002 - each account has its own door
        return True

    def handshake(self, request: Request) -> Answer | None:
        """Douyin shows a number and wants it back. Raises :class:`BadSignature`."""
        if b'"verify_webhook"' not in request.body:
            return None
        self._verify(request)
        tree = read_json(request.body)
        content = tree.get("content") if isinstance(tree, dict) and tree.get("event") == "verify_webhook" else None
        if not isinstance(content, dict):
            return None
        body = msgspec.json.encode({"challenge": content.get("challenge")})
        return Answer(headers={"content-type": "application/json"}, body=body)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        """The message of an event; none for housekeeping. Raises :class:`BadSignature` and :class:`BadPayload`."""
        self._verify(request)
        tree = read_json(request.body)
        try:
            found = self._read(tree, request)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as err:
            raise BadPayload(f"not an event of Douyin's: {type(err).__name__}") from None
        return () if found is None else (msgspec.structs.replace(found, raw=request.body),)

    def answer(self, request: Request, accepted: tuple[Accepted, ...]) -> Answer:  # noqa: ARG002
        return Answer()

    def _verify(self, request: Request) -> None:
        """A plain hash over secret and body, which more could be appended to: JSON with more behind it is refused."""
        said = self._settings.client_secret.encode() + request.body
        good = hashlib.sha1(said).hexdigest()  # noqa: S324 - the platform's own scheme
        shown = request.headers.get("x-douyin-signature", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(shown, good.encode()):
            raise BadSignature("X-Douyin-Signature does not fit the body")

    def _read(self, tree: Mapping[str, Any], request: Request) -> Inbound | None:
        event = str(tree["event"])
        if event in HOUSEKEEPING:
            return None
        if event not in (RECEIVED, SENT, RECALLED):
            id = request.headers.get("msg-id") or hashlib.sha256(request.body).hexdigest()[:32]
            return self._inbound(
                external_id=f"event:{id}", thread=id, sender=Sender(id=id), at=request.at, kind="event"
            )
        content = tree["content"]
        content = read_json(content.encode()) if isinstance(content, str) else content
        own = event == SENT
        who, other = str(tree["from_user_id"]), str(tree["to_user_id"] if own else tree["from_user_id"])
        id, thread = str(content["server_message_id"]), f"{content['conversation_short_id']}/{other}"
        at = datetime.fromtimestamp(int(content["create_time"]) / 1000, UTC)
        base = self._inbound(external_id=id, thread=thread, sender=Sender(id=who, name=_name(content, who)), at=at)
        if event == RECALLED:
            return msgspec.structs.replace(base, kind="delete", refers_to=id, external_id=f"{id}:recalled")
        return msgspec.structs.replace(base, machine="echo" if own else "", **_content(content))

    def _inbound(self, **values: Any) -> Inbound:
        return Inbound(channel=self.name, account=self.account, **values)

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """A message into the conversation, as an answer to its last one. Path and form are unproven."""
        conversation, _, user = out.thread.partition("/")
        body = {
            "conversation_id": conversation,
            "msg_id": out.reply_to,
            "to_user_id": user,
            "content": {"msg_type": 1, "text": {"text": out.text}},
        }
        url = f"{self._settings.api_url}/im/send/msg/?{urlencode({'open_id': self._settings.open_id})}"
        headers = {"content-type": "application/json", "access-token": str(self._settings.token)}
        answer = await tools.http(Call(url=url, headers=headers, body=msgspec.json.encode(body)))
        settle(answer)
        try:
            found = msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise Unknown("the answer is not Douyin's") from None
        code = (found.get("data") or found).get("error_code", found.get("err_no", 0))
        if code:
            raise (Unauthorized if code in _CREDENTIALS else Refused)(f"Douyin's error {code}")
        return Receipt(external_ids=(str((found.get("data") or {}).get("msg_id") or f"sent:{out.key}"),))

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Nothing can be tried without a message."""
        return (
            Finding(what="the settings", ok=True, detail="Douyin has no call that only asks; write to the account"),
        )

    def steps(self, url: str) -> tuple[str, ...]:
        """What a person does at developer.open-douyin.com."""
        return (
            "Read channels/douyin.md: nothing of this channel has been tried with Douyin itself.",
            "At https://developer.open-douyin.com apply for im.direct_message with an enterprise account and authorise it: "
            "`token`, `open_id`; the app's client secret is `client_secret`.",
            f"Start the gateway, then enter {url} as the webhook's address and subscribe to im_receive_msg.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        return await self.check(tools)


def _name(content: Mapping[str, Any], who: str) -> str:
    people = [one for one in content.get("user_infos") or () if isinstance(one, dict)]
    return next((str(one.get("nick_name") or "") for one in people if one.get("open_id") == who), "")


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(content.get("message_type") or "other")
    text = content.get("text")
    if kind == "text" and isinstance(text, str):
        return {"text": text}
    return {"placeholder": f"[{kind[:40]}]"}


CHANNEL = Douyin
