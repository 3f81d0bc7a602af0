"""Douyin's private messages as a server, as far as they are published (``im_receive_msg``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms.base import Person, Platform, Saying
from channels.base import Call

CLIENT_SECRET, TOKEN = "simulated-client-secret", "act.simulated-of-nobody"
OPEN_ID = "_000simulatedAccount"
MAX_TEXT = 500


class Douyin(Platform):
    """One account. A thread is ``<conversation>/<person>``."""

    name: ClassVar[str] = "douyin"
    again_after: ClassVar[tuple[float, ...]] = (5.0, 5.0, 5.0)

    @property
    def settings(self) -> dict[str, Any]:
        secrets = {"client_secret": CLIENT_SECRET, "token": TOKEN}
        return {"unproven": True, **secrets, "open_id": OPEN_ID, "api_url": self.url}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/im/send/msg/", self._send)]

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        return web.json_response({"data": {"error_code": status}}, status=status, headers=headers)

    def thread_of(self, person: Person) -> str:
        return f"7{person.id}/{person.id}"

    def events(self, said: Saying) -> list[Any]:
        conversation = said.thread.partition("/")[0]
        content: dict[str, Any] = {
            "conversation_short_id": conversation,
            "server_message_id": said.id,
            "conversation_type": 1,
            "create_time": int(said.at.timestamp() * 1000),
            "message_type": "text",
            "text": said.text or said.choice,
            "user_infos": [{"open_id": said.person.id, "nick_name": said.person.name}],
        }
        event = "im_recall_msg" if said.delete_of else "im_receive_msg"
        return [
            {
                "event": event,
                "from_user_id": said.person.id,
                "to_user_id": OPEN_ID,
                "client_key": "c",
                "content": content,
            }
        ]

    def strange(self, said: Saying) -> Any:
        return {**self.events(said)[0], "event": "im_quantum_msg"}

    def webhook(self, event: Any) -> Call:
        body = json.dumps({**event, "content": json.dumps(event["content"])}).encode()
        headers = {"content-type": "application/json", "x-douyin-signature": sign(body), "msg-id": self.number()}
        return Call(url=self.door, headers=headers, body=body, timeout=5.0)

    async def _send(self, request: web.Request) -> web.Response:
        if request.headers.get("access-token") != TOKEN:
            return self.refusal(401, {})
        asked = await request.json()
        text = str(asked["content"]["text"]["text"])
        if not 0 < len(text) <= MAX_TEXT:
            return self.refusal(400, {})
        id = self.message_id()
        self.saw(f"{asked['conversation_id']}/{asked['to_user_id']}", text, id=id, reply_to=str(asked["msg_id"]))
        return web.json_response({"data": {"error_code": 0, "msg_id": id}})


def sign(body: bytes, secret: str = CLIENT_SECRET) -> str:
    """Douyin's signature of a body."""
    return hashlib.sha1(secret.encode() + body).hexdigest()  # noqa: S324 - the platform's own scheme


PLATFORM = Douyin
