"""Discord as a server: https://discord.com/developers/docs/events/gateway and the REST API beside it.

One bot: a gateway with numbered events, heartbeats, sessions that can be taken up again (what was sent meanwhile is repeated)
until they are forgotten; messages with nonces, attachments, buttons.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from aiohttp import WSMsgType, web

from channels._platforms.base import File, Person, Platform, Saying
from channels.base import Call

TOKEN, BOT = "simulated.bot.token-of-nobody", "900000000000000001"
EPOCH = 1420070400000
MAX_TEXT, MAX_BUTTONS, MAX_LABEL, MAX_VALUE = 2000, 5, 80, 100


class Discord(Platform):
    """One bot. Threads as the channel names them: a channel's id, those of servers after ``public:``."""

    name: ClassVar[str] = "discord"
    #: Seconds between heartbeats, times the pace.
    heartbeat: ClassVar[float] = 40.0

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.events_sent: list[tuple[str, dict[str, Any]]] = []
        """All events in order; the number of each is its place plus one."""
        self.heard = 0
        """The highest number that the bot has shown to have, in a heartbeat or when it took its session up again."""
        self.session = "session-1"
        self.identified = 0
        self.resumed = 0
        self.closing: list[int] = []
        """Codes with which the next connections are closed after the greeting."""
        self.nonces: dict[str, dict[str, Any]] = {}
        self.pressed: list[str] = []
        """Pressed buttons that the bot has answered."""
        self._news = asyncio.Event()

    @property
    def settings(self) -> dict[str, Any]:
        return {"token": TOKEN, "api_url": f"{self.url}/api/v10", "gateway_url": f"ws://{self.host}:{self.port}"}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._gateway),
            web.get("/api/v10/users/@me", self._me),
            web.post("/api/v10/channels/{room}/messages", self._create),
            web.get("/api/v10/channels/{room}/messages", self._history),
            web.post("/api/v10/interactions/{id}/{token}/callback", self._callback),
            web.get("/attachments/{id}", self._file),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path.endswith("/messages")

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        codes = {401: 0, 400: 50035, 404: 10003, 403: 50007}
        body: dict[str, Any] = {"code": codes.get(status, 0), "message": f"error {status}"}
        if status == 429:
            body |= {"retry_after": float(headers.get("Retry-After", "1")), "global": False}
        return web.json_response(body, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        return str(10**17 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big"))

    def thread_of(self, person: Person) -> str:
        return str(int(person.id) + 7)

    def message_id(self) -> str:
        return str(((int(self.now().timestamp() * 1000) - EPOCH) << 22) + int(self.number()) % (1 << 22))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def forget(self) -> None:
        """The session cannot be taken up again."""
        self.session = f"session-{self.number()}"

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        if said.choice:
            return [("INTERACTION_CREATE", self._press(said))]
        if said.delete_of:
            return [("MESSAGE_DELETE", {"id": said.id, **self._place(said.thread)})]
        message = self._message(said)
        if said.edit_of:
            return [("MESSAGE_UPDATE", {**message, "edited_timestamp": said.at.isoformat()})]
        return [("MESSAGE_CREATE", message)]

    def strange(self, said: Saying) -> Any:
        return ("QUANTUM_LEAP", self._place(said.thread))

    def deliver(self, event: Any) -> None:
        """An event is numbered and goes to whoever listens."""
        self.events_sent += [event, event] if self.happens("twice") else [event]
        self._news.set()

    def _place(self, thread: str) -> dict[str, str]:
        room = thread.removeprefix("public:")
        return {"channel_id": room, **({} if room == thread else {"guild_id": "800000000000000001"})}

    def _message(self, said: Saying) -> dict[str, Any]:
        files = [self._described(file) for file in said.files]
        person = {"id": said.person.id, "username": said.person.name, "global_name": said.person.name}
        answered = {"message_reference": {"message_id": said.reply_to}} if said.reply_to else {}
        base = {"id": said.id, "type": 19 if answered else 0, "author": person, "content": said.text, **answered}
        return {
            **base,
            **self._place(said.thread),
            "timestamp": said.at.isoformat(),
            "edited_timestamp": None,
            "attachments": files,
        }

    def _described(self, file: File) -> dict[str, Any]:
        id = self.keep(file)
        url = f"{self.url}/attachments/{id}"
        return {"id": id, "filename": file.name, "size": len(file.data), "url": url, "content_type": file.type}

    def _press(self, said: Saying) -> dict[str, Any]:
        asked = next((li for li in reversed(self.lines) if any(v == said.choice for _, v in li.buttons)), None)
        shown = [{"type": 2, "label": k, "custom_id": v} for k, v in (asked.buttons if asked else ())]
        return {
            "id": said.id,
            "type": 3,
            "token": f"interaction-{said.id}",
            "data": {"custom_id": said.choice, "component_type": 2},
            "user": {"id": said.person.id, "username": said.person.name},
            "message": {"id": asked.id if asked else said.id, "components": [{"type": 1, "components": shown}]},
            "locale": said.person.language,
            **self._place(said.thread),
        }

    def webhook(self, event: Any) -> Call:
        raise NotImplementedError("Discord does not call")

    # --- the gateway

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": self.heartbeat * self.pace * 1000}})
        if self.closing:
            await socket.close(code=self.closing.pop(0))
            return socket
        telling: asyncio.Task[None] | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                started = await self._heard(socket, json.loads(message.data))
                telling = started or telling
        finally:
            if telling is not None:
                telling.cancel()
        return socket

    async def _heard(self, socket: web.WebSocketResponse, frame: Mapping[str, Any]) -> asyncio.Task[None] | None:
        """What the bot says; the task that tells it the events once it has said who it is."""
        op, data = frame["op"], frame.get("d")
        if op == 1:
            self.heard = max(self.heard, int(data or 0))
            await socket.send_json({"op": 11})
            return None
        assert isinstance(data, dict)
        if data["token"] != TOKEN:
            await socket.close(code=4004)
            return None
        if op == 2:
            self.identified += 1
            start = len(self.events_sent)
            ready = {
                "session_id": self.session,
                "resume_gateway_url": self.settings["gateway_url"],
                "user": {"id": BOT},
            }
            await socket.send_json({"op": 0, "t": "READY", "s": start, "d": ready})
        elif data["session_id"] != self.session:
            await socket.send_json({"op": 9, "d": False})
            return None
        else:
            self.resumed += 1
            start = int(data["seq"] or 0)
            self.heard = start
        return asyncio.create_task(self._tell(socket, start))

    async def _tell(self, socket: web.WebSocketResponse, start: int) -> None:
        while True:
            for n, (kind, data) in enumerate(self.events_sent[start:], start=start + 1):
                await socket.send_json({"op": 0, "t": kind, "s": n, "d": data})
                start = n
            self._news.clear()
            if start == len(self.events_sent):
                await self._news.wait()

    # --- what a bot may call

    def _wrong(self, request: web.Request) -> web.Response | None:
        return None if request.headers.get("authorization") == f"Bot {TOKEN}" else self.refusal(401, {})

    async def _me(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"id": BOT, "username": "灯笼铺"})

    async def _create(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        asked, files = await _message_and_files(request)
        if asked.get("nonce") in self.nonces and asked.get("enforce_nonce"):
            return web.json_response(self.nonces[asked["nonce"]])
        rows = [row["components"] for row in asked.get("components") or ()]
        buttons = [(button["label"], button["custom_id"]) for row in rows for button in row]
        text = str(asked.get("content") or "")
        if len(text) > MAX_TEXT or not (text or files) or any(len(row) > MAX_BUTTONS for row in rows):
            return self.refusal(400, {})
        if any(len(label) > MAX_LABEL or len(value) > MAX_VALUE for label, value in buttons):
            return self.refusal(400, {})
        room, id = request.match_info["room"], self.message_id()
        thread = room if not any(line.thread == f"public:{room}" for line in self.lines) else f"public:{room}"
        answered = str((asked.get("message_reference") or {}).get("message_id") or "")
        self.saw(thread, _rendered(text), id=id, reply_to=answered, buttons=buttons, files=files)
        message = {
            "id": id,
            "channel_id": room,
            "content": text,
            "author": {"id": BOT, "username": "Lumi", "bot": True},
        }
        self.nonces[str(asked.get("nonce"))] = message
        return web.json_response(message)

    async def _history(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        room, after = request.match_info["room"], int(request.query.get("after", "0"))
        limit = int(request.query.get("limit", "50"))
        said = {
            data["id"]: data
            for kind, data in self.events_sent
            if kind == "MESSAGE_CREATE" and data["channel_id"] == room and int(data["id"]) > after
        }
        page = sorted(said.values(), key=lambda one: int(one["id"]))[:limit]
        return web.json_response(page[::-1])

    async def _callback(self, request: web.Request) -> web.Response:
        self.pressed.append(request.match_info["id"])
        return web.Response(status=204)

    async def _file(self, request: web.Request) -> web.Response:
        return self.hand_over_file(request.match_info["id"])


async def _message_and_files(request: web.Request) -> tuple[dict[str, Any], list[File]]:
    if request.content_type == "application/json":
        return await request.json(), []
    form = await request.post()
    files = [
        File(name=part.filename, type=part.content_type, data=part.file.read())
        for part in form.values()
        if isinstance(part, web.FileField)
    ]
    return json.loads(str(form["payload_json"])), files


def _rendered(text: str) -> str:
    """As a reader sees it: what is escaped is no markup."""
    return re.sub(r"\\([\\*_~`|>#\[\]+.-])", r"\1", text)


PLATFORM = Discord
