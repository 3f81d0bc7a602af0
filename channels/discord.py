"""Discord: direct messages to a bot, and its servers' channels where that is wanted.

What is said comes over the gateway, a WebSocket whose events are numbered. The number of the last one is the cursor and is
committed with its message, so that after a crash Discord repeats what we lack; where a session cannot be taken up again, the
chats we know are read from their last known message on. Rules: https://discord.com/developers/docs/events/gateway
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from channels._discord_events import Reader
from channels._multipart import Part, form
from channels.base import (
    PUBLIC,
    Answer,
    BadPayload,
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
    Socket,
    Tools,
    Unauthorized,
    Unknown,
    read_json,
    settle,
)

#: Direct messages, messages of servers, their contents.
DIRECT, SERVERS, CONTENT = 1 << 12, 1 << 9, 1 << 15
#: Close codes after which another attempt would fail too, and those that end the session.
FATAL, ENDED = frozenset({4004, 4010, 4011, 4012, 4013, 4014}), frozenset({4007, 4009})
#: Seconds for the greeting, and before a new session after a refused one (Discord asks for 1 to 5).
GREETING, BREATH = 30.0, 3.0
#: Chats that are made up for after a session is lost: the last ones written in.
MAX_ROOMS = 1000
PAGE = 100
MAX_TEXT, MAX_VALUE, MAX_NONCE = 2000, 100, 25
_LATER = frozenset({20016, 20028, 20029, 130000})
_MARKUP = re.compile(r"https?://\S+|[\\*_~`|>#\[\]]|^[-+](?= )|^\d+\.(?= )", re.MULTILINE)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.discord.<account>]``."""

    token: Annotated[Secret, Meta(description="The bot's token.")]
    channels: Annotated[bool, Meta(description="Whether what is said in servers is for us; it counts as public.")] = (
        False
    )
    api_url: Annotated[str, Meta(description="Where Discord's API is.")] = "https://discord.com/api/v10"
    gateway_url: Annotated[str, Meta(description="Where Discord's gateway is.")] = "wss://gateway.discord.gg"

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if not self.token:
            raise ValueError("`token` must not be empty")


