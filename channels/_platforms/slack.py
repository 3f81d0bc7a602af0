"""Slack as a server: https://docs.slack.dev/apis/events-api/ and https://docs.slack.dev/apis/events-api/using-socket-mode

One workspace with one app: signed events with three repeats, or envelopes over a WebSocket that come again until they are
acknowledged; the Web API that says ``ok: false`` with HTTP 200; files behind the bot's token.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from channels._platforms.base import File, Person, Platform, Saying
from channels.base import Call

TEAM, APP, BOT = "T0LANTERN1", "A0LANTERN1", "U0LANTERN1"
SIGNING_SECRET = "simulated-signing-secret-of-nobody"  # noqa: S105 - they open this fake only
BOT_TOKEN, APP_TOKEN = "xoxb-simulated-of-nobody", "xapp-simulated-of-nobody"
MAX_TEXT, MAX_BUTTONS, MAX_LABEL = 40_000, 25, 75
#: Seconds until an envelope that nobody has acknowledged comes again.
AGAIN = 3.0


class Slack(Platform):
    """One workspace. Threads as the channel names them: ``D…``, ``D…:<ts>``, ``public:C…:<ts>``."""

    name: ClassVar[str] = "slack"
    again_after: ClassVar[tuple[float, ...]] = (0.5, 60.0, 300.0)

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.acknowledged: list[str] = []
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def settings(self) -> dict[str, Any]:
        events = {"mode": "events", "signing_secret": SIGNING_SECRET}
        socket = {"mode": "socket", "app_token": APP_TOKEN}
        return {"bot_token": BOT_TOKEN, "api_url": f"{self.url}/api", **(events if self.door else socket)}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/auth.test", self._who),
            web.post("/api/chat.postMessage", self._post_message),
            web.post("/api/apps.connections.open", self._open),
            web.post("/api/files.getUploadURLExternal", self._upload_url),
            web.post("/api/files.completeUploadExternal", self._complete),
            web.post("/upload/{id}", self._upload),
            web.get("/files/{id}", self._file),
            web.get("/ws", self._socket),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path in ("/api/chat.postMessage", "/api/files.completeUploadExternal")

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        errors = {401: "invalid_auth", 400: "invalid_arguments", 404: "channel_not_found"}
        if status in errors:
            return web.json_response({"ok": False, "error": errors[status]})
        return web.json_response({"ok": False, "error": "ratelimited"}, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        return "U" + hashlib.sha256(name.encode()).hexdigest()[:10].upper()

    def thread_of(self, person: Person) -> str:
        return "D" + person.id[1:]

    def message_id(self) -> str:
        return f"{int(self.now().timestamp())}.{self.number():0>6}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        if said.choice:
            return [self._press(said)]
        room, time = _place(said.thread)
        kind = {"type": "message", "channel": room, "channel_type": "im" if room[0] == "D" else "channel"}
        message: dict[str, Any] = {
            "type": "message",
            "user": said.person.id,
            "text": _escaped(said.text),
            "ts": said.id,
        }
        if time:
            message["thread_ts"] = time
        if said.edit_of:
            message["edited"] = {"user": said.person.id, "ts": self.message_id()}
            before = {"type": "message", "text": "", "ts": said.id}
            changed = {
                "subtype": "message_changed",
                "ts": self.message_id(),
                "message": message,
                "previous_message": before,
            }
            return [self._event({**kind, **changed})]
        if said.delete_of:
            gone = {
                "subtype": "message_deleted",
                "deleted_ts": said.id,
                "ts": self.message_id(),
                "previous_message": message,
            }
            return [self._event({**kind, **gone})]
        files = [self._described(file) for file in said.files]
        return [self._event({**message, **kind, **({"subtype": "file_share", "files": files} if files else {})})]

    def strange(self, said: Saying) -> Any:
        return self._event({"type": "quantum_leap", "user": said.person.id, "event_ts": self.message_id()})

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        envelope = {"type": "event_callback", "team_id": TEAM, "api_app_id": APP, "event_id": f"Ev{self.number()}"}
        bot = [{"team_id": TEAM, "user_id": BOT, "is_bot": True}]
        return {**envelope, "event": event, "event_time": int(self.now().timestamp()), "authorizations": bot}

    def _press(self, said: Saying) -> dict[str, Any]:
        room, time = _place(said.thread)
        asked = next((li for li in reversed(self.lines) if any(v == said.choice for _, v in li.buttons)), None)
        label = next((k for li in self.lines for k, v in li.buttons if v == said.choice), said.choice)
        action = {"action_id": "choice0", "type": "button", "value": said.choice, "action_ts": self.message_id()}
        return {
            "type": "block_actions",
            "user": {"id": said.person.id, "name": said.person.name},
            "channel": {"id": room},
            "message": {"ts": asked.id if asked else said.id, **({"thread_ts": time} if time else {})},
            "trigger_id": f"trigger{said.id}",
            "actions": [{**action, "text": {"type": "plain_text", "text": label}}],
        }

    def _described(self, file: File) -> dict[str, Any]:
        id = self.keep(file)
        url = f"{self.url}/files/{id}"
        return {"id": id, "name": file.name, "mimetype": file.type, "size": len(file.data), "url_private": url}

    # --- how it is delivered

    def webhook(self, event: Any) -> Call:
        form = event["type"] == "block_actions"
        body = urlencode({"payload": json.dumps(event)}).encode() if form else json.dumps(event).encode()
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        stamp = str(int(self.now().timestamp()))
        return Call(url=self.door, headers={"content-type": kind, **sign(body, stamp)}, body=body, timeout=3.0)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """Brings what is held until it is acknowledged."""
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        self._sockets.add(socket)
        await socket.send_json({"type": "hello", "num_connections": 1})
        bringing = asyncio.create_task(self._bring(socket))
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acknowledge(json.loads(message.data))
        finally:
            bringing.cancel()
            self._sockets.discard(socket)
        return socket

    async def _bring(self, socket: web.WebSocketResponse) -> None:
        brought: dict[str, int] = {}
        while True:
            for event in list(self.held):
                id = hashlib.sha256(json.dumps(event).encode()).hexdigest()[:32]
                if brought.get(id, 0) <= 0:
                    kind = "interactive" if event.get("type") == "block_actions" else "events_api"
                    await socket.send_json(
                        {"envelope_id": id, "type": kind, "payload": event, "accepts_response_payload": False}
                    )
                    brought[id] = int(AGAIN / 0.05)
                brought[id] -= 1
            await asyncio.sleep(0.05)

    def _acknowledge(self, frame: Mapping[str, Any]) -> None:
        id = str(frame.get("envelope_id", ""))
        self.acknowledged.append(id)
        self.held = [e for e in self.held if hashlib.sha256(json.dumps(e).encode()).hexdigest()[:32] != id]

    async def refresh(self) -> None:
        """Slack wants its WebSockets opened anew."""
        for socket in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    # --- what an app may call

    def _wrong(self, request: web.Request, token: str = BOT_TOKEN) -> web.Response | None:
        return None if request.headers.get("authorization") == f"Bearer {token}" else self.refusal(401, {})

    async def _who(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"ok": True, "team": "灯笼铺", "user_id": BOT})

    async def _open(self, request: web.Request) -> web.Response:
        url = f"ws://{self.host}:{self.port}/ws"
        return self._wrong(request, APP_TOKEN) or web.json_response({"ok": True, "url": url})

    async def _post_message(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        asked = await request.json()
        text, blocks = str(asked.get("text") or ""), asked.get("blocks") or []
        buttons = [e for block in blocks if block["type"] == "actions" for e in block["elements"]]
        if not text:
            return web.json_response({"ok": False, "error": "no_text"})
        if (
            len(text) > MAX_TEXT
            or len(buttons) > MAX_BUTTONS
            or any(len(b["text"]["text"]) > MAX_LABEL for b in buttons)
        ):
            return web.json_response({"ok": False, "error": "msg_too_long"})
        id = self.message_id()
        shown = [(b["text"]["text"], b["value"]) for b in buttons]
        self.saw(self._thread(asked), _unescaped(text), id=id, reply_to=self._answered(asked), buttons=shown)
        return web.json_response({"ok": True, "channel": asked["channel"], "ts": id})

    def _thread(self, asked: Mapping[str, Any]) -> str:
        room, time = str(asked.get("channel") or asked.get("channel_id")), str(asked.get("thread_ts") or "")
        thread = f"{room}:{time}" if time else room
        return thread if room.startswith("D") else f"public:{thread}"

    def _answered(self, asked: Mapping[str, Any]) -> str:
        time = asked.get("thread_ts")
        return f"{asked['channel']}:{time}" if time else ""

    async def _upload_url(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        id = self.keep(File(name=str((await request.post()).get("filename")), type="", data=b""))
        return web.json_response({"ok": True, "upload_url": f"{self.url}/upload/{id}", "file_id": id})

    async def _upload(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        self.files[id] = File(name=self.files[id].name, type="", data=await request.read())
        return web.Response(text="OK")

    async def _complete(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        asked = await request.json()
        files = [self.files[one["id"]] for one in asked["files"]]
        text = _unescaped(str(asked.get("initial_comment") or ""))
        self.saw(self._thread(asked), text, id=self.message_id(), files=files)
        return web.json_response({"ok": True, "files": asked["files"]})

    async def _file(self, request: web.Request) -> web.Response:
        if self._wrong(request) is not None:  # Slack shows a login page
            return web.Response(status=302, headers={"location": f"{self.url}/login"})
        return self.hand_over_file(request.match_info["id"])


def sign(body: bytes, stamp: str, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers of a delivery."""
    said = b"v0:" + stamp.encode() + b":" + body
    signature = "v0=" + hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": signature}


def _place(thread: str) -> tuple[str, str]:
    room, _, time = thread.removeprefix("public:").partition(":")
    return room, time


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


PLATFORM = Slack
