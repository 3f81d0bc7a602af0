"""The Send API and the events that Messenger and Instagram share, as a server.

https://developers.facebook.com/docs/messenger-platform/reference/webhook-events
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from aiohttp import web

from channels._platforms._graph import WINDOW, GraphPlatform, Refusal
from channels._platforms.base import File, Line, Person, Saying

MAX_REPLIES, MAX_REPLY, MAX_METADATA = 13, 20, 1000
HUMAN_WINDOW = timedelta(days=7)
KINDS = {"image": "image", "audio": "audio", "video": "video"}


class MessagingPlatform(GraphPlatform):
    """One page or account; ``comment`` writes below one of its posts, ``echo`` is said by people in its own inbox."""

    owner: ClassVar[str]
    subcode: ClassVar[int]
    """What says that the window is over."""
    speakers: ClassVar[Sequence[str]]
    """Under which names it sends."""
    comment_path: ClassVar[str]
    acts: ClassVar[tuple[str, ...]] = ("a day later", "comment", "menu button", "reaction")

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.human_agent = True
        """Whether Meta has granted the feature."""
        self.public: list[dict[str, str]] = []
        """What everybody can read of ours: ``text``, ``below``."""
        self._uploads: dict[str, File] = {}

    def thread_of(self, person: Person) -> str:
        return f"{self.owner}/{person.id}"

    @abstractmethod
    def size(self, text: str) -> bool:
        """Whether a text is not too long."""

    @abstractmethod
    def comment_change(self, person: Person, id: str, text: str, parent: str) -> dict[str, Any]:
        """A comment as the platform tells it."""

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        base = {"sender": {"id": said.person.id}, "recipient": {"id": self.owner}, "timestamp": self.ms()}
        return [{**base, **self._content(said)}]

    def _content(self, said: Saying) -> dict[str, Any]:
        if said.edit_of:
            return {"message_edit": {"mid": said.edit_of, "text": said.text, "num_edit": 1}}
        if said.delete_of:
            return {"message": {"mid": said.delete_of, "is_deleted": True}}
        message: dict[str, Any] = {"mid": said.id}
        if said.text:
            message["text"] = said.text
        if said.choice:
            message |= {"text": said.text or said.choice, "quick_reply": {"payload": said.choice}}
        if said.reply_to:
            message["reply_to"] = {"mid": said.reply_to}
        if said.files:
            message["attachments"] = [self._file(file) for file in said.files]
        return {"message": message}

    def _file(self, file: File) -> dict[str, Any]:
        kind = KINDS.get(file.type.partition("/")[0], "file")
        link = f"{self.url}/cdn/{self.keep(file)}/{file.name}?_nc_ohc={self.number()}"
        return {"type": kind, "payload": {"url": link}}

    def strange(self, said: Saying) -> Any:
        return {"sender": {"id": said.person.id}, "recipient": {"id": self.owner}, "quantum": {"spin": ["up", "down"]}}

    def comment(self, person: str, text: str, *, parent: str = "") -> str:
        """Somebody writes below a post, or below the comment ``parent``; the comment's id."""
        who, id = self.person(person), f"{self.owner}_{self.number()}"
        thread = f"public:{self.owner}/{parent or id}/{who.id}"
        self.lines.append(Line(id=id, thread=thread, at=self.now(), person=person, text=text))
        self.deliver({"change": self.comment_change(who, id, text, parent)})
        return id

    def press(self, person: str, title: str, payload: str) -> None:
        """A button of the menu."""
        who = self.person(person)
        base = {"sender": {"id": who.id}, "recipient": {"id": self.owner}, "timestamp": self.ms()}
        self.deliver({**base, "postback": {"mid": self.message_id(), "title": title, "payload": payload}})

    def act(self, what: str, person: str) -> None:
        who = self.person(person)
        if what == "comment":
            self.comment(
                person, "灯笼三天就破了，没人管！" if who.language.startswith("zh") else "It broke in a day. Awful."
            )
        elif what == "menu button":
            self.press(person, "人工客服" if who.language.startswith("zh") else "Talk to a person", "human")
        elif what == "reaction":
            mid = self.sent[-1]["id"] if self.sent else "none"
            base = {"sender": {"id": who.id}, "recipient": {"id": self.owner}, "timestamp": self.ms()}
            self.deliver({**base, "reaction": {"mid": mid, "action": "react", "emoji": "😠"}})
        else:
            super().act(what, person)

    def echo(self, thread: str, id: str, text: str, **more: Any) -> dict[str, Any]:
        """What was said in the owner's name, as an event."""
        base = {"sender": {"id": self.owner}, "recipient": {"id": thread.partition("/")[2]}, "timestamp": self.ms()}
        return {**base, "message": {"mid": id, "text": text, "is_echo": True, **more}}

    def entry(self, event: Any) -> dict[str, Any]:
        entry = {"id": self.owner, "time": self.ms()}
        return entry | ({"changes": [event["change"]]} if "change" in event else {"messaging": [event]})

    # --- being called

    def routes(self) -> list[web.RouteDef]:
        return [
            *self.common_routes(),
            *[web.post(f"/v25.0/{name}/messages", self.handler(self._send)) for name in self.speakers],
            *[web.post(f"/v25.0/{name}/message_attachments", self.handler(self._upload)) for name in self.speakers],
            web.post("/v25.0/{id}/" + self.comment_path, self.handler(self._answer_comment)),
            web.get("/v25.0/me", self.handler(self._me)),
            web.get("/cdn/{id}/{name}", self._bytes),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.path.endswith(("/messages", f"/{self.comment_path}"))

    async def _me(self, request: web.Request) -> dict[str, Any]:  # noqa: ARG002
        return {"id": self.owner}

    async def _bytes(self, request: web.Request) -> web.Response:
        return self.hand_over_file(request.match_info["id"])

    async def _upload(self, request: web.Request) -> dict[str, Any]:
        form = await request.post()
        file, message = form["filedata"], json.loads(str(form["message"]))
        assert isinstance(file, web.FileField)
        if not file.filename.isascii() or message["attachment"]["type"] not in (*KINDS, "file"):
            raise Refusal(100, "Attachment upload failure", subcode=2018047)
        id = self.number()
        self._uploads[id] = File(name=file.filename, type=file.content_type, data=file.file.read())
        return {"attachment_id": id}

    async def _answer_comment(self, request: web.Request) -> dict[str, Any]:
        body, below = await request.json(), request.match_info["id"]
        self.public.append({"text": body["message"], "below": below})
        thread = next((line.thread for line in self.lines if line.id == below), below)
        id = f"{self.owner}_{self.number()}"
        self.saw(thread, body["message"], id=id, reply_to=below)
        return {"id": id}

    async def _send(self, request: web.Request) -> dict[str, Any]:
        body = await request.json()
        person, message = body["recipient"]["id"], body["message"]
        thread, id = f"{self.owner}/{person}", self.message_id()
        self._check_window(thread, body)
        self._check(message)
        replies = [(reply["title"], reply["payload"]) for reply in message.get("quick_replies", ())]
        self.saw(
            thread,
            message.get("text", ""),
            id=id,
            reply_to=body.get("reply_to", {}).get("mid", ""),
            buttons=replies,
            files=self._sent_files(message),
        )
        if self.door:
            more = {"metadata": message["metadata"]} if "metadata" in message else {}
            self.deliver(self.echo(thread, id, message.get("text", ""), app_id=1, **more))
        return {"recipient_id": person, "message_id": id}

    def _sent_files(self, message: Mapping[str, Any]) -> Sequence[File]:
        if "attachment" not in message:
            return ()
        id = message["attachment"]["payload"].get("attachment_id")
        if id not in self._uploads:
            raise Refusal(100, "unknown attachment")
        return (self._uploads[id],)

    def _check_window(self, thread: str, body: Mapping[str, Any]) -> None:
        kind, tag = body.get("messaging_type"), body.get("tag")
        if kind not in ("RESPONSE", "UPDATE", "MESSAGE_TAG") or (kind == "MESSAGE_TAG") != (tag == "HUMAN_AGENT"):
            raise Refusal(100, "Invalid messaging_type")
        since = self.now() - self.wrote.get(thread, self.now() - 2 * HUMAN_WINDOW)
        if since > (HUMAN_WINDOW if tag and self.human_agent else WINDOW):
            raise Refusal(10, "This message is sent outside of allowed window.", subcode=self.subcode, status=403)

    def _check(self, message: Mapping[str, Any]) -> None:
        replies = message.get("quick_replies", ())
        if len(replies) > MAX_REPLIES or any(len(reply["title"]) > MAX_REPLY for reply in replies):
            raise Refusal(100, "quick replies are too many or too long")
        if "text" in message and not (message["text"] and self.size(message["text"])):
            raise Refusal(100, "Length of param message[text] is wrong")
        if len(message.get("metadata", "")) > MAX_METADATA:
            raise Refusal(100, "metadata is too long")
