"""WeCom's customer service as a server: https://developer.work.weixin.qq.com/document/path/94670

One account: encrypted callbacks that something has happened, ``sync_msg`` with its cursor (no cursor, or one that nobody
gave: the last three days), messages, five within 48 hours of a customer's last word.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web

from channels._platforms.base import File, Platform, Saying
from channels._platforms.wechat import seal, signed, xml
from channels.base import Call

CORP_ID, SECRET = "ww0123456789abcdef", "simulated-secret-of-nobody"
TOKEN, AES_KEY = "simulatedkftoken", "kfghijklmnopqrstuvwxyz0123456789ABCDEFGabcd"
OPEN_KFID = "wkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
MAX_TEXT, MAX_REPLIES = 2048, 5
WINDOW, KEPT = timedelta(hours=48), timedelta(days=3)
KINDS = {"image/jpeg": "image", "image/png": "image", "audio/amr": "voice", "video/mp4": "video"}


class WeCom(Platform):
    """One customer-service account. It is always asked; with a ``door`` it also says when."""

    name: ClassVar[str] = "wecom"
    again_after: ClassVar[tuple[float, ...]] = (5.0, 5.0)

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.wrote: dict[str, datetime] = {}
        """When each customer wrote last."""
        self.replies: dict[str, int] = defaultdict(int)
        self.items: list[dict[str, Any]] = []
        """What may be asked for, in order."""
        self.era = 1
        """Part of each cursor: a new one makes all cursors unknown."""
        self.asked_after = 0
        """How many items the last question showed to have."""
        self.token = "simulated-access-token-1"  # noqa: S105

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "corp_id": CORP_ID,
            "secret": SECRET,
            "open_kfid": OPEN_KFID,
            "token": TOKEN,
            "aes_key": AES_KEY,
            "api_url": self.url,
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/cgi-bin/gettoken", self._give_token),
            web.post("/cgi-bin/kf/account/list", self._accounts),
            web.post("/cgi-bin/kf/sync_msg", self._sync),
            web.post("/cgi-bin/kf/send_msg", self._send),
            web.post("/cgi-bin/media/upload", self._upload),
            web.get("/cgi-bin/media/get", self._media),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path == "/cgi-bin/kf/send_msg"

    def _fate(self, request: web.Request) -> tuple[int, dict[str, str]]:
        """Asking does not fail by script, and giving out tokens fails for a wrong secret alone."""
        calm = "sync_msg" in request.path or ("gettoken" in request.path and self.script[:1] != [(401, {})])
        return (200, {}) if calm else super()._fate(request)

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        if status == 401:  # a wrong secret is told in the body
            return web.json_response({"errcode": 40001, "errmsg": "invalid credential"})
        return web.Response(status=status, headers=headers)

    def person_id(self, name: str) -> str:
        return "wm" + hashlib.sha256(name.encode()).hexdigest()[:30]

    def message_id(self) -> str:
        return f"msg{self.number():0>16}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        self.wrote[said.thread], self.replies[said.thread] = said.at, 0
        base = {
            "open_kfid": OPEN_KFID,
            "external_userid": said.thread,
            "send_time": int(said.at.timestamp()),
            "origin": 3,
        }
        if said.delete_of:
            return [self._happened("user_recall_msg", said, recall_msgid=said.delete_of)]
        text = {"content": said.text or said.choice, **({"menu_id": said.choice} if said.choice else {})}
        words = {**base, "msgid": said.id, "msgtype": "text", "text": text}
        files = [{**base, "msgid": self.message_id(), **self._file(file)} for file in said.files]
        return [words, *files] if said.text or said.choice else files

    def strange(self, said: Saying) -> Any:
        return self._happened("quantum_leap", said)

    def put(self, item: dict[str, Any]) -> None:
        """Something that may be asked for from now on."""
        self.wrote.setdefault(str(item.get("external_userid", "")), self.now())
        self.deliver(item)

    def _happened(self, kind: str, said: Saying, **more: Any) -> dict[str, Any]:
        event = {"event_type": kind, "open_kfid": OPEN_KFID, "external_userid": said.thread, **more}
        return {
            "msgid": self.message_id(),
            "send_time": int(said.at.timestamp()),
            "origin": 4,
            "msgtype": "event",
            "event": event,
        }

    def _file(self, file: File) -> dict[str, Any]:
        kind = KINDS.get(file.type, "file")
        return {"msgtype": kind, kind: {"media_id": self.keep(file)}}

    # --- how it is delivered

    def deliver(self, event: Any) -> None:
        """It can be asked for at once; the callback follows."""
        self.items += [event, event] if self.happens("twice") else [event]
        if self.door:
            super().deliver(event)

    def webhook(self, event: Any) -> Call:  # noqa: ARG002 - it does not say what has happened
        stamp, nonce = str(int(self.now().timestamp())), self.number()
        told = {"ToUserName": CORP_ID, "CreateTime": int(stamp), "MsgType": "event", "Event": "kf_msg_or_event"}
        inner = xml({**told, "Token": f"ENC{nonce}", "OpenKfId": OPEN_KFID})
        sealed = seal(inner, os.urandom(16), receiver=CORP_ID, key=AES_KEY)
        query = signed(stamp, nonce, sealed, token=TOKEN)
        body = f"<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        url = f"{self.door}?{urlencode({name: query[name] for name in ('msg_signature', 'timestamp', 'nonce')})}"
        return Call(url=url, headers={"content-type": "text/xml"}, body=body.encode(), timeout=5.0)

    def forged(self, call: Call) -> Call:
        return Call(url=call.url.replace("msg_signature=", "msg_signature=0"), headers=call.headers, body=call.body)

    # --- what a company may call

    async def _give_token(self, request: web.Request) -> web.Response:
        if dict(request.query) != {"corpid": CORP_ID, "corpsecret": SECRET}:
            return web.json_response({"errcode": 40001, "errmsg": "invalid credential"})
        return web.json_response({"errcode": 0, "access_token": self.token, "expires_in": 7200})

    def _stale(self, request: web.Request) -> web.Response | None:
        if request.query.get("access_token") == self.token:
            return None
        return web.json_response({"errcode": 40014, "errmsg": "invalid access_token"})

    async def _accounts(self, request: web.Request) -> web.Response:
        found = {"errcode": 0, "account_list": [{"open_kfid": OPEN_KFID, "name": "灯笼铺客服"}]}
        return self._stale(request) or web.json_response(found)

    async def _sync(self, request: web.Request) -> web.Response:
        if (stale := self._stale(request)) is not None:
            return stale
        asked = await request.json()
        era, _, place = str(asked.get("cursor") or "").partition(".")
        start = int(place) if era == str(self.era) and place.isdigit() else 0
        self.asked_after = start
        page = self.items[start : start + min(int(asked.get("limit") or 1000), 1000)]
        young = [item for item in page if self._is_young(item)]
        after = start + len(page)
        if self.happens("lost"):
            return web.Response(status=502)
        found = {"errcode": 0, "errmsg": "ok", "next_cursor": f"{self.era}.{after}", "msg_list": young}
        return web.json_response({**found, "has_more": int(after < len(self.items))})

    def _is_young(self, item: Mapping[str, Any]) -> bool:
        sent = item.get("send_time")
        return not isinstance(sent, int) or self.now().timestamp() - sent < KEPT.total_seconds()

    async def _send(self, request: web.Request) -> web.Response:
        if (stale := self._stale(request)) is not None:
            return stale
        asked = json.loads(await request.read())
        thread, text = str(asked.get("touser", "")), str(asked.get("text", {}).get("content", ""))
        if (code := self._refused(thread, text)) != 0:
            return web.json_response({"errcode": code, "errmsg": f"error {code}"})
        self.replies[thread] += 1
        kind = asked["msgtype"]
        files = [self.files[asked[kind]["media_id"]]] if kind != "text" else []
        id = str(asked.get("msgid") or self.message_id())
        self.saw(thread, text, id=id, files=files)
        return web.json_response({"errcode": 0, "errmsg": "ok", "msgid": id})

    def _refused(self, thread: str, text: str) -> int:
        if thread not in self.wrote:
            return 40003
        if self.now() - self.wrote[thread] > WINDOW or self.replies[thread] >= MAX_REPLIES:
            return 95001
        return 45002 if len(text.encode()) > MAX_TEXT else 0

    async def _upload(self, request: web.Request) -> web.Response:
        if (stale := self._stale(request)) is not None:
            return stale
        part = (await request.post()).get("media")
        if not isinstance(part, web.FileField):
            return web.json_response({"errcode": 41005, "errmsg": "media data missing"})
        id = self.keep(File(name=part.filename, type=part.content_type, data=part.file.read()))
        return web.json_response({"errcode": 0, "type": request.query.get("type"), "media_id": id, "created_at": "1"})

    async def _media(self, request: web.Request) -> web.Response:
        return self._stale(request) or self.hand_over_file(request.query.get("media_id", ""))


PLATFORM = WeCom
