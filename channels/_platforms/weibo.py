"""Weibo's fans service as a server, as far as it is published: https://open.weibo.com/wiki/Messages_api_start"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web

from channels._platforms.base import Platform, Saying
from channels.base import Call

APP_SECRET, TOKEN = "simulated-app-secret", "2.00simulated-token-of-nobody"
OURSELVES = 1902538057
MAX_TEXT = 300


class Weibo(Platform):
    """One account."""

    name: ClassVar[str] = "weibo"
    again_after: ClassVar[tuple[float, ...]] = (5.0, 5.0)

    @property
    def settings(self) -> dict[str, Any]:
        return {"unproven": True, "app_secret": APP_SECRET, "token": TOKEN, "api_url": self.url}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/2/messages/reply.json", self._reply), web.get("/2/account/get_uid.json", self._who)]

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        body = {"error_code": {401: 21332, 400: 20003, 404: 20003}.get(status, 10001), "error": f"error {status}"}
        return web.json_response(body, status=status, headers=headers)

    def events(self, said: Saying) -> list[Any]:
        kind = "mention" if said.thread.startswith("public:") else "text"
        stamp = said.at.strftime("%a %b %d %H:%M:%S +0000 %Y")
        base = {"receiver_id": OURSELVES, "sender_id": int(said.person.id), "created_at": stamp}
        return [{"type": kind, **base, "text": said.text or said.choice, "data": {}}]

    def strange(self, said: Saying) -> Any:
        return {**self.events(said)[0], "type": "quantum"}

    def webhook(self, event: Any) -> Call:
        query = signed(str(int(self.now().timestamp() * 1000)), self.number())
        return Call(url=f"{self.door}?{urlencode(query)}", body=json.dumps(event).encode(), timeout=5.0)

    def forged(self, call: Call) -> Call:
        return Call(url=call.url.replace("signature=", "signature=0"), headers=call.headers, body=call.body)

    async def _reply(self, request: web.Request) -> web.Response:
        asked = await request.post()
        if asked.get("access_token") != TOKEN:
            return self.refusal(401, {})
        text = str(json.loads(str(asked["data"])).get("text") or "")
        if not 0 < len(text) <= MAX_TEXT:
            return self.refusal(400, {})
        self.saw(str(asked["receiver_id"]), text, id=self.message_id())
        return web.json_response({"result": True, "receiver_id": asked["receiver_id"], "type": "text"})

    async def _who(self, request: web.Request) -> web.Response:
        good = request.query.get("access_token") == TOKEN
        return web.json_response({"uid": OURSELVES}) if good else self.refusal(401, {})


def signed(stamp: str, nonce: str, secret: str = APP_SECRET) -> dict[str, str]:
    """The query of a delivery."""
    signature = hashlib.sha1("".join(sorted([secret, stamp, nonce])).encode()).hexdigest()  # noqa: S324
    return {"signature": signature, "timestamp": stamp, "nonce": nonce}


PLATFORM = Weibo
