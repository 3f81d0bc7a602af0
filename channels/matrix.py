"""Matrix: direct chats with an account on any homeserver, and its rooms where that is wanted.

The homeserver is asked with a long poll. Its ``next_batch`` is the cursor and is committed with the messages; what does not fit
into an answer is paged up before. What is sent has a transaction id made of its key, so that a repeat is no second message.
Rules: https://spec.matrix.org/v1.16/client-server-api/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from channels._matrix_events import KINDS, MEMBER, SEALED, Place, Reader, targets
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
    Receipt,
    Refused,
    Retry,
    Secret,
    Tools,
    Unauthorized,
    Unknown,
    settle,
)

#: Seconds that the homeserver may wait for news.
POLL = 30.0
#: Events of a room in one answer, fewer where it would be larger than we read; and in one delivery.
MOST, PAGE = 40, 100
#: What was said before the first connect is history: somebody has dealt with it.
SKEW = timedelta(minutes=10)
#: Rooms whose members are known by heart.
MAX_ROOMS = 10_000
#: What a room is told whose words we cannot read.
NOT_READABLE = (
    "This chat is encrypted and what you write here cannot be read by us. Please start a new chat without encryption.\n"
    "此聊天已加密，我们无法读取您的消息。请新建一个未加密的聊天再联系我们。"
)
NO_GROUPS = "This account takes direct chats only."
_MXC = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]+)/([A-Za-z0-9_-]+)")
_GONE = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED", "M_USER_LOCKED"})
_UPLOADS = {"image": "m.image", "audio": "m.audio", "video": "m.video"}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.matrix.<account>]``."""

    homeserver: Annotated[str, Meta(description="The homeserver's address (`https://matrix.example.org`).")]
    token: Annotated[Secret, Meta(description="The account's access token.")]
    rooms: Annotated[
        bool, Meta(description="Whether rooms with more than two members are for us; they count as public.")
    ] = False

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if not self.token:
            raise ValueError("`token` must not be empty")
        if not self.homeserver.startswith(("https://", "http://")):
            raise ValueError("`homeserver` begins with https://")