class Session(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The cursor: a session at the gateway, and the number of the last event that is committed."""

    id: str = ""
    url: str = ""
    seq: int | None = None
    me: str = ""


class Discord:
    """One bot. Its threads are channel ids, those of servers public."""

    name: ClassVar[str] = "discord"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(
        text=MAX_TEXT,
        file=10 * 1024 * 1024,
        files=10,
        caption=MAX_TEXT,
        buttons=25,
        label=80,
        per_chat=Rate(5, 5.0),
        per_account=Rate(45, 1.0),
    )
    exempt: ClassVar[Mapping[Promise, str]] = {
        "signature": "Discord does not call us: we open the connection, with the bot's token and over TLS",
        "raw_body": "Discord does not call us, so there is no request whose bytes could be signed",
        "handshake": "Discord does not call us, so there is no set-up request to answer",
        "unknown_event": "events that we have not asked for are not sent; others are tested in tests/channels/discord",
        "edits": "edits and deletions come over the gateway, tests/channels/discord shows what becomes of them",
    }
    idempotent: ClassVar[bool] = False

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self._reader = Reader(self.name, account, channels=settings.channels)

    def __repr__(self) -> str:
        return f"Discord({self.account!r})"

    def use_memory(self, memory: Memory) -> None:
        self._memory = memory

    # --- the gateway

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """Events for ever. Raises :class:`Retry`, :class:`Unauthorized`."""
        session = msgspec.json.decode(cursor, type=Session) if cursor else Session()
        while True:
            async with tools.socket(f"{session.url or self._settings.gateway_url}/?v=10&encoding=json") as socket:
                try:
                    async for delivery in self._listen(socket, session, tools):
                        yield delivery
                except Retry:
                    if socket.code in FATAL:
                        raise Unauthorized(f"Discord closed the connection: {socket.code}") from None
                    if socket.code not in ENDED:
                        raise
                    session = Session()
                    yield Delivery(cursor=_text(session))
            await asyncio.sleep(0 if session.id else BREATH)

    async def _listen(self, socket: Socket, session: Session, tools: Tools) -> AsyncIterator[Delivery]:
        """One connection, until Discord wants another."""
        hello = await self._frame(socket, GREETING)
        pulse = _Pulse(socket, float((hello or {}).get("d", {}).get("heartbeat_interval", 41250)) / 1000)
        await socket.send(json.dumps(self._resume(session) if session.id else self._identify()))
        while True:
            frame = await self._frame(socket, pulse.wait())
            if frame is None:
                await pulse.beat(session.seq)
                continue
            match frame.get("op"):
                case 0:
                    async for delivery in self._event(frame, session, tools):
                        yield delivery
                case 1:
                    await pulse.send(session.seq)
                case 7:
                    return
                case 9:
                    if frame.get("d") is not True:
                        session.id, session.url, session.seq = "", "", None
                    return
                case 11:
                    pulse.answered()

    async def _frame(self, socket: Socket, seconds: float) -> dict[str, Any] | None:
        text = await socket.receive(seconds)
        try:
            frame = None if text is None else read_json(text.encode())
        except BadPayload:
            raise Retry("the gateway said something that is no JSON") from None
        if frame is not None and not isinstance(frame, dict):
            raise Retry("the gateway said something that is no event")
        return frame

    def _identify(self) -> dict[str, Any]:
        intents = DIRECT | CONTENT | (SERVERS if self._settings.channels else 0)
        properties = {"os": "linux", "browser": "allears", "device": "allears"}
        return {"op": 2, "d": {"token": str(self._settings.token), "intents": intents, "properties": properties}}

    def _resume(self, session: Session) -> dict[str, Any]:
        return {"op": 6, "d": {"token": str(self._settings.token), "session_id": session.id, "seq": session.seq}}

    async def _event(self, frame: Mapping[str, Any], session: Session, tools: Tools) -> AsyncIterator[Delivery]:
        """What an event says, with the cursor after it."""
        session.seq = frame.get("s") or session.seq
        kind, data = str(frame.get("t")), frame.get("d") or {}
        if kind == "READY":
            session.id, session.url = str(data["session_id"]), str(data["resume_gateway_url"]).rstrip("/")
            session.me = str(data["user"]["id"])
            async for delivery in self._missed(session, tools):
                yield delivery
            yield Delivery(cursor=_text(session))
        elif kind == "RESUMED":
            yield Delivery(cursor=_text(session))
        else:
            messages = self._reader.read(kind, data, session.me, tools.now())
            if messages or kind == "INTERACTION_CREATE":
                ack = None if kind != "INTERACTION_CREATE" else lambda: self._heard(data, tools)
                yield Delivery(messages=messages, cursor=_text(session), memos=await self._memos(messages), ack=ack)

    async def _heard(self, interaction: Mapping[str, Any], tools: Tools) -> None:
        """Tell Discord that the button has worked; else it shows an error after three seconds."""
        url = f"{self._settings.api_url}/interactions/{interaction['id']}/{interaction['token']}/callback"
        call = Call(url=url, headers={"content-type": "application/json"}, body=b'{"type":6}')
        try:
            await tools.http(call)
        except ChannelError:
            return  # what was chosen is safe, the customer sees a needless error

    # --- what was missed

    async def _memos(self, messages: Sequence[Inbound]) -> tuple[Memo, ...]:
        """The last message of each chat, and which chats there are."""
        said = [m for m in messages if m.kind == "message" and m.external_id.isdecimal()]
        if not said:
            return ()
        last = said[-1]
        room = last.thread.removeprefix(PUBLIC)
        memos = [Memo(key=f"{self.account}/last/{room}", value=last.external_id, about=f"{self.account}/{last.thread}")]
        rooms = await self._rooms()
        if room not in rooms[:1]:
            rooms = [room, *(other for other in rooms if other != room)][:MAX_ROOMS]
            memos.append(Memo(key=f"{self.account}/rooms", value=" ".join(rooms)))
        return tuple(memos)

    async def _rooms(self) -> list[str]:
        key = f"{self.account}/rooms"
        return (await self._memory.recall([key])).get(key, "").split()

    async def _missed(self, session: Session, tools: Tools) -> AsyncIterator[Delivery]:
        """What was written in the chats we know since the last message that we have."""
        rooms = await self._rooms()
        keys = {room: f"{self.account}/last/{room}" for room in rooms}
        last = await self._memory.recall(keys.values())
        for room in rooms:
            after = last.get(keys[room], "")
            while after:
                page = await self._page(room, after, tools)
                found = tuple(
                    m for one in page for m in self._reader.read("MESSAGE_CREATE", one, session.me, tools.now())
                )
                if found:
                    yield Delivery(messages=found, memos=await self._memos(found))
                after = max((str(one["id"]) for one in page), key=int) if len(page) == PAGE else ""

    async def _page(self, room: str, after: str, tools: Tools) -> list[Any]:
        """Messages after one, oldest first; none of a chat that is closed to us by now."""
        url = f"{self._settings.api_url}/channels/{room}/messages?after={after}&limit={PAGE}"
        try:
            answer = _checked(await tools.http(Call(method="GET", url=url, headers=self._authorization)))
        except Refused:
            return []
        except Unknown as err:
            raise Retry("no answer about what was missed") from err
        try:
            return sorted(msgspec.json.decode(answer.body, type=list[dict[str, Any]]), key=lambda one: int(one["id"]))
        except (msgspec.MsgspecError, KeyError, ValueError):
            raise Retry("an answer that is not Discord's") from None

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One message, under a nonce that Discord knows again for some minutes."""
        body: dict[str, Any] = {
            "content": _plain(out.text),
            "nonce": hashlib.sha256(out.key.encode()).hexdigest()[:MAX_NONCE],
            "enforce_nonce": True,
            "allowed_mentions": {"parse": []},
        }
        if out.reply_to.isdecimal():
            body["message_reference"] = {"message_id": out.reply_to, "fail_if_not_exists": False}
        if out.buttons:
            body["components"] = _rows(out)
        headers, data = {"content-type": "application/json"}, msgspec.json.encode(body)
        if out.attachments:
            files = [
                Part(f"files[{n}]", file.name, file.type, await tools.read(file))
                for n, file in enumerate(out.attachments)
            ]
            headers, data = form({"payload_json": data.decode()}, files)
        room = out.thread.removeprefix(PUBLIC)
        url = f"{self._settings.api_url}/channels/{room}/messages"
        call = Call(url=url, headers={**headers, **self._authorization}, body=data, timeout=60.0)
        answer = _checked(await tools.http(call))
        try:
            return Receipt(external_ids=(str(msgspec.json.decode(answer.body, type=dict[str, Any])["id"]),))
        except (msgspec.MsgspecError, KeyError):
            raise Unknown("Discord's answer names no message") from None

    @property
    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bot {self._settings.token!s}"}

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Ask who we are; nothing changes."""
        what = "the bot's token"
        try:
            call = Call(method="GET", url=f"{self._settings.api_url}/users/@me", headers=self._authorization)
            answer = _checked(await tools.http(call))
        except ChannelError as err:
            return (Finding(what=what, ok=False, detail=f"{err}; copy it from the application's Bot page"),)
        found = msgspec.json.decode(answer.body)
        return (Finding(what=what, ok=True, detail=str(found.get("username", "")) if isinstance(found, dict) else ""),)

    def steps(self, url: str) -> tuple[str, ...]:  # noqa: ARG002 - Discord is asked, it does not call
        """What a person does at discord.com/developers."""
        return (
            "At https://discord.com/developers/applications make an application; under Bot reset the token and copy it: `token`.",
            "There switch the Message Content Intent on.",
            "Under Installation allow User Install or Guild Install with the scope bot, and give your customers the link: "
            "they can write to the bot once they share a server with it or have added it.",
            "No public address is needed: the gateway opens a connection to Discord.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        return await self.check(tools)


class _Pulse:
    """Heartbeats: one each interval; who does not answer is gone."""

    def __init__(self, socket: Socket, interval: float) -> None:
        self._socket, self._interval = socket, interval
        self._due = asyncio.get_running_loop().time() + interval / 2
        self._open = False

    def wait(self) -> float:
        """Seconds until the next beat is due."""
        return max(0.0, self._due - asyncio.get_running_loop().time())

    async def beat(self, seq: int | None) -> None:
        """Raises :class:`Retry` when the last one was not answered."""
        if self._open:
            raise Retry("the gateway does not answer heartbeats")
        self._open = True
        self._due = asyncio.get_running_loop().time() + self._interval
        await self.send(seq)

    async def send(self, seq: int | None) -> None:
        await self._socket.send(json.dumps({"op": 1, "d": seq}))

    def answered(self) -> None:
        self._open = False


def _text(session: Session) -> str:
    return msgspec.json.encode(session).decode()


def _rows(out: Outbound) -> list[dict[str, Any]]:
    """Five buttons in a row."""
    buttons = [{"type": 2, "style": 2, "label": b.label, "custom_id": b.value[:MAX_VALUE]} for b in out.buttons]
    return [{"type": 1, "components": buttons[n : n + 5]} for n in range(0, len(buttons), 5)]


def _plain(text: str) -> str:
    """Words that stay words: Discord would read stars and lines as markup. Addresses stay as they are."""
    escaped = _MARKUP.sub(lambda m: m[0] if m[0].startswith("http") else "\\" + m[0], text)
    return escaped if len(escaped) <= MAX_TEXT else text


def _checked(answer: Answer) -> Answer:
    """Raises what Discord's status and code say."""
    if 200 <= answer.status < 300:
        return answer
    try:
        said = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        said = {}
    code = said.get("code")
    if answer.status == 429 or code in _LATER:
        wait = said.get("retry_after", answer.headers.get("retry-after"))
        after = float(wait) if isinstance(wait, int | float | str) and str(wait).replace(".", "", 1).isdigit() else None
        raise Retry("rate limited", after, everyone=bool(said.get("global")))
    if answer.status == 403:  # this chat is closed to us; the token is good
        raise Refused(f"Discord's error {code}")
    settle(answer)
    raise Refused(f"Discord's error {code}")


CHANNEL = Discord
