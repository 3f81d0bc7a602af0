"""Telegram's Bot API as a server: https://core.telegram.org/bots/api and the behaviour of tdlib/telegram-bot-api.

One bot, its chats, files and buttons; webhook with a secret header, or getUpdates whose offset confirms what came
before it. A business account's chats are threads that end in ``@<connection>``, a forum's topics in ``#<topic>``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms.base import File, Person, Platform, Saying
from channels.base import Call

TOKEN = "700001:AAsimulated-token-of-nobody-0123456789"  # noqa: S105 - it opens this fake only
BOT = {"id": 700001, "is_bot": True, "first_name": "Lumi", "username": "lantern_shop_bot"}
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CHOICE = 64
#: Calls that say something: the parameter that names the file, and whether it is a picture.
SENDS = {
    "sendMessage": "",
    "sendPhoto": "photo",
    "sendDocument": "document",
    "sendVoice": "voice",
    "sendAudio": "audio",
    "sendVideo": "video",
}
#: The smallest picture of WebP's.
STICKER = File(
    name="sticker.webp",
    type="image/webp",
    data=bytes.fromhex("52494646240000005745425056503820180000003001009d012a0100010002003425a400037000fefb940000"),
)
_THREAD = re.compile(r"(?P<chat>-?\d+)(#(?P<topic>\d+))?(@(?P<business>\w+))?")


class Telegram(Platform):
    """One bot. ``say`` takes threads as the channel names them: ``<chat>``, ``<chat>#<topic>``, ``<chat>@<business>``."""

    name: ClassVar[str] = "telegram"
    acts = ("block", "unblock", "location", "contact", "sticker")
    secret = "simulated-secret-of-nobody"  # noqa: S105

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.blocked: set[str] = set()
        """Chats that have blocked the bot."""
        self.moved: dict[str, str] = {}
        """Groups that became supergroups: old id, new id."""
        self.pressed: list[str] = []
        """Presses of buttons that the bot has answered."""
        self._updates = 5000

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "token": TOKEN,
            "api_url": self.url,
            "webhook_secret": self.secret,
            "updates": "webhook" if self.door else "polling",
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/bot{token}/{method}", self._call),
            web.get("/file/bot{token}/files/{id}", self._file),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path.rpartition("/")[2] in (*SENDS, "sendMediaGroup")

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        texts = {401: "Unauthorized", 403: "Forbidden: bot was blocked by the user", 429: "Too Many Requests"}
        body: dict[str, Any] = {"ok": False, "error_code": status, "description": texts.get(status, f"error {status}")}
        if status == 429 and "Retry-After" in headers:
            body["parameters"] = {"retry_after": int(headers["Retry-After"])}
        return web.json_response(body, status=status, headers=headers)

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        """One update each; an album is as many as it has pictures."""
        if said.choice:
            return [self._update("callback_query", self._press(said))]
        if said.delete_of:  # only business accounts tell
            place = self._place(said)
            gone = {"business_connection_id": place.get("business_connection_id", ""), "chat": place["chat"]}
            return [self._update("deleted_business_messages", {**gone, "message_ids": [int(said.id)]})]
        kind = ("edited_" if said.edit_of else "") + ("business_message" if "@" in said.thread else "message")
        if len(said.files) > 1:
            return [self._update(kind, part) for part in self._album(said)]
        files = self._media(said.files[0]) if said.files else {}
        words = {"caption" if files else "text": said.text} if said.text else {}
        return [self._update(kind, {**self._message(said), **words, **files})]

    def strange(self, said: Saying) -> Any:  # noqa: ARG002
        return self._update("quantum_poll", {"chat": {"id": 1}, "spin": ["up", "down"]})

    def act(self, what: str, person: str) -> None:
        who = self.person(person)
        contact = {"phone_number": "+8613800138000", "first_name": who.name, "user_id": int(who.id)}
        sticker = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        doing: dict[str, Callable[[], None]] = {
            "block": lambda: self.block(person),
            "unblock": lambda: self.block(person, back=True),
            "location": lambda: self.send(person, location={"latitude": 31.2304, "longitude": 121.4737}),
            "contact": lambda: self.send(person, contact=contact),
            "sticker": lambda: self.send(person, sticker={**sticker, **self._whole(STICKER)}),
        }
        doing[what]()

    def block(self, person: str, *, back: bool = False) -> None:
        """Somebody blocks the bot, or takes it ``back``."""
        who = self.person(person)
        (self.blocked.discard if back else self.blocked.add)(who.id)
        was, now = ("kicked", "member") if back else ("member", "kicked")
        body = {
            "chat": _chat(who, who.id),
            "from": _user(who),
            "date": int(self.now().timestamp()),
            "old_chat_member": {"user": BOT, "status": was, "until_date": 0},
            "new_chat_member": {"user": BOT, "status": now, "until_date": 0},
        }
        self.deliver(self._update("my_chat_member", body))

    def send(self, person: str, **content: Any) -> None:
        """Anything else a message may hold: ``location={…}``, ``contact={…}``, ``sticker={…}``."""
        who = self.person(person)
        said = Saying(id=self.message_id(), person=who, thread=who.id, at=self.now())
        self.deliver(self._update("message", {**self._message(said), **content}))

    def _update(self, kind: str, body: Any) -> dict[str, Any]:
        self._updates += 1
        return {"update_id": self._updates, kind: body}

    def _place(self, said: Saying) -> dict[str, Any]:
        parts = _THREAD.fullmatch(said.thread)
        assert parts is not None, f"{said.thread} is no thread of Telegram's"
        place: dict[str, Any] = {"chat": _chat(said.person, parts["chat"])}
        if parts["topic"]:
            place |= {"message_thread_id": int(parts["topic"]), "is_topic_message": True}
        if parts["business"]:
            place["business_connection_id"] = parts["business"]
        return place

    def _message(self, said: Saying) -> dict[str, Any]:
        message = {"message_id": int(said.id), "from": _user(said.person), "date": int(said.at.timestamp())}
        if said.edit_of:
            message["edit_date"] = int(said.at.timestamp())
        if said.reply_to:
            replied = {"message_id": int(said.reply_to), "date": 0, **self._place(said), "from": BOT}
            message["reply_to_message"] = replied
        return {**message, **self._place(said)}

    def _album(self, said: Saying) -> list[dict[str, Any]]:
        group = self.number()
        parts = []
        for n, file in enumerate(said.files):
            part = {**self._message(said), **self._media(file), "media_group_id": group}
            part["message_id"] = int(said.id) if n == 0 else int(self.message_id())
            parts.append({**part, "caption": said.text} if n == 0 and said.text else part)
        return parts

    def _whole(self, file: File) -> dict[str, Any]:
        id = self.keep(file)
        return {"file_id": id, "file_unique_id": f"u{id}", "file_size": len(file.data)}

    def _media(self, file: File) -> dict[str, Any]:
        whole = self._whole(file)
        id = whole["file_id"]
        named = {**whole, "file_name": file.name, "mime_type": file.type}
        if file.type == "image/jpeg":
            small = {**whole, "file_id": f"{id}-small", "file_unique_id": f"s{id}", "file_size": 900}
            return {"photo": [{**small, "width": 90, "height": 60}, {**whole, "width": 1280, "height": 853}]}
        if file.type == "audio/ogg":
            return {"voice": {**whole, "duration": 3, "mime_type": file.type}}
        if file.type.startswith("audio/"):
            return {"audio": {**named, "duration": 3}}
        if file.type.startswith("video/"):
            return {"video": {**named, "duration": 3, "width": 640, "height": 360}}
        return {"document": named}

    def _press(self, said: Saying) -> dict[str, Any]:
        asked = next((li for li in reversed(self.lines) if any(v == said.choice for _, v in li.buttons)), None)
        message: dict[str, Any] = {"message_id": int(asked.id) if asked else 1, "date": 1, "from": BOT}
        return {
            "id": f"9{said.id}",
            "from": _user(said.person),
            "chat_instance": "1",
            "data": said.choice,
            "message": {**message, **self._place(said), "text": asked.text if asked else ""},
        }

    # --- how it is delivered

    def webhook(self, event: Any) -> Call:
        headers = {"content-type": "application/json", SECRET_HEADER: self.secret}
        return Call(url=self.door, headers=headers, body=json.dumps(event).encode())

    def forged(self, call: Call) -> Call:
        headers = {**call.headers, SECRET_HEADER: "a-guess"}
        return Call(url=call.url, headers=headers, body=call.body)

    async def took(self, call: Call, status: int, body: bytes) -> None:  # noqa: ARG002
        """An answer that names a method is a call of the bot's."""
        if 200 <= status < 300 and body.startswith(b"{"):
            told = json.loads(body)
            if told.get("method") == "answerCallbackQuery":
                self.pressed.append(told["callback_query_id"])

    # --- what bots may call

    async def _call(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return self.refusal(401, {})
        fields, files = await _fields(request)
        method = request.match_info["method"]
        if method in SENDS:
            return self._said(method, fields, files)
        return await self._other(method, fields, files)

    async def _other(self, method: str, fields: Mapping[str, Any], files: Mapping[str, File]) -> web.Response:
        match method:
            case "getMe":
                return _done({**BOT, "can_join_groups": True, "can_read_all_group_messages": False})
            case "getUpdates":
                return await self._get_updates(fields)
            case "setWebhook" | "deleteWebhook":
                return self._set_webhook(fields)
            case "getWebhookInfo":
                info = {"url": self.door, "has_custom_certificate": False}
                return _done({**info, "pending_update_count": len(self.held)})
            case "answerCallbackQuery":
                self.pressed.append(str(fields.get("callback_query_id", "")))
                return _done(True)
            case "getFile":
                return self._get_file(fields)
            case "sendMediaGroup":
                return self._said_album(fields, files)
        return self.refusal(404, {})

    async def _get_updates(self, fields: Mapping[str, Any]) -> web.Response:
        """What is held and not confirmed; an offset confirms all before it."""
        if self.door:
            return self._no(409, "Conflict: can't use getUpdates method while webhook is active")
        after = int(fields.get("offset") or 0)
        self.held = [update for update in self.held if update["update_id"] >= after]
        if not self.held:
            self.arrived.clear()
            try:
                async with asyncio.timeout(float(fields.get("timeout") or 0) * self.pace):
                    await self.arrived.wait()
            except TimeoutError:
                return _done([])
        if self.happens("lost"):
            return web.Response(status=502, text="Bad Gateway")
        return _done(self.held[: int(fields.get("limit") or 100)])

    def _set_webhook(self, fields: Mapping[str, Any]) -> web.Response:
        """Without a URL it is deleted."""
        self.door = str(fields.get("url", ""))
        if self.door:
            self.secret = str(fields.get("secret_token", ""))
        held, self.held = (self.held, []) if self.door else ([], self.held)
        for event in held:
            self.deliver(event)
        return _done(True)

    def _get_file(self, fields: Mapping[str, Any]) -> web.Response:
        id = str(fields.get("file_id", "")).removesuffix("-small")
        if id not in self.files:
            return self._no(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        path = f"files/{id}"
        return _done({"file_id": id, "file_unique_id": f"u{id}", "file_path": path})

    async def _file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return web.Response(status=401)
        return self.hand_over_file(request.match_info["id"])

    def _said(self, method: str, fields: Mapping[str, Any], files: Mapping[str, File]) -> web.Response:
        named = SENDS[method]
        text = str(fields.get("caption" if named else "text") or "")
        if (wrong := self._refused(fields)) is not None:
            return wrong
        if not named and not text:
            return self._no(400, "Bad Request: message text is empty")
        if _length(text) > (MAX_CAPTION if named else MAX_TEXT):
            return self._no(400, "Bad Request: message is too long")
        rows = json.loads(fields.get("reply_markup") or "{}").get("inline_keyboard", [])
        buttons = [(button["text"], button["callback_data"]) for row in rows for button in row]
        if any(not 1 <= len(value.encode()) <= MAX_CHOICE for _, value in buttons):
            return self._no(400, "Bad Request: BUTTON_DATA_INVALID")
        sent = [_attached(files, str(fields.get(named)))] if named else []
        return _done(self._show(fields, text, buttons, sent))

    def _said_album(self, fields: Mapping[str, Any], files: Mapping[str, File]) -> web.Response:
        if (wrong := self._refused(fields)) is not None:
            return wrong
        media = json.loads(fields.get("media") or "[]")
        if not 2 <= len(media) <= 10:
            return self._no(400, "Bad Request: wrong number of media")
        found = [
            self._show(fields, str(one.get("caption") or ""), [], [_attached(files, str(one["media"]))])
            for one in media
        ]
        return _done(found)

    def _refused(self, fields: Mapping[str, Any]) -> web.Response | None:
        chat = str(fields.get("chat_id", ""))
        if not re.fullmatch(r"-?\d+", chat):
            return self._no(400, "Bad Request: chat not found")
        if chat in self.blocked:
            return self._no(403, "Forbidden: bot was blocked by the user")
        if chat in self.moved:
            told = {"migrate_to_chat_id": int(self.moved[chat])}
            return self._no(400, "Bad Request: group chat was upgraded to a supergroup chat", told)
        return None

    def _no(self, status: int, why: str, parameters: Mapping[str, Any] | None = None) -> web.Response:
        body: dict[str, Any] = {"ok": False, "error_code": status, "description": why}
        if parameters:
            body["parameters"] = parameters
        return web.json_response(body, status=status)

    def _show(self, fields: Mapping[str, Any], text: str, buttons: Any, files: list[File]) -> dict[str, Any]:
        chat = str(fields["chat_id"])
        business = f"@{fields['business_connection_id']}" if fields.get("business_connection_id") else ""
        topic = f"#{fields['message_thread_id']}" if fields.get("message_thread_id") else ""
        replied = json.loads(fields.get("reply_parameters") or "{}").get("message_id")
        id = self.message_id()
        self.saw(
            f"{chat}{topic}{business}",
            text,
            id=id,
            reply_to=f"{chat}{business}:{replied}" if replied else "",
            buttons=buttons,
            files=files,
        )
        message = {"message_id": int(id), "date": int(self.now().timestamp()), "from": BOT, "text": text}
        return {**message, "chat": {"id": int(chat), "type": "private" if int(chat) > 0 else "supergroup"}}


def _user(person: Person) -> dict[str, Any]:
    return {"id": int(person.id), "is_bot": False, "first_name": person.name, "language_code": person.language}


def _chat(person: Person, id: str) -> dict[str, Any]:
    if id.startswith("-"):
        return {"id": int(id), "type": "supergroup", "title": "Lantern friends"}
    return {"id": int(id), "type": "private", "first_name": person.name}


def _done(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _length(text: str) -> int:
    """Telegram counts UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


async def _fields(request: web.Request) -> tuple[dict[str, Any], dict[str, File]]:
    """The parameters of a call (query, form, multipart or JSON) and its files by the name of their part."""
    fields: dict[str, Any] = dict(request.query)
    files: dict[str, File] = {}
    if request.content_type == "application/json":
        return fields | await request.json(), files
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = File(name=value.filename, type=value.content_type, data=value.file.read())
        else:
            fields[name] = value
    return fields, files


def _attached(files: Mapping[str, File], named: str) -> File:
    """The file of a call: a part of its own, or one that ``attach://<part>`` points at."""
    name = named.removeprefix("attach://")
    found = files.get(name) or next(iter(files.values()), None)
    return found or File(name=name, type="", data=b"")


PLATFORM = Telegram