class Matrix:
    """One account. Its threads are rooms (``!…``), threads in them (``!…/$…``), and those that others read (``public:!…/$…``)."""

    name: ClassVar[str] = "matrix"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=30_000, unit="byte", file=50 * 1024 * 1024, files=1, caption=0)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "signature": "Matrix does not call us: we ask, with the account's token and over TLS",
        "raw_body": "Matrix does not call us, so there is no request whose bytes could be signed",
        "handshake": "Matrix does not call us, so there is no set-up request to answer",
        "unknown_event": "kinds that we have not asked for are not sent; others are tested in tests/channels/matrix",
        "edits": "edits and redactions come by /sync, tests/channels/matrix shows what becomes of them",
    }
    idempotent: ClassVar[bool] = True

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self._reader = Reader(self.name, account)
        self._limit = MOST
        self._places: dict[str, Place] = {}
        self._joined: set[str] = set()

    def __repr__(self) -> str:
        return f"Matrix({self.account!r})"

    def use_memory(self, memory: Memory) -> None:
        self._memory = memory

    # --- what comes in

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """What is said, for ever. Raises :class:`Retry`, :class:`Unauthorized`."""
        me = str((await self._ask("GET", "/v3/account/whoami", tools))["user_id"])
        started, wait = tools.now() if cursor is None else None, 0.0
        while True:
            try:
                found = await self._sync(cursor, wait, tools)
            except Refused:
                if cursor is None:
                    raise Retry("the homeserver refuses the question for news") from None
                cursor = None  # it knows the place no more: what it still has is read again, and known by its ids
                yield Delivery(
                    trouble="the homeserver has forgotten where we were; what is older than its answer is missing"
                )
                continue
            async for delivery in self._news(found, cursor, me, started, tools):
                yield delivery
            cursor, started, wait, self._limit = str(found["next_batch"]), None, POLL, MOST
            yield Delivery()

    async def _sync(self, cursor: str | None, wait: float, tools: Tools) -> dict[str, Any]:
        """One answer. One that is too large is asked for again with fewer events of each room."""
        nothing = {"not_types": ["*"]}
        room = {"timeline": self._kinds(), "state": nothing, "ephemeral": nothing, "account_data": nothing}
        filter = msgspec.json.encode({"room": room, "presence": nothing, "account_data": nothing}).decode()
        query = {"filter": filter, "timeout": str(int(wait * 1000)), "set_presence": "offline"}
        query |= {} if cursor is None else {"since": cursor}
        try:
            found = await self._ask("GET", f"/v3/sync?{urlencode(query)}", tools, timeout=wait + 60.0)
        except Unknown as err:
            raise self._smaller() from err
        if not isinstance(found.get("next_batch"), str):
            raise Retry("an answer that is not Matrix's")
        return found

    def _smaller(self) -> Retry:
        """No whole answer came: the next one may hold less, until all is taken."""
        self._limit = max(1, self._limit // 4)
        return Retry("no whole answer from the homeserver")

    def _kinds(self) -> dict[str, Any]:
        return {"limit": self._limit, "types": list(KINDS), "lazy_load_members": True}

    async def _news(
        self, found: Mapping[str, Any], cursor: str | None, me: str, started: datetime | None, tools: Tools
    ) -> AsyncIterator[Delivery]:
        """The messages of an answer, room by room, and the cursor after them."""
        rooms = found.get("rooms") or {}
        for room in rooms.get("invite") or {}:
            await self._join(room, tools)
        for room, news in (rooms.get("join") or {}).items():
            events = list((news.get("timeline") or {}).get("events") or ())
            if not events:
                continue
            place = await self._place(room, tools, anew=any(_kind(event) == MEMBER for event in events))
            if place.public and not self._settings.rooms and not await self._was_private(room):
                if room in self._joined:
                    await self._leave(room, tools)
                continue
            if news["timeline"].get("limited") and started is None:
                events = [*await self._missed(room, news["timeline"], cursor, me, tools), *events]
            for start in range(0, len(events), PAGE):
                delivery = await self._delivery(room, place, events[start : start + PAGE], me, started, tools)
                if delivery.messages:
                    yield delivery
        yield Delivery(cursor=str(found["next_batch"]))

    async def _delivery(
        self, room: str, place: Place, events: Sequence[Any], me: str, started: datetime | None, tools: Tools
    ) -> Delivery:
        """A page of a room; once it is committed, its last message is marked as read."""
        known = {self._key(target): target for target in targets(events)}
        threads = {known[key]: value for key, value in (await self._memory.recall(known)).items()}
        messages: list[Inbound] = []
        for event in events:
            message = self._reader.read(room, event, me, place, threads, tools.now())
            if message is None:
                continue
            if started is not None and message.at < started - SKEW:
                message = msgspec.structs.replace(message, silent="history")
            if message.thread != room:
                threads[message.external_id] = message.thread
            messages.append(message)
        memos = [
            Memo(key=self._key(m.external_id), value=m.thread, about=f"{self.account}/{m.thread}")
            for m in messages
            if m.thread != room and m.kind == "message"
        ]
        if messages and not place.public:
            memos.append(Memo(key=f"{self.account}/private/{room}", value="1", about=f"{self.account}/{room}"))
        heard = [m for m in messages if not m.machine and m.silent != "history"]
        sealed = any(_kind(event) == SEALED and event.get("sender") != me for event in events) and bool(heard)

        async def ack() -> None:
            if heard:
                await self._heard(room, heard[-1].external_id, sealed, tools)

        return Delivery(messages=tuple(messages), memos=tuple(memos), ack=ack)

    def _key(self, event: str) -> str:
        return f"{self.account}/at/{event}"

    async def _heard(self, room: str, event: str, sealed: bool, tools: Tools) -> None:
        """Tell the room how far we have read, and once that we cannot read it. What was said is safe whatever comes of it."""
        try:
            if event.startswith("$"):
                await self._ask("POST", f"/v3/rooms/{quote(room, '')}/receipt/m.read/{quote(event, '')}", tools, {})
            told = f"{self.account}/told/{room}"
            if sealed and not await self._memory.recall([told]):
                content = {"msgtype": "m.notice", "body": NOT_READABLE}
                await self._put(room, f"told-{_transaction(room)}", content, tools)
                await self._memory.remember([Memo(key=told, value="1", about=f"{self.account}/{room}")])
        except ChannelError:
            return

    async def _missed(
        self, room: str, timeline: Mapping[str, Any], cursor: str | None, me: str, tools: Tools
    ) -> list[Any]:
        """What did not fit: back to the cursor; in a room that is new to us, to the invitation. Oldest first."""
        new = any(_joins(event, me, "join") for event in timeline.get("events") or ()) or cursor is None
        place: str | None = str(timeline.get("prev_batch") or "")
        found: list[Any] = []
        while place:
            query = {
                "from": place,
                "dir": "b",
                "limit": str(self._limit),
                "filter": msgspec.json.encode(self._kinds()).decode(),
            }
            query |= {} if new or cursor is None else {"to": cursor}
            try:
                page = await self._ask("GET", f"/v3/rooms/{quote(room, '')}/messages?{urlencode(query)}", tools)
            except Refused:
                break  # the room is closed to us by now
            except Unknown as err:
                raise self._smaller() from err
            events = page.get("chunk") or []
            found += events
            invited = new and any(_joins(event, me, "invite") for event in events)
            place = None if invited or cursor is None else page.get("end")
        return found[::-1]

    # --- rooms

    async def _place(self, room: str, tools: Tools, *, anew: bool = False) -> Place:
        """Who is in a room, asked once and after each change. Raises :class:`Retry`."""
        if room not in self._places or anew:
            try:
                found = await self._ask("GET", f"/v3/rooms/{quote(room, '')}/joined_members", tools)
            except Refused:
                return Place()  # we have left it: what was said to us in it is still ours
            except Unknown as err:
                raise Retry("no answer about who is in a room") from err
            joined: Mapping[str, Any] = found.get("joined") or {}
            if len(self._places) >= MAX_ROOMS:
                self._places.clear()
            names = {id: str((one or {}).get("display_name") or "") for id, one in joined.items()}
            self._places[room] = Place(public=len(joined) > 2, names=names if len(joined) <= 2 else {})
        return self._places[room]

    async def _was_private(self, room: str) -> bool:
        """Whether it was a chat with us before somebody else came into it: then it goes on, as a public one."""
        key = f"{self.account}/private/{room}"
        return key in await self._memory.recall([key])

    async def _join(self, room: str, tools: Tools) -> None:
        """Take an invitation. One that was withdrawn is none. Raises :class:`Retry`."""
        try:
            await self._ask("POST", f"/v3/join/{quote(room, '')}", tools, {})
        except Refused:
            return
        except Unknown as err:
            raise Retry("no answer to our joining a room") from err
        self._joined.add(room)

    async def _leave(self, room: str, tools: Tools) -> None:
        try:
            await self._ask("POST", f"/v3/rooms/{quote(room, '')}/leave", tools, {"reason": NO_GROUPS})
        except (Refused, Unknown):
            return
        self._joined.discard(room)

    # --- files

    async def fetching(self, attachment: Attachment, tools: Tools) -> Call:  # noqa: ARG002 - nobody has to be asked first
        """A file lies at our homeserver behind the token. Raises :class:`Refused`."""
        place = _MXC.fullmatch(attachment.url)
        if place is None:
            raise Refused("not a file of Matrix's")
        url = self._url(f"/v1/media/download/{quote(place[1], '')}/{place[2]}")
        return Call(method="GET", url=url, headers=self._authorization)

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One event under a transaction id of its own: the homeserver knows a repeat."""
        room, _, root = out.thread.removeprefix(PUBLIC).partition("/")
        if not out.thread.startswith(PUBLIC) and (await self._place(room, tools)).public:
            raise Refused("others read along in this room by now")
        content: dict[str, Any] = {"msgtype": "m.text", "body": out.text}
        if out.attachments:
            content = await self._uploaded(out.attachments[0], tools)
        answered: dict[str, Any] = {"m.in_reply_to": {"event_id": out.reply_to}} if out.reply_to.startswith("$") else {}
        if root:
            answered = {"rel_type": "m.thread", "event_id": root, **answered}
        if answered:
            content["m.relates_to"] = answered
        return Receipt(external_ids=(await self._put(room, _transaction(out.key), content, tools),))

    async def _put(self, room: str, transaction: str, content: Mapping[str, Any], tools: Tools) -> str:
        path = f"/v3/rooms/{quote(room, '')}/send/m.room.message/{transaction}"
        found = await self._ask("PUT", path, tools, content)
        if not isinstance(found.get("event_id"), str):
            raise Unknown("the homeserver's answer names no event")
        return str(found["event_id"])

    async def _uploaded(self, file: Attachment, tools: Tools) -> dict[str, Any]:
        """The content of a file's event. An upload whose answer is lost leaves a file that nobody sees."""
        call = Call(
            url=f"{self._settings.homeserver.rstrip('/')}/_matrix/media/v3/upload?{urlencode({'filename': file.name})}",
            headers={"content-type": file.type or "application/octet-stream", **self._authorization},
            body=await tools.read(file),
            timeout=120.0,
        )
        try:
            found = _checked(await tools.http(call))
        except Unknown as err:
            raise Retry("no answer to an upload") from err
        kind = _UPLOADS.get(file.type.partition("/")[0], "m.file")
        info = {"mimetype": file.type, "size": file.size}
        return {"msgtype": kind, "body": file.name or "file", "url": str(found.get("content_uri")), "info": info}

    # --- calling

    def _url(self, path: str) -> str:
        return f"{self._settings.homeserver.rstrip('/')}/_matrix/client{path}"

    @property
    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._settings.token!s}"}

    async def _ask(
        self, method: str, path: str, tools: Tools, body: Mapping[str, Any] | None = None, *, timeout: float = 30.0
    ) -> dict[str, Any]:
        headers = {"content-type": "application/json", **self._authorization}
        data = b"" if body is None else msgspec.json.encode(body)
        return _checked(
            await tools.http(Call(method=method, url=self._url(path), headers=headers, body=data, timeout=timeout))
        )

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask who we are; nothing changes."""
        what = "the access token"
        try:
            found = await self._ask("GET", "/v3/account/whoami", tools)
        except ChannelError as err:
            return (
                Finding(
                    what=what, ok=False, detail=f"{err or type(err).__name__}; see `allears channels setup matrix`"
                ),
            )
        return (Finding(what=what, ok=True, detail=str(found.get("user_id", ""))),)

    def steps(self, url: str) -> tuple[str, ...]:  # noqa: ARG002 - a homeserver is asked, it does not call
        """What a person does at the homeserver."""
        return (
            "Make an account for this at your homeserver: its address, like @complaints:example.org, is what customers write to.",
            'Get a token for it: curl -d \'{"type":"m.login.password","identifier":{"type":"m.id.user","user":"complaints"},'
            '"password":"…","initial_device_display_name":"Allears"}\' https://<homeserver>/_matrix/client/v3/login, '
            "and copy access_token: `token`. Do not log this session out.",
            "Customers must write in chats that are not encrypted: switch encryption off for this account's homeserver "
            "(encryption_enabled_by_default_for_room_type: off), or offer a room address without it.",
            "No public address is needed: the gateway asks the homeserver.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        return await self.check(tools)


def _kind(event: Any) -> str:
    return str(event.get("type")) if isinstance(event, dict) else ""


def _joins(event: Any, me: str, membership: str) -> bool:
    if _kind(event) != MEMBER or event.get("state_key") != me:
        return False
    return bool((event.get("content") or {}).get("membership") == membership)


def _transaction(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _checked(answer: Answer) -> dict[str, Any]:
    """The answer's object. Raises what Matrix's status and code say."""
    try:
        said = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        said = {}
    if 200 <= answer.status < 300:
        return said
    code, wait = str(said.get("errcode") or f"HTTP {answer.status}"), said.get("retry_after_ms")
    if code == "M_LIMIT_EXCEEDED" and isinstance(wait, int | float):
        raise Retry(code, wait / 1000)
    if code in _GONE:
        raise Unauthorized(f"the homeserver says {code}")
    if answer.status == 403:  # this room is closed to us; the token is good
        raise Refused(f"the homeserver says {code}")
    settle(answer)
    raise Refused(f"the homeserver says {code}")


CHANNEL = Matrix
