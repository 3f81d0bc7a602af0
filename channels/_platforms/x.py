"""X as a server, as far as it is published: https://docs.x.com/x-api/webhooks/introduction

One account: signed deliveries of direct messages and mentions in the form of the Account Activity API, direct messages and
answers to posts by the API v2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms.base import Platform, Saying
from channels.base import Call

CONSUMER_SECRET, TOKEN = "simulated-consumer-secret", "simulated-user-token-of-nobody"
USER = "2975699229"
MAX_POST, MAX_MESSAGE = 280, 10_000


class X(Platform):
    """One account. Threads: the other's id, or ``public:<post>``."""

    name: ClassVar[str] = "x"

    @property
    def settings(self) -> dict[str, Any]:
        secrets = {"consumer_secret": CONSUMER_SECRET, "token": TOKEN}
        return {"unproven": True, **secrets, "user_id": USER, "api_url": self.url}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/2/users/me", self._me),
            web.post("/2/dm_conversations/with/{user}/messages", self._message),
            web.post("/2/tweets", self._tweet),
            web.get("/media/{id}", self._media),
        ]

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        return web.json_response({"title": f"error {status}", "status": status}, status=status, headers=headers)

    def message_id(self) -> str:
        return f"12{self.number():0>17}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        person = {"id": said.person.id, "name": said.person.name, "screen_name": f"u{said.person.id}"}
        if said.thread.startswith("public:"):
            post = {
                "created_at": said.at.strftime("%a %b %d %H:%M:%S +0000 %Y"),
                "id_str": said.id,
                "text": html.escape(said.text, quote=False),
                "user": {"id_str": said.person.id, **person},
                "in_reply_to_status_id_str": said.thread.removeprefix("public:") or None,
                "entities": {},
            }
            return [{"for_user_id": USER, "tweet_create_events": [post]}]
        data: dict[str, Any] = {"text": html.escape(said.text or said.choice, quote=False), "entities": {}}
        message = {"target": {"recipient_id": USER}, "sender_id": said.person.id, "message_data": data}
        event = {"type": "message_create", "id": said.id, "created_timestamp": str(int(said.at.timestamp() * 1000))}
        return [
            {
                "for_user_id": USER,
                "direct_message_events": [{**event, "message_create": message}],
                "users": {said.person.id: person},
            }
        ]

    def strange(self, said: Saying) -> Any:
        return {"for_user_id": USER, "quantum_events": [{"id": said.id}]}

    # --- how it is delivered

    def webhook(self, event: Any) -> Call:
        body = json.dumps(event).encode()
        headers = {"content-type": "application/json", "x-twitter-webhooks-signature": sign(body)}
        return Call(url=self.door, headers=headers, body=body, timeout=10.0)

    # --- what an app may call

    def _wrong(self, request: web.Request) -> web.Response | None:
        return None if request.headers.get("authorization") == f"Bearer {TOKEN}" else self.refusal(401, {})

    async def _me(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"data": {"id": USER, "username": "lantern_shop"}})

    async def _message(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        text = str((await request.json()).get("text") or "")
        if not 0 < len(text) <= MAX_MESSAGE:
            return self.refusal(400, {})
        id = self.message_id()
        self.saw(request.match_info["user"], text, id=id)
        return web.json_response({"data": {"dm_conversation_id": "1-2", "dm_event_id": id}}, status=201)

    async def _tweet(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        asked = await request.json()
        text, answered = str(asked.get("text") or ""), str(asked.get("reply", {}).get("in_reply_to_tweet_id") or "")
        if not 0 < len(text) <= MAX_POST:
            return self.refusal(403, {})
        id = self.message_id()
        self.saw(f"public:{answered}", text, id=id, reply_to=answered)
        return web.json_response({"data": {"id": id, "text": text}}, status=201)

    async def _media(self, request: web.Request) -> web.Response:
        return self.hand_over_file(request.match_info["id"])


def sign(said: bytes, secret: str = CONSUMER_SECRET) -> str:
    """X's signature of a body or a challenge."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest()).decode()


PLATFORM = X
