"""Mastodon: posts that mention an account, and direct posts to it.

Its notifications are asked for every few seconds; the id of the last one is the cursor and is committed with its message. The
streaming API says the same sooner but repeats nothing, so that it would have to be asked all the same. Whoever is answered
is answered by a direct post. Rules: https://docs.joinmastodon.org/methods/notifications/
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from channels._mastodon_posts import Reader, moment
from channels._multipart import Part, form
from channels.base import (
    PUBLIC,
    Answer,
    Attachment,
    Call,
    ChannelError,
    Delivery,
    Finding,
    Inbound,
    Limits,
    Memo,
    Memory,
    Outbound,
    Promise,
    Rate,
    Receipt,
    Refused,
    Retry,
    Secret,
    Tools,
    Unknown,
    settle,
)

#: Seconds between two questions (300 in five minutes are allowed), and questions between two looks for edits.
POLL, LOOK = 10.0, 6
PAGE = 40
#: Posts that are looked at again for edits and deletions: the last ones.
WATCHED = 40
#: What was said before the first connect is history: somebody has dealt with it.
SKEW = timedelta(minutes=10)
#: Seconds and tries until an uploaded file is ready to be posted.
BREATH, TRIES = 1.0, 20
MAX_TEXT, ROOM_FOR_NAME = 500, 70
#: What would mention somebody, who could then read along.
_MENTION = re.compile(r"(?<![\w/])@(?=\w)")
#: Kinds of strangers whose mentions Mastodon would put aside.
STRANGERS = ("not_following", "not_followers", "new_accounts", "private_mentions", "limited_accounts")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.mastodon.<account>]``."""

    instance: Annotated[str, Meta(description="The instance's address (`https://mastodon.example`).")]
    token: Annotated[Secret, Meta(description="The application's access token.")]

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if not self.token:
            raise ValueError("`token` must not be empty")
        if not self.instance.startswith(("https://", "http://")):
            raise ValueError("`instance` begins with https://")


class Watched(msgspec.Struct, frozen=True):
    """A customer's post that may still change."""

    id: str
    root: str
    edited: str = ""


