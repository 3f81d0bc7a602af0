"""LINE's Messaging API as a server: https://developers.line.biz/en/reference/messaging-api/

One official account: signed deliveries that are made again when they fail, push messages whose retry key makes a repeat a
409, files on the data host, quick replies that come back as postbacks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms.base import File, Platform, Saying
from channels.base import Call

CHANNEL_SECRET, TOKEN = "simulated-channel-secret", "simulated-token-of-nobody"
OURSELVES = "U00000000000000000000000000000000"
MAX_TEXT, MAX_BUTTONS, MAX_LABEL = 5000, 13, 20
KINDS = {"image/jpeg": "image", "image/png": "image", "video/mp4": "video", "audio/mp4": "audio"}


class Line(Platform):
    """One official account."""

    name: ClassVar[str] = "line"

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.accepted: dict[str, str] = {}
        """Retry keys that were used: the request that used them."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"channel_secret": CHANNEL_SECRET, "token": TOKEN, "api_url": self.url, "data_url": self.url}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/bot/message/push", self._push),
            web.get("/v2/bot/message/{id}/content", self._content),
            web.get("/v2/bot/info", self._info),
            web.get("/v2/bot/message/quota", self._quota),
            web.put("/v2/bot/channel/webhook/endpoint", self._endpoint),
            web.post("/v2/bot/channel/webhook/test", self._test),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path == "/v2/bot/message/push"

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        return web.json_response({"message": f"error {status}"}, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        return "U" + hashlib.sha256(name.encode()).hexdigest()[:32]

    def message_id(self) -> str:
        return f"5{self.number():0>17}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        if said.delete_of:
            return [self._event("unsend", said, unsend={"messageId": said.delete_of})]
        if said.choice:
            return [self._event("postback", said, postback={"data": said.choice})]
        found = [self._event("message", said, message=self._file(file)) for file in said.files]
        if said.text:
            words = {"id": said.id, "type": "text", "text": said.text, "quoteToken": f"q{said.id}"}
            kind = "messageEdited" if said.edit_of else "message"
            found.insert(0, self._event(kind, said, message=words))
        return found

    def happen(self, kind: str, person: str, **more: Any) -> None:
        """``follow``, ``unfollow``, a sticker as ``message`` …"""
        who = self.person(person)
        self.deliver(self._event(kind, Saying(id="", person=who, thread=who.id, at=self.now()), **more))

    def strange(self, said: Saying) -> Any:
        return self._event("quantumLeap", said, spin={"up": 1})

    def _event(self, kind: str, said: Saying, **more: Any) -> dict[str, Any]:
        group = said.thread.removeprefix("public:")
        source = {"type": "user", "userId": said.person.id}
        if group != said.thread:
            source = {"type": "group", "groupId": group, "userId": said.person.id}
        return {
            "type": kind,
            "mode": "active",
            "timestamp": int(said.at.timestamp() * 1000),
            "source": source,
            "webhookEventId": f"01SIM{self.number():0>21}",
            "deliveryContext": {"isRedelivery": False},
            "replyToken": hashlib.sha256(said.id.encode()).hexdigest()[:32],
            **more,
        }

    def _file(self, file: File) -> dict[str, Any]:
        kind, id = KINDS.get(file.type, "file"), self.keep(file)
        named = {"fileName": file.name, "fileSize": len(file.data)} if kind == "file" else {}
        return {"id": id, "type": kind, "contentProvider": {"type": "line"}, **named}

    # --- how it is delivered

    def webhook(self, event: Any) -> Call:
        body = json.dumps({"destination": OURSELVES, "events": [event]}, ensure_ascii=False).encode()
        signature = base64.b64encode(hmac.new(CHANNEL_SECRET.encode(), body, hashlib.sha256).digest()).decode()
        headers = {"content-type": "application/json", "x-line-signature": signature}
        return Call(url=self.door, headers=headers, body=body, timeout=2.0)

    # --- what an account may call

    def _wrong(self, request: web.Request) -> web.Response | None:
        return None if request.headers.get("authorization") == f"Bearer {TOKEN}" else self.refusal(401, {})

    async def _push(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        key, asked = request.headers.get("x-line-retry-key", ""), await request.json()
        if key in self.accepted:
            return web.json_response(
                {"message": "The retry key is already accepted"},
                status=409,
                headers={"x-line-accepted-request-id": self.accepted[key]},
            )
        if not all(self._is_good(message) for message in asked["messages"]):
            return self.refusal(400, {})
        sent = [self._show(asked["to"], message) for message in asked["messages"]]
        self.accepted[key] = f"request-{self.number()}"
        return web.json_response({"sentMessages": sent})

    def _is_good(self, message: Mapping[str, Any]) -> bool:
        items = message.get("quickReply", {}).get("items", [])
        length = len(message["text"].encode("utf-16-le")) // 2
        return (
            0 < length <= MAX_TEXT
            and len(items) <= MAX_BUTTONS
            and all(len(item["action"]["label"]) <= MAX_LABEL for item in items)
        )

    def _show(self, to: str, message: Mapping[str, Any]) -> dict[str, str]:
        items = message.get("quickReply", {}).get("items", [])
        id = self.message_id()
        thread = to if to.startswith("U") else f"public:{to}"
        buttons = [(item["action"]["label"], item["action"]["data"]) for item in items]
        self.saw(thread, message["text"], id=id, buttons=buttons)
        return {"id": id, "quoteToken": f"q{id}"}

    async def _content(self, request: web.Request) -> web.Response:
        return self._wrong(request) or self.hand_over_file(request.match_info["id"])

    async def _info(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"userId": OURSELVES, "displayName": "灯笼铺"})

    async def _quota(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"type": "limited", "value": 1000})

    async def _endpoint(self, request: web.Request) -> web.Response:
        self.door = (await request.json())["endpoint"]
        return self._wrong(request) or web.json_response({})

    async def _test(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"success": True, "statusCode": 200})


PLATFORM = Line
