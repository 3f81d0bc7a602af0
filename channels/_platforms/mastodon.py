"""A Mastodon instance with one account: https://docs.joinmastodon.org/methods/notifications/ and the posts beside it.

Notifications that are paged by ``min_id``, posts in HTML, threads, edits and deletions, posts under idempotency keys, media that
take their time.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from aiohttp import web

from channels._platforms.base import File, Person, Platform, Saying
from channels.base import Call

TOKEN, ME, BOT = "simulated-token-of-nobody", "109", "lumi"
MAX_TEXT = 500
_USER = re.compile(r"(?<![\w/])@([\w.-]*\w)(?:@[\w.:-]*\w)?")


class Mastodon(Platform):
    """One instance. Threads as the channel names them: ``<first post>/<who>``, after ``public:`` where others read along."""

    name: ClassVar[str] = "mastodon"

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.notifications: list[dict[str, Any]] = []
        self.statuses: dict[str, dict[str, Any]] = {}
        self.taken = 0
        """The highest notification from which the account has asked on."""
        self.keys: dict[str, dict[str, Any]] = {}
        self.policy: dict[str, str] = {}
        self.direct: list[str] = []
        """Posts of ours that are direct."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"instance": self.url, "token": TOKEN}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/accounts/verify_credentials", self._me),
            web.get("/api/v1/notifications", self._notifications),
            web.patch("/api/v2/notifications/policy", self._policy),
            web.get("/api/v1/statuses", self._several),
            web.get("/api/v1/statuses/{id}", self._status),
            web.get("/api/v1/statuses/{id}/context", self._context),
            web.post("/api/v1/statuses", self._create),
            web.post("/api/v2/media", self._upload),
            web.get("/api/v1/media/{id}", self._media),
            web.get("/media/{id}/{name}", self._file),
        ]

    def is_send(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path == "/api/v1/statuses"

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        return web.json_response({"error": f"error {status}"}, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        short = "".join(c for c in name.lower() if c.isascii() and c.isalnum())
        return f"{short or 'u' + super().person_id(name)}@remote.example"

    def thread_of(self, person: Person) -> str:
        return f"{self._first(person)}/{person.id}"

    def _first(self, person: Person) -> str:
        """The first direct post of somebody; the next one where there is none."""
        found = [s for s in self.statuses.values() if s["account"]["acct"] == person.id and not s["in_reply_to_id"]]
        return str(found[0]["id"]) if found else str(self._last)

    # --- what customers do

    def events(self, said: Saying) -> list[Any]:
        if said.delete_of:
            self.statuses.pop(said.delete_of, None)
            return []
        root = said.thread.removeprefix("public:").partition("/")[0]
        status = self._post(said, root)
        self.statuses[said.id] = status
        if said.edit_of:
            status["edited_at"] = said.at.isoformat()
            return []
        return [{"type": "mention", "created_at": said.at.isoformat(), "account": status["account"], "status": status}]

    def _post(self, said: Saying, root: str) -> dict[str, Any]:
        public = said.thread.startswith("public:")
        earlier = self.statuses.get(said.id) or {}
        words = html.escape(said.text or said.choice).replace("\n", "<br />")
        link = f'<span class="h-card"><a href="{self.url}/@{BOT}" class="u-url mention">@<span>{BOT}</span></a></span>'
        files = earlier.get("media_attachments") or [self._described(file) for file in said.files]
        return {
            "id": said.id,
            "uri": f"https://remote.example/posts/{said.id}",
            "created_at": earlier.get("created_at") or said.at.isoformat(),
            "edited_at": None,
            "in_reply_to_id": said.reply_to or (root if root != said.id else None),
            "visibility": "public" if public else "direct",
            "language": said.person.language[:2],
            "spoiler_text": "",
            "content": f"<p>{link} {words}</p>",
            "account": {"id": "7", "acct": said.person.id, "display_name": said.person.name, "bot": False},
            "mentions": [{"id": ME, "username": BOT, "acct": BOT}],
            "media_attachments": files,
        }

    def _described(self, file: File) -> dict[str, Any]:
        id = self.keep(file)
        kind = file.type.partition("/")[0]
        url = f"{self.url}/media/{id}/{quote(file.name)}"
        return {"id": id, "type": kind if kind in ("image", "audio", "video") else "unknown", "url": url}

    def strange(self, said: Saying) -> Any:
        return {"type": "quantum_leap", "created_at": said.at.isoformat(), "account": {"id": "7"}}

    def deliver(self, event: Any) -> None:
        """A notification gets its number and waits to be asked for."""
        for _ in range(2 if self.happens("twice") else 1):
            self.notifications.append({**event, "id": self.number()})

    def webhook(self, event: Any) -> Call:
        raise NotImplementedError("Mastodon does not call")

    # --- what an application may call

    def _wrong(self, request: web.Request) -> web.Response | None:
        return None if request.headers.get("authorization") == f"Bearer {TOKEN}" else self.refusal(401, {})

    async def _me(self, request: web.Request) -> web.Response:
        return self._wrong(request) or web.json_response({"id": ME, "acct": BOT})

    async def _policy(self, request: web.Request) -> web.Response:
        self.policy |= await request.json()
        return self._wrong(request) or web.json_response(self.policy)

    async def _notifications(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        limit, after = min(int(request.query.get("limit", "40")), 80), request.query.get("min_id")
        kinds = request.query.getall("types[]", [])
        self.taken = max(self.taken, int(after or 0))
        found = [one for one in self.notifications if int(one["id"]) > int(after or 0) and one["type"] in kinds]
        page = found[:limit] if after is not None else found[-limit:]
        return web.json_response(page[::-1])

    async def _several(self, request: web.Request) -> web.Response:
        ids = request.query.getall("id[]", [])
        return self._wrong(request) or web.json_response([self.statuses[id] for id in ids if id in self.statuses])

    async def _status(self, request: web.Request) -> web.Response:
        found = self.statuses.get(request.match_info["id"])
        return self._wrong(request) or (self.refusal(404, {}) if found is None else web.json_response(found))

    async def _context(self, request: web.Request) -> web.Response:
        status = self.statuses.get(request.match_info["id"])
        if (wrong := self._wrong(request)) is not None or status is None:
            return wrong or self.refusal(404, {})
        ancestors: list[dict[str, Any]] = []
        while (status := self.statuses.get(str(status["in_reply_to_id"]))) is not None:
            ancestors.insert(0, status)
        return web.json_response({"ancestors": ancestors, "descendants": []})

    async def _create(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        if (key := request.headers.get("idempotency-key", "")) in self.keys:
            return web.json_response(self.keys[key])
        asked = json.loads(await request.read())
        text, before = str(asked.get("status") or ""), asked.get("in_reply_to_id")
        files = [self.files[id] for id in asked.get("media_ids") or ()]
        if len(_USER.sub(r"@\1", text)) > MAX_TEXT or not (text or files):
            return self.refusal(422, {})
        if before is not None and before not in self.statuses:
            return self.refusal(404, {})
        id, root = self.message_id(), str(before or "")
        thread = self._seen_in(root) or f"{id}/{text.partition(' ')[0].lstrip('@')}"
        self.saw(thread, text.partition(" ")[2], id=id, reply_to=root, files=files)
        me = {"id": ME, "acct": BOT, "display_name": "Lumi", "bot": True}
        status = {
            "id": id,
            "in_reply_to_id": before,
            "visibility": asked.get("visibility"),
            "account": me,
            "mentions": [],
        }
        status |= {"content": f"<p>{html.escape(text)}</p>", "created_at": datetime.now(UTC).isoformat()}
        if asked.get("visibility") == "direct":
            self.direct.append(id)
        self.keys[key] = self.statuses[id] = status
        return web.json_response(status)

    def _seen_in(self, id: str) -> str:
        line = next((line for line in self.lines if line.id == id), None)
        return line.thread if line is not None else ""

    async def _upload(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        part = (await request.post())["file"]
        assert isinstance(part, web.FileField)
        if part.content_type.partition("/")[0] not in ("image", "audio", "video"):
            return self.refusal(422, {})
        id = self.keep(File(name=part.filename, type=part.content_type, data=part.file.read()))
        return web.json_response({"id": id, "url": None}, status=202)

    async def _media(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        return self._wrong(request) or web.json_response({"id": id, "url": f"{self.url}/media/{id}/file"})

    async def _file(self, request: web.Request) -> web.Response:
        return self.hand_over_file(request.match_info["id"])


PLATFORM = Mastodon