class Mastodon:
    """One account. Its threads are ``<first post>/<who>``, after ``public:`` where others read along."""

    name: ClassVar[str] = "mastodon"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=MAX_TEXT - ROOM_FOR_NAME,
        file=16 * 1024 * 1024,
        files=4,
        caption=MAX_TEXT - ROOM_FOR_NAME,
        per_account=Rate(250, 300.0),
    )
    exempt: ClassVar[Mapping[Promise, str]] = {
        "signature": "Mastodon does not call us: we ask, with the account's token and over TLS",
        "raw_body": "Mastodon does not call us, so there is no request whose bytes could be signed",
        "handshake": "Mastodon does not call us, so there is no set-up request to answer",
        "unknown_event": "we ask for mentions alone; other kinds are tested in tests/channels/mastodon",
        "edits": "posts are looked at again for edits and deletions, tests/channels/mastodon shows what becomes of them",
        "no_echo": "our own posts are no notifications to us, so nothing of ours comes back",
    }
    idempotent: ClassVar[bool] = True

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings

    def __repr__(self) -> str:
        return f"Mastodon({self.account!r})"

    def use_memory(self, memory: Memory) -> None:
        self._memory = memory

    # --- what comes in

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """Mentions for ever, each page with the cursor after it. Raises :class:`Retry`, :class:`Unauthorized`."""
        me = await self._ask("GET", "/api/v1/accounts/verify_credentials", tools)
        reader = Reader(self.name, self.account, str(me.get("id")))
        started = tools.now() if cursor is None else None
        looks = 0
        while True:
            while page := await self._page(cursor, tools):
                newest = str(page[-1].get("id"))
                yield await self._delivery(page, newest, reader, started, tools)
                if newest == cursor:
                    break
                cursor, started = newest, None
            if cursor is None:
                cursor = "0"
                yield Delivery(cursor=cursor)
            if looks % LOOK == 0:
                async for delivery in self._changed(reader, tools):
                    yield delivery
            looks, started = looks + 1, None
            yield Delivery()
            await asyncio.sleep(POLL)

    async def _page(self, cursor: str | None, tools: Tools) -> list[dict[str, Any]]:
        """The notifications right after the cursor, oldest first; the newest ones where there is none."""
        query = [("types[]", "mention"), ("limit", str(PAGE)), ("include_filtered", "true")]
        query += [] if cursor is None else [("min_id", cursor)]
        found = await self._read(f"/api/v1/notifications?{urlencode(query)}", tools)
        page = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return sorted(page, key=lambda one: _number(str(one.get("id"))))

    async def _delivery(
        self, page: Sequence[dict[str, Any]], cursor: str, reader: Reader, started: datetime | None, tools: Tools
    ) -> Delivery:
        messages: list[Inbound] = []
        memos: list[Memo] = []
        watched: list[Watched] = []
        for notification in page:
            root = await self._root(notification.get("status"), tools)
            message = reader.mention(notification, root, tools.now())
            if message is None:
                continue
            if started is not None and message.at < started - SKEW:
                message = msgspec.structs.replace(message, silent="history")
            messages.append(message)
            if message.thread.removeprefix(PUBLIC).startswith(f"{root}/"):
                memos += self._memos(message, root)
                edited = str(notification["status"].get("edited_at") or "")
                watched.append(Watched(message.external_id, root, edited))
        if watched:
            memos.append(await self._watching(watched))
        return Delivery(messages=tuple(messages), cursor=cursor, memos=tuple(memos))

    def _memos(self, message: Inbound, root: str) -> list[Memo]:
        about = f"{self.account}/{message.thread}"
        return [
            Memo(key=self._key("root", message.external_id), value=root, about=about),
            Memo(key=self._key("thread", message.external_id), value=message.thread, about=about),
            Memo(key=self._key("last", message.thread), value=message.external_id, about=about),
        ]

    def _key(self, kind: str, id: str) -> str:
        return f"{self.account}/{kind}/{id}"

    async def _root(self, status: Any, tools: Tools) -> str:
        """The post that a thread began with; itself where it answers nothing. Raises :class:`Retry`."""
        if not isinstance(status, dict):
            return ""
        id, before = str(status.get("id")), status.get("in_reply_to_id")
        if not isinstance(before, str):
            return id
        key = self._key("root", before)
        if root := (await self._memory.recall([key])).get(key):
            return root
        try:
            context = await self._read(f"/api/v1/statuses/{quote(id, '')}/context", tools)
        except Refused:
            return before  # it is gone by now
        ancestors = context.get("ancestors") if isinstance(context, dict) else None
        return str(ancestors[0].get("id")) if isinstance(ancestors, list) and ancestors else before

    # --- edits and deletions

    async def _watching(self, more: Sequence[Watched], gone: frozenset[str] = frozenset()) -> Memo:
        new = {one.id: one for one in more}
        kept = [one for one in await self._watched() if one.id not in new and one.id not in gone]
        value = msgspec.json.encode([*new.values(), *kept][:WATCHED]).decode()
        return Memo(key=self._key("watched", ""), value=value)

    async def _watched(self) -> list[Watched]:
        key = self._key("watched", "")
        value = (await self._memory.recall([key])).get(key, "[]")
        return msgspec.json.decode(value, type=list[Watched])

    async def _changed(self, reader: Reader, tools: Tools) -> AsyncIterator[Delivery]:
        """Those of the last posts that were edited or deleted."""
        watched = await self._watched()
        if not watched:
            return
        asked = urlencode([("id[]", one.id) for one in watched])
        try:
            found = await self._read(f"/api/v1/statuses?{asked}", tools)
        except Refused:
            return  # an instance before 4.3 has no such question
        now = {str(one.get("id")): one for one in found if isinstance(one, dict)} if isinstance(found, list) else {}
        keys = {one.id: self._key("thread", one.id) for one in watched}
        threads = await self._memory.recall(keys.values())
        for one in watched:
            status, thread = now.get(one.id), threads.get(keys[one.id], "")
            if not thread:
                continue  # the conversation was erased
            if status is None and await self._gone(one.id, tools):
                message = reader.deleted(one.id, thread, tools.now())
                yield Delivery(messages=(message,), memos=(await self._watching((), frozenset({one.id})),))
            elif status is not None and str(status.get("edited_at") or "") not in ("", one.edited):
                message = msgspec.structs.replace(reader.edited(status, one.root), thread=thread)
                again = msgspec.structs.replace(one, edited=str(status["edited_at"]))
                yield Delivery(messages=(message,), memos=(await self._watching((again,)),))

    async def _gone(self, id: str, tools: Tools) -> bool:
        """Whether a post is really deleted: a list may leave one out for other reasons."""
        try:
            await self._read(f"/api/v1/statuses/{quote(id, '')}", tools)
        except Refused as err:
            return "404" in str(err) or "410" in str(err)
        return False

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One direct post, under a key that Mastodon knows again for an hour."""
        _, _, who = out.thread.removeprefix(PUBLIC).partition("/")
        key = self._key("last", out.thread)
        answered = out.reply_to or (await self._memory.recall([key])).get(key, "")
        body: dict[str, Any] = {"status": f"@{who} {_unnamed(out.text)}".strip(), "visibility": "direct"}
        if out.attachments:
            body["media_ids"] = [await self._uploaded(file, tools) for file in out.attachments]
        if answered:
            body["in_reply_to_id"] = answered
        try:
            found = await self._post(body, out.key, tools)
        except Refused as err:
            if not answered or "404" not in str(err):
                raise
            del body["in_reply_to_id"]  # what it answers was deleted
            found = await self._post(body, f"{out.key} alone", tools)
        if not isinstance(found.get("id"), str):
            raise Unknown("Mastodon's answer names no post")
        return Receipt(external_ids=(str(found["id"]),))

    async def _post(self, body: Mapping[str, Any], key: str, tools: Tools) -> dict[str, Any]:
        more = {"idempotency-key": hashlib.sha256(key.encode()).hexdigest()}
        return await self._ask("POST", "/api/v1/statuses", tools, msgspec.json.encode(body), more)

    async def _uploaded(self, file: Attachment, tools: Tools) -> str:
        """The id of a file at Mastodon, once it is ready. One whose answer is lost lies there unseen."""
        headers, data = form({}, [Part("file", file.name or "file", file.type, await tools.read(file))])
        try:
            found = await self._ask("POST", "/api/v2/media", tools, data, headers)
            for _ in range(TRIES):
                if found.get("url"):
                    break
                await asyncio.sleep(BREATH)
                found = await self._ask("GET", f"/api/v1/media/{quote(str(found.get('id')), '')}", tools)
            else:
                raise Retry("a file is not ready yet")
        except Unknown as err:
            raise Retry("no answer to an upload") from err
        return str(found["id"])

    # --- calling

    async def _call(
        self, method: str, path: str, tools: Tools, body: bytes = b"", more: Mapping[str, str] | None = None
    ) -> Any:
        headers = {
            "authorization": f"Bearer {self._settings.token!s}",
            "content-type": "application/json",
            **(more or {}),
        }
        call = Call(
            method=method, url=f"{self._settings.instance.rstrip('/')}{path}", headers=headers, body=body, timeout=60.0
        )
        return _checked(await tools.http(call), tools.now())

    async def _ask(
        self, method: str, path: str, tools: Tools, body: bytes = b"", more: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        found = await self._call(method, path, tools, body, more)
        return found if isinstance(found, dict) else {}

    async def _read(self, path: str, tools: Tools) -> Any:
        """A question that changes nothing may be asked again. Raises :class:`Retry`, :class:`Refused`, :class:`Unauthorized`."""
        try:
            return await self._call("GET", path, tools)
        except Unknown as err:
            raise Retry("no whole answer from Mastodon") from err

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask who we are and whether strangers reach us; nothing changes."""
        what = "the access token"
        try:
            me = await self._ask("GET", "/api/v1/accounts/verify_credentials", tools)
        except ChannelError as err:
            return (Finding(what=what, ok=False, detail=f"{err}; copy it from Preferences > Development"),)
        return (Finding(what=what, ok=True, detail=f"@{me.get('acct', '')}"),)

    def steps(self, url: str) -> tuple[str, ...]:  # noqa: ARG002 - Mastodon is asked, it does not call
        """What a person does at the instance."""
        return (
            "Make an account for this at your instance; mark it as automated under Preferences > Public profile.",
            "Under Preferences > Development make an application with the scopes read:accounts, read:notifications, read:statuses, "
            "write:statuses, write:media and write:notifications, and copy its access token: `token`.",
            "No public address is needed: the gateway asks the instance.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Let strangers reach us: from 4.3 on Mastodon would put their mentions aside."""
        found = await self.check(tools)
        policy = msgspec.json.encode({f"for_{who}": "accept" for who in STRANGERS})
        what = "mentions by strangers"
        try:
            await self._ask("PATCH", "/api/v2/notifications/policy", tools, policy)
        except ChannelError as err:
            hint = (
                f"{err}; they are asked for all the same, only people who look at the account do not see them at once"
            )
            return (*found, Finding(what=what, ok=isinstance(err, Refused), detail=hint))
        return (*found, Finding(what=what, ok=True, detail="accepted"))


def _unnamed(text: str) -> str:
    """Words that mention nobody: whoever is mentioned in a direct post can read it."""
    return _MENTION.sub("@\u200b", text)


def _number(id: str) -> int:
    return int(id) if id.isdecimal() else 0


def _checked(answer: Answer, now: datetime) -> Any:
    """The answer. Raises what Mastodon's status says: https://docs.joinmastodon.org/api/rate-limits/"""
    if answer.status == 429 and (reset := answer.headers.get("x-ratelimit-reset")):
        try:
            after = max(1.0, (moment(reset) - now).total_seconds())
        except (TypeError, ValueError):
            after = 60.0
        raise Retry("HTTP 429", after, everyone=True)
    if answer.status == 403:  # this is not allowed; the token is good
        raise Refused("HTTP 403")
    settle(answer)
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.MsgspecError:
        raise Unknown("an answer that is not Mastodon's") from None


CHANNEL = Mastodon
