"""Matrix's client-server API as a server: https://spec.matrix.org/v1.16/client-server-api/

One account: rooms with invitations, a stream of events with long polls, timelines that are cut short and paged, transactions,
media behind the token. The channel's tests run against a real Synapse as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from aiohttp import web

from channels._platforms.base import File, Person, Platform, Saying
from channels.base import Call

TOKEN, BOT = "syt_simulated_of-nobody", "@lumi:localhost"
MAX_EVENT = 65_536
_FILES = {"image": "m.image", "audio": "m.audio", "video": "m.video"}


class Room(msgspec.Struct, kw_only=True):
    """A room: its members, and from which place in the stream on the account is invited and joined."""

    members: dict[str, str]
    invited: int = 0
    joined: int = 0


class Matrix(Platform):
    """One homeserver. Threads as the channel names them: ``!…``, ``!…/$root``, ``public:!…/$…``."""

    name: ClassVar[str] = "matrix"
    acts: ClassVar[tuple[str, ...]] = ("encrypted",)
    act_words: ClassVar[Mapping[str, tuple[str, str, str]]] = {
        "encrypted": ("Write an encrypted message", "发送加密消息", "傳送加密訊息"),
    }

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.stream: list[tuple[str, dict[str, Any]]] = []
        """All events in order; the place of each is its index plus one."""
        self.taken = 0
        """The highest place from which the account has asked on: it has what came before."""
        self.rooms: dict[str, Room] = {}
        self.transactions: dict[str, str] = {}
        self.read: list[str] = []
        """Events that are marked as read."""
        self.polls = 0
        self._news = asyncio.Event()

    @property
    def settings(self) -> dict[str, Any]:
        return {"homeserver": self.url, "token": TOKEN, "rooms": True}

    def routes(self) -> list[web.RouteDef]:
        client = "/_matrix/client/v3"
        return [
            web.get(f"{client}/account/whoami", self._who),
            web.get(f"{client}/sync", self._sync),
            web.post(f"{client}/join/{{room}}", self._join),
            web.post(f"{client}/rooms/{{room}}/leave", self._leave),
            web.get(f"{client}/rooms/{{room}}/joined_members", self._members),
            web.get(f"{client}/rooms/{{room}}/messages", self._messages),
            web.put(f"{client}/rooms/{{room}}/send/{{kind}}/{{transaction}}", self._send),
            web.post(f"{client}/rooms/{{room}}/receipt/m.read/{{event}}", self._receipt),
            web.post("/_matrix/media/v3/upload", self._upload),
            web.get("/_matrix/client/v1/media/download/{server}/{id}", self._download),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.method == "PUT"

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        codes = {401: "M_UNKNOWN_TOKEN", 403: "M_FORBIDDEN", 404: "M_NOT_FOUND", 429: "M_LIMIT_EXCEEDED"}
        body: dict[str, Any] = {"errcode": codes.get(status, "M_UNKNOWN"), "error": f"error {status}"}
        if status == 429:
            body["retry_after_ms"] = int(headers.get("Retry-After", "1")) * 1000
        return web.json_response(body, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        short = "".join(c for c in name.lower() if c.isascii() and c.isalnum())
        return f"@{short or 'u' + hashlib.sha256(name.encode()).hexdigest()[:8]}:localhost"

    def thread_of(self, person: Person) -> str:
        return f"!{hashlib.sha256(person.id.encode()).hexdigest()[:18]}:localhost"

    def message_id(self) -> str:
        return f"${self.number()}:localhost"

    def open(self, room: str, *people: Person) -> Room:
        """The room of that id; a new one is made and the account invited."""
        if room not in self.rooms:
            self.rooms[room] = Room(members={}, invited=len(self.stream) + 1)
            invite = {"type": "m.room.member", "state_key": BOT, "content": {"membership": "invite"}}
            self.add(room, {**invite, "event_id": self.message_id(), "sender": BOT})
        for person in people:
            self.rooms[room].members[person.id] = person.name
        return self.rooms[room]

    def add(self, room: str, event: dict[str, Any]) -> None:
        """An event comes into a room."""
        self.stream.append((room, event))
        self._news.set()

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        thread = said.thread.removeprefix("public:")
        room, _, root = thread.partition("/")
        others = [self.person("Ann"), self.person("Ben")] if said.thread.startswith("public:") else []
        self.open(room, said.person, *others)
        base = {
            "event_id": said.id,
            "sender": said.person.id,
            "origin_server_ts": int(said.at.timestamp() * 1000),
            "type": "m.room.message",
        }
        if said.delete_of or said.edit_of:
            base["event_id"] = self.message_id()
        if said.delete_of:
            return [(room, {**base, "type": "m.room.redaction", "redacts": said.delete_of, "content": {}})]
        contents = [self._described(file) for file in said.files]
        if said.text or said.choice:  # there are no buttons here: a customer types
            contents.insert(0, {"msgtype": "m.text", "body": said.text or said.choice})
        relation: dict[str, Any] = {"rel_type": "m.thread", "event_id": root} if root and root != said.id else {}
        if said.reply_to:
            relation["m.in_reply_to"] = {"event_id": said.reply_to}
        if said.edit_of:
            new = contents[0]
            relation = {"rel_type": "m.replace", "event_id": said.edit_of}
            contents = [{**new, "body": f"* {new['body']}", "m.new_content": new}]
        related = {"m.relates_to": relation} if relation else {}
        ids = [base["event_id"], *(self.message_id() for _ in contents[1:])]
        return [(room, {**base, "event_id": id, "content": {**one, **related}}) for id, one in zip(ids, contents)]

    def _described(self, file: File) -> dict[str, Any]:
        kind = _FILES.get(file.type.partition("/")[0], "m.file")
        info = {"mimetype": file.type, "size": len(file.data)}
        return {"msgtype": kind, "body": file.name, "url": f"mxc://localhost/{self.keep(file)}", "info": info}

    def strange(self, said: Saying) -> Any:
        room = said.thread.removeprefix("public:").partition("/")[0]
        quantum = {"type": "org.example.quantum_leap", "content": {"far": True}, "sender": said.person.id}
        return (room, {**quantum, "event_id": self.message_id(), "origin_server_ts": 0})

    def act(self, what: str, person: str) -> None:
        if what not in self.acts:
            raise KeyError(what)
        who = self.person(person)
        room = self.thread_of(who)
        self.open(room, who)
        sealed = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "s"}
        stamp = int(self.now().timestamp() * 1000)
        event = {"type": "m.room.encrypted", "content": sealed, "sender": who.id, "origin_server_ts": stamp}
        self.deliver((room, {**event, "event_id": self.message_id()}))

    def deliver(self, event: Any) -> None:
        """An event gets its place in the stream; whoever waits for news has it."""
        self.add(*event)
        if self.happens("twice"):
            self.add(*event)

    def webhook(self, event: Any) -> Call:
        raise NotImplementedError("a homeserver does not call")

    # --- what an account may call

    def _wrong(self, request: web.Request) -> web.Response | None:
        return None if request.headers.get("authorization") == f"Bearer {TOKEN}" else self.refusal(401, {})

    async def _who(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"user_id": BOT})

    async def _sync(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        since = request.query.get("since", "s0")
        if not since[1:].isdecimal():
            return self.refusal(400, {})
        after = int(since[1:])
        self.taken, self.polls = max(self.taken, after), self.polls + 1
        seconds = int(request.query.get("timeout", "0")) / 1000
        try:
            async with asyncio.timeout(seconds):
                while after >= len(self.stream) and seconds:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        limit = int(json.loads(request.query["filter"])["room"]["timeline"]["limit"])
        invited: dict[str, Any] = {
            id: {} for id, room in self.rooms.items() if room.invited > after and not room.joined
        }
        joined = {
            id: {"timeline": found}
            for id, room in self.rooms.items()
            if room.joined and (found := self._timeline(id, 0 if room.joined > after else after, limit))
        }
        body = {"next_batch": f"s{len(self.stream)}", "rooms": {"invite": invited, "join": joined}}
        return web.json_response(body)

    def _timeline(self, room: str, after: int, limit: int) -> dict[str, Any]:
        found = [n for n, (where, _) in enumerate(self.stream, start=1) if where == room and n > after]
        last = found[-limit:]
        if not found:
            return {}
        events = [self.stream[n - 1][1] for n in last]
        return {"events": events, "limited": len(last) < len(found), "prev_batch": f"t{last[0]}"}

    async def _messages(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        before, after = int(request.query["from"][1:]), int(request.query.get("to", "s0")[1:])
        room, limit = request.match_info["room"], int(request.query.get("limit", "10"))
        found = [n for n, (where, _) in enumerate(self.stream, start=1) if where == room and after < n < before][::-1]
        page = found[:limit]
        body: dict[str, Any] = {"chunk": [self.stream[n - 1][1] for n in page], "start": request.query["from"]}
        return web.json_response(body | ({"end": f"t{page[-1]}"} if len(found) > limit else {}))

    async def _join(self, request: web.Request) -> web.Response:
        room = self.rooms.get(request.match_info["room"])
        if (wrong := self._wrong(request)) is not None or room is None:
            return wrong or self.refusal(404, {})
        if not room.joined:
            room.joined = len(self.stream) + 1
            room.members[BOT] = "Lumi"
            joined = {"type": "m.room.member", "state_key": BOT, "content": {"membership": "join"}, "sender": BOT}
            self.add(request.match_info["room"], {**joined, "event_id": self.message_id()})
        return web.json_response({"room_id": request.match_info["room"]})

    async def _leave(self, request: web.Request) -> web.Response:
        self.rooms.pop(request.match_info["room"], None)
        return self._wrong(request) or web.json_response({})

    async def _members(self, request: web.Request) -> web.Response:
        room = self.rooms.get(request.match_info["room"])
        if (wrong := self._wrong(request)) is not None or room is None:
            return wrong or self.refusal(403, {})
        return web.json_response({"joined": {id: {"display_name": name} for id, name in room.members.items()}})

    async def _send(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        body, room = await request.read(), request.match_info["room"]
        transaction = f"{room}/{request.match_info['transaction']}"
        if transaction in self.transactions:
            return web.json_response({"event_id": self.transactions[transaction]})
        content = json.loads(body)
        if len(body) > MAX_EVENT or not isinstance(content.get("body"), str):
            return self.refusal(413 if len(body) > MAX_EVENT else 400, {})
        id = self.transactions[transaction] = self.message_id()
        relation = content.get("m.relates_to") or {}
        answered = str((relation.get("m.in_reply_to") or {}).get("event_id") or "")
        media = self.files.get(str(content.get("url", "")).rpartition("/")[2])
        text = "" if media else content["body"]
        self.saw(self._seen_in(room, relation), text, id=id, reply_to=answered, files=[media] if media else [])
        stamp = int(self.now().timestamp() * 1000)
        event = {"type": "m.room.message", "event_id": id, "sender": BOT, "origin_server_ts": stamp, "content": content}
        self.add(room, {**event, "unsigned": {"transaction_id": request.match_info["transaction"]}})
        return web.json_response({"event_id": id})

    def _seen_in(self, room: str, relation: Mapping[str, Any]) -> str:
        place = self.rooms.get(room)
        root = str(relation.get("event_id") or "")
        thread = f"{room}/{root}" if root else room
        return f"public:{thread}" if place is not None and len(place.members) > 2 else thread

    async def _receipt(self, request: web.Request) -> web.Response:
        self.read.append(request.match_info["event"])
        return self._wrong(request) or web.json_response({})

    async def _upload(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        file = File(name=request.query.get("filename", ""), type=request.content_type, data=await request.read())
        return web.json_response({"content_uri": f"mxc://localhost/{self.keep(file)}"})

    async def _download(self, request: web.Request) -> web.Response:
        return self._wrong(request) or self.hand_over_file(request.match_info["id"])


PLATFORM = Matrix
