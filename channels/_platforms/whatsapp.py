"""WhatsApp's Cloud API as a server: https://developers.facebook.com/documentation/business-messaging/whatsapp

One number. Customers whose name begins with ``@`` have a username and no phone number. Statuses follow what we say;
``reach`` and ``refuse`` decide whether they say ``delivered`` or ``failed``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms._graph import TOKEN, GraphPlatform, Refusal, stamp
from channels._platforms.base import File, Person, Saying

NUMBER, BUSINESS, SHOWN_NUMBER = "106540352242922", "102290129340398", "15550783881"
MAX_TEXT, MAX_BUTTON_TEXT, MAX_CALLBACK = 4096, 1024, 512
MAX_BUTTONS, MAX_BUTTON, MAX_ROWS, MAX_ROW = 3, 20, 10, 24
#: How long a media address lives.
MEDIA_LIVES = timedelta(minutes=5)
KINDS = {"image/jpeg": "image", "image/png": "image", "audio/ogg": "audio", "video/mp4": "video"}


class WhatsApp(GraphPlatform):
    """One number of one business account, with its templates."""

    name: ClassVar[str] = "whatsapp"
    object: ClassVar[str] = "whatsapp_business_account"
    acts: ClassVar[tuple[str, ...]] = ("a day later", "location", "contact", "reaction", "poll", "unreachable")

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.templates = {("we_answered", "zh_CN"), ("we_answered", "en")}
        self.statuses = True
        """Whether statuses follow what we say."""
        self.unreachable: dict[str, tuple[int, str]] = {}
        """Threads that cannot be reached: the error that a status tells afterwards."""
        self._uploads: dict[str, File] = {}
        self._addresses: dict[str, Any] = {}

    @property
    def settings(self) -> dict[str, Any]:
        templates = {kind: {"name": "we_answered"} for kind in ("answer", "human", "question")}
        ids = {"phone_number_id": NUMBER, "business_account_id": BUSINESS}
        return {**self.common, **ids, "token": TOKEN, "templates": templates}

    def person_id(self, name: str) -> str:
        digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:5], "big")
        return f"CN.{digest}" if name.startswith("@") else f"8613{digest % 10**9:09}"

    def thread_of(self, person: Person) -> str:
        return f"{NUMBER}/{person.id}"

    def message_id(self) -> str:
        return "wamid." + base64.b64encode(f"simulated{self.number()}".encode()).decode()

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        """A message to each file; all in one batch, as WhatsApp does under load."""
        if len(said.files) > 1:
            content = [self._file(file, "" if n else said.text) for n, file in enumerate(said.files)]
            return [[self._event(said, one, n) for n, one in enumerate(content)]]
        return [self._event(said, self._content(said))]

    def strange(self, said: Saying) -> Any:
        return {"field": "quantum_updates", "value": {"messaging_product": "whatsapp", "spin": ["up", said.id]}}

    def entry(self, event: Any) -> dict[str, Any]:
        return {"id": BUSINESS, "changes": [event]}

    def send(self, person: str, **content: Any) -> None:
        """Anything else a message may be: ``type="location", location={…}``."""
        who = self.person(person)
        said = Saying(id=self.message_id(), person=who, thread=self.thread_of(who), at=self.now())
        self.wrote[said.thread] = said.at
        self.deliver(self._event(said, content))

    def act(self, what: str, person: str) -> None:
        thread = self.thread_of(self.person(person))
        ours = next((said["id"] for said in reversed(self.sent) if said["thread"] == thread), "wamid.none")
        card = {"name": {"formatted_name": person}, "phones": [{"phone": "+8613800138000"}]}
        doing: dict[str, dict[str, Any]] = {
            "location": {"type": "location", "location": {"latitude": 31.2304, "longitude": 121.4737}},
            "contact": {"type": "contacts", "contacts": [card]},
            "reaction": {"type": "reaction", "reaction": {"message_id": ours, "emoji": "👍"}},
            "poll": {"type": "unsupported", "unsupported": {"type": "poll_creation"}, "errors": [{"code": 131051}]},
        }
        if what in doing:
            self.send(person, **doing[what])
        elif what == "unreachable":
            self.unreachable[thread] = (131026, "Message undeliverable")
        else:
            super().act(what, person)

    def _event(self, said: Saying, content: Mapping[str, Any], n: int = 0) -> dict[str, Any]:
        user = said.person.id
        hidden = "." in user
        contact: dict[str, Any] = {"profile": {"name": said.person.name.lstrip("@")}}
        contact |= {"user_id": user} if hidden else {"wa_id": user}
        message = {"id": said.id if n == 0 else self.message_id(), "timestamp": str(stamp(said)), **content}
        message |= {"from_user_id": user} if hidden else {"from": user}
        if said.edit_of or said.delete_of:
            message["id"] = self.message_id()
        if said.reply_to:
            message["context"] = {"id": said.reply_to, "from": SHOWN_NUMBER}
        return self._change({"contacts": [contact], "messages": [message]})

    def _change(self, value: Mapping[str, Any]) -> dict[str, Any]:
        about = {"display_phone_number": SHOWN_NUMBER, "phone_number_id": NUMBER}
        return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": about, **value}}

    def _content(self, said: Saying) -> dict[str, Any]:
        text = {"type": "text", "text": {"body": said.text}}
        if said.delete_of:
            return {"type": "revoke", "revoke": {"original_message_id": said.delete_of}}
        if said.edit_of:
            return {"type": "edit", "edit": {"original_message_id": said.edit_of, "message": text}}
        if said.choice:
            reply = {"type": "button_reply", "button_reply": {"id": said.choice, "title": said.text or said.choice}}
            return {"type": "interactive", "interactive": reply}
        return self._file(said.files[0], said.text) if said.files else text

    def _file(self, file: File, caption: str) -> dict[str, Any]:
        kind = KINDS.get(file.type, "document")
        media: dict[str, Any] = {"id": self.keep(file), "mime_type": file.type}
        media["sha256"] = base64.b64encode(hashlib.sha256(file.data).digest()).decode()
        if kind == "audio":
            media |= {"mime_type": f"{file.type}; codecs=opus", "voice": True}
        if kind == "document":
            media["filename"] = file.name
        return {"type": kind, kind: media | ({"caption": caption} if caption else {})}

    # --- being called

    def routes(self) -> list[web.RouteDef]:
        return [
            *self.common_routes(),
            web.post("/v25.0/{number}/messages", self.handler(self._send)),
            web.post("/v25.0/{number}/media", self.handler(self._upload)),
            web.get("/v25.0/{id}", self.handler(self._node)),
            web.get("/media/{id}", self._bytes),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path.endswith("/messages")

    async def _node(self, request: web.Request) -> dict[str, Any]:
        id = request.match_info["id"]
        if id == NUMBER:
            return {"display_phone_number": SHOWN_NUMBER, "verified_name": "Lantern Shop", "id": NUMBER}
        if id not in self.files:
            raise Refusal(100, "Unsupported get request", status=404)
        self._addresses[id] = self.now()
        file = self.files[id]
        return {"url": f"{self.url}/media/{id}", "mime_type": file.type, "file_size": len(file.data), "id": id}

    async def _bytes(self, request: web.Request) -> web.Response:
        """A file, for whoever shows the token and an address that still lives."""
        id = request.match_info["id"]
        asked = self._addresses.get(id)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}" or asked is None:
            return web.Response(status=401)
        return web.Response(status=404) if self.now() - asked > MEDIA_LIVES else self.hand_over_file(id)

    async def _upload(self, request: web.Request) -> dict[str, Any]:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        id = self.number()
        self._uploads[id] = File(name=file.filename, type=file.content_type, data=file.file.read())
        return {"id": id}

    async def _send(self, request: web.Request) -> dict[str, Any]:
        body = await request.json()
        user = body.get("recipient") or body.get("to") or ""
        if body.get("messaging_product") != "whatsapp" or ("recipient" in body) != ("." in user):
            raise Refusal(131009, "Parameter value is not valid")
        if len(body.get("biz_opaque_callback_data", "")) > MAX_CALLBACK:
            raise Refusal(100, "biz_opaque_callback_data is too long")
        thread, id = f"{request.match_info['number']}/{user}", self.message_id()
        if body["type"] != "template" and not self.within_window(thread):
            raise Refusal(131047, "Re-engagement message")
        text, buttons, files = self._shown(body)
        if thread not in self.unreachable:
            reply_to = body.get("context", {}).get("message_id", "")
            self.saw(thread, text, id=id, reply_to=reply_to, buttons=buttons, files=files)
        self._tell(thread, id, body.get("biz_opaque_callback_data", ""))
        contact = {"input": user, "user_id" if "." in user else "wa_id": user}
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": id}]}

    def _shown(self, body: Mapping[str, Any]) -> tuple[str, Sequence[tuple[str, str]], Sequence[File]]:
        """What the customer sees of a message. Raises :class:`Refusal` where a limit is broken."""
        content = body.get(body["type"], {})
        if body["type"] == "text":
            return _limited(content["body"], MAX_TEXT), (), ()
        if body["type"] == "interactive":
            return self._interactive(content)
        if body["type"] == "template":
            return self._template(content), (), ()
        if content.get("id") not in self._uploads:
            raise Refusal(131009, "unknown media id")
        return content.get("caption", ""), (), (self._uploads[content["id"]],)

    def _interactive(self, content: Mapping[str, Any]) -> tuple[str, Sequence[tuple[str, str]], Sequence[File]]:
        if content["type"] == "button":
            text = _limited(content["body"]["text"], MAX_BUTTON_TEXT)
            return text, _buttons([b["reply"] for b in content["action"]["buttons"]], MAX_BUTTONS, MAX_BUTTON), ()
        rows = [row for section in content["action"]["sections"] for row in section["rows"]]
        return _limited(content["body"]["text"], MAX_TEXT), _buttons(rows, MAX_ROWS, MAX_ROW), ()

    def _template(self, content: Mapping[str, Any]) -> str:
        if (content["name"], content["language"]["code"]) not in self.templates:
            raise Refusal(132001, "Template does not exist in the translation")
        texts = [p["text"] for part in content.get("components", ()) for p in part["parameters"]]
        if any("\n" in text or "\t" in text or "    " in text for text in texts):
            raise Refusal(132012, "Parameter format does not match")
        return " ".join(texts)

    def _tell(self, thread: str, id: str, key: str) -> None:
        """The statuses of a message; not in the order in which they happen."""
        if not (self.door and self.statuses):
            return
        for status in ("failed",) if thread in self.unreachable else ("delivered", "sent", "read"):
            self.deliver(self.status(thread, id, status, key))

    def status(self, thread: str, id: str, status: str, key: str = "") -> dict[str, Any]:
        """A status as an event."""
        user = thread.partition("/")[2]
        told: dict[str, Any] = {"id": id, "status": status, "timestamp": str(int(self.now().timestamp()))}
        told |= {"recipient_user_id": user} if "." in user else {"recipient_id": user}
        if key:
            told["biz_opaque_callback_data"] = key
        if status == "failed":
            code, title = self.unreachable.get(thread, (131026, "Message undeliverable"))
            told["errors"] = [{"code": code, "title": title, "message": title}]
        return self._change({"statuses": [told]})


def _limited(text: str, most: int) -> str:
    if not 0 < len(text) <= most:
        raise Refusal(100, f"Param text must be between 1 and {most} characters")
    return text


def _buttons(buttons: Sequence[Mapping[str, str]], most: int, label: int) -> list[tuple[str, str]]:
    if not 0 < len(buttons) <= most or any(not 0 < len(b["title"]) <= label for b in buttons):
        raise Refusal(131009, "buttons are too many or too long")
    return [(button["title"], button["id"]) for button in buttons]


PLATFORM = WhatsApp
