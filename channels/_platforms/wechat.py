"""WeChat's official-account platform as a server: https://developers.weixin.qq.com/doc/subscription/guide/dev/push/

One account: messages in XML, encrypted as in the safe mode, delivered with four tries of five seconds; the token that
everybody gets who asks; customer-service messages, five within 48 hours of a follower's last word.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from channels._platforms.base import File, Person, Platform, Saying
from channels.base import Call

APP_ID, APP_SECRET = "wx0123456789abcdef", "simulated-app-secret-of-nobody"
TOKEN = "simulatedtoken"  # noqa: S105
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
#: The account that its followers write to.
OURSELVES = "gh_e136c6e50636"
MAX_TEXT = 2048
WINDOW, MAX_REPLIES = timedelta(hours=48), 5
KINDS = {"image/jpeg": "image", "image/png": "image", "audio/amr": "voice", "video/mp4": "video"}


class WeChat(Platform):
    """One official account."""

    name: ClassVar[str] = "wechat"
    again_after: ClassVar[tuple[float, ...]] = (5.0, 5.0, 5.0)

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.wrote: dict[str, datetime] = {}
        """When each follower wrote last."""
        self.replies: dict[str, int] = defaultdict(int)
        """How often each was answered since."""
        self.token = "simulated-access-token-1"  # noqa: S105
        self.tokens_given = 0

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "token": TOKEN,
            "aes_key": AES_KEY,
            "mode": "safe",
            "api_url": self.url,
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/cgi-bin/stable_token", self._give_token),
            web.get("/cgi-bin/get_api_domain_ip", self._addresses),
            web.post("/cgi-bin/message/custom/send", self._custom),
            web.post("/cgi-bin/media/upload", self._upload),
            web.get("/cgi-bin/media/get", self._media),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path == "/cgi-bin/message/custom/send"

    def _fate(self, request: web.Request) -> tuple[int, dict[str, str]]:
        """Giving out tokens does not fail; what is done with them does."""
        return (200, {}) if request.path == "/cgi-bin/stable_token" else super()._fate(request)

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        if status == 401:  # a wrong secret is told in the body
            return web.json_response({"errcode": 40125, "errmsg": "invalid appsecret"})
        return web.Response(status=status, headers=headers)

    def person_id(self, name: str) -> str:
        return "o" + base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode()[:27].replace("-", "A")

    def message_id(self) -> str:
        return f"2451{self.number():0>14}"

    def expire_token(self) -> None:
        """The access token ends before its time."""
        self.token = f"simulated-access-token-{self.number()}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        self.wrote[said.thread], self.replies[said.thread] = said.at, 0
        base = self._base(said.person, said.at)
        if not said.files:
            return [{**base, "MsgType": "text", "Content": said.text or said.choice, "MsgId": said.id}]
        files = [{**base, **self._file(file), "MsgId": self.message_id()} for file in said.files]
        words = {**base, "MsgType": "text", "Content": said.text, "MsgId": said.id}
        return [words, *files] if said.text else files

    def send(self, person: str, **content: Any) -> None:
        """Anything else that a follower may send: ``MsgType="location", Location_X=…``."""
        who = self.person(person)
        self.wrote[who.id], self.replies[who.id] = self.now(), 0
        self.deliver({**self._base(who, self.now()), "MsgId": self.message_id(), **content})

    def event(self, person: str, event: str, **more: Any) -> None:
        """Something that happens: ``subscribe``, ``unsubscribe``, ``CLICK`` …"""
        self.deliver({**self._base(self.person(person), self.now()), "MsgType": "event", "Event": event, **more})

    def strange(self, said: Saying) -> Any:
        return {**self._base(said.person, said.at), "MsgType": "event", "Event": "quantum_leap", "EventKey": "7"}

    def _base(self, person: Person, at: datetime) -> dict[str, Any]:
        return {"ToUserName": OURSELVES, "FromUserName": person.id, "CreateTime": int(at.timestamp())}

    def _file(self, file: File) -> dict[str, Any]:
        id, kind = self.keep(file), KINDS.get(file.type, "image")
        more = {"image": {"PicUrl": f"{self.url}/pictures/{id}"}, "voice": {"Format": "amr"}}
        return {"MsgType": kind, "MediaId": id, **more.get(kind, {"ThumbMediaId": id})}

    # --- how it is delivered

    def webhook(self, event: Any) -> Call:
        stamp, nonce = str(int(self.now().timestamp())), self.number()
        sealed = seal(xml(event), os.urandom(16))
        query = signed(stamp, nonce, sealed) | {"openid": event["FromUserName"]}
        body = f"<xml><ToUserName><![CDATA[{OURSELVES}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        url = f"{self.door}?{urlencode(query)}"
        return Call(url=url, headers={"content-type": "text/xml"}, body=body.encode(), timeout=5.0)

    def forged(self, call: Call) -> Call:
        return Call(url=call.url.replace("msg_signature=", "msg_signature=0"), headers=call.headers, body=call.body)

    # --- what an account may call

    async def _give_token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked != {"grant_type": "client_credential", "appid": APP_ID, "secret": APP_SECRET}:
            return web.json_response({"errcode": 40125, "errmsg": "invalid appsecret"})
        self.tokens_given += 1
        return web.json_response({"access_token": self.token, "expires_in": 7200})

    def _stale(self, request: web.Request) -> web.Response | None:
        if request.query.get("access_token") == self.token:
            return None
        return web.json_response({"errcode": 40001, "errmsg": "invalid credential, access_token is invalid"})

    async def _addresses(self, request: web.Request) -> web.Response:
        return self._stale(request) or web.json_response({"ip_list": ["127.0.0.1"]})

    async def _custom(self, request: web.Request) -> web.Response:
        if (stale := self._stale(request)) is not None:
            return stale
        asked = json.loads(await request.read())
        thread, text = str(asked.get("touser", "")), str(asked.get("text", {}).get("content", ""))
        if (code := self._refused(thread, text)) != 0:
            return web.json_response({"errcode": code, "errmsg": f"error {code}"})
        self.replies[thread] += 1
        kind = asked["msgtype"]
        files = [self.files[asked[kind]["media_id"]]] if kind != "text" else []
        self.saw(thread, text, id=self.message_id(), files=files)
        return web.json_response({"errcode": 0, "errmsg": "ok"})

    def _refused(self, thread: str, text: str) -> int:
        if thread not in self.wrote:
            return 40003
        if self.now() - self.wrote[thread] > WINDOW:
            return 45015
        if self.replies[thread] >= MAX_REPLIES:
            return 45047
        return 45002 if len(text.encode()) > MAX_TEXT else 0

    async def _upload(self, request: web.Request) -> web.Response:
        if (stale := self._stale(request)) is not None:
            return stale
        part = (await request.post()).get("media")
        if not isinstance(part, web.FileField):
            return web.json_response({"errcode": 41005, "errmsg": "media data missing"})
        id = self.keep(File(name=part.filename, type=part.content_type, data=part.file.read()))
        return web.json_response({"type": request.query.get("type"), "media_id": id, "created_at": 1})

    async def _media(self, request: web.Request) -> web.Response:
        return self._stale(request) or self.hand_over_file(request.query.get("media_id", ""))


def xml(tree: Mapping[str, Any]) -> bytes:
    """A message as WeChat writes it."""
    inner = "".join(f"<{k}>{v if isinstance(v, int) else f'<![CDATA[{v}]]>'}</{k}>" for k, v in tree.items())
    return f"<xml>{inner}</xml>".encode()


def seal(message: bytes, random: bytes, *, receiver: str = APP_ID, key: str = AES_KEY) -> str:
    """A message as it is encrypted for an account; ``random`` are 16 bytes."""
    secret = base64.b64decode(key + "=")
    plain = random + len(message).to_bytes(4, "big") + message + receiver.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()


def signed(stamp: str, nonce: str, sealed: str, *, token: str = TOKEN) -> dict[str, str]:
    """The query of a delivery."""
    plain, whole = (
        hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - WeChat's own scheme
        for parts in ([token, stamp, nonce], [token, stamp, nonce, sealed])
    )
    query = {"signature": plain, "timestamp": stamp, "nonce": nonce}
    return query | {"encrypt_type": "aes", "msg_signature": whole} if sealed else query


PLATFORM = WeChat
