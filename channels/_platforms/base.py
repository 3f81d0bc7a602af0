"""What every fake platform is: a server on loopback that takes our replies and delivers what customers say.

A fake is written from the platform's documentation, not from our channel: it signs, repeats, pages and refuses as the
platform does, and imports nothing of the channel's, so that both cannot share a mistake. It serves three: whoever tries
a channel without an account (``allears simulate``), the contract suite, and the channel's own tests.

What may go wrong is a number for each of :data:`FAULTS`, how often it happens from 0 to 1. ``script`` says exactly what
the next calls are answered, for tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import aiohttp
import msgspec
from aiohttp import web

from channels.base import Call

#: What can go wrong, and what it is.
FAULTS: Mapping[str, str] = {
    "twice": "an event is delivered twice",
    "swapped": "an event comes after the next one",
    "late": "an event comes seconds later",
    "lost": "our answer to a delivery is lost, so it comes again",
    "forged": "somebody else delivers the event first, with a wrong signature",
    "strange": "an event of a kind that nobody knows comes along",
    "busy": "our call is refused: too many",
    "broken": "our call ends in a fault of the platform's",
    "cut": "our call is carried out and the connection is cut before the answer",
    "no_media": "a customer's file cannot be fetched",
}
#: What customers can do at several platforms, in English, simplified and traditional Chinese.
ACTS: Mapping[str, tuple[str, str, str]] = {
    "a day later": ("Let a day pass", "时间过去一天", "時間過去一天"),
    "block": ("Block the bot", "拉黑机器人", "封鎖機器人"),
    "unblock": ("Unblock it", "取消拉黑", "解除封鎖"),
    "comment": ("Comment in public", "公开评论", "公開留言"),
    "contact": ("Share a contact", "分享联系人", "分享聯絡人"),
    "location": ("Send a location", "发送位置", "傳送位置"),
    "menu button": ("Press a menu button", "点菜单按钮", "點選單按鈕"),
    "poll": ("Send a poll", "发起投票", "發起投票"),
    "reaction": ("React with 👍", "用 👍 回应", "用 👍 回應"),
    "sticker": ("Send a sticker", "发送贴纸", "傳送貼圖"),
    "unreachable": ("Be unreachable", "变得无法送达", "變得無法送達"),
}
#: Seconds that a late event takes, and that a swapped one waits for another.
LATE = 5.0
#: Largest request in bytes that a fake takes.
MAX_BODY = 64 * 1024 * 1024


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A customer, as the platform knows them."""

    id: str
    name: str
    language: str = "zh-Hans"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that somebody sends."""

    name: str
    type: str
    data: bytes


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer does: writes, sends files, presses a button (``choice``), edits (``edit_of``) or takes back."""

    id: str
    person: Person
    thread: str
    at: datetime
    text: str = ""
    files: tuple[File, ...] = ()
    choice: str = ""
    edit_of: str = ""
    delete_of: str = ""
    reply_to: str = ""


class Line(msgspec.Struct, kw_only=True):
    """A line of a chat as its customer sees it; ``person`` is empty where we have said it."""

    id: str
    thread: str
    at: datetime
    person: str = ""
    text: str = ""
    files: tuple[File, ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()
    """(label, value) pairs."""
    choice: str = ""
    edited: bool = False
    deleted: bool = False


class Platform(ABC):
    """A running fake: ``async with Telegram(door="http://127.0.0.1:8080/in/telegram/main") as platform``.

    ``door`` is where it delivers; empty: it holds its events until it is asked. ``pace`` shortens all its pauses
    (tests), ``port`` 0 takes a free one.
    """

    name: ClassVar[str]
    again_after: ClassVar[tuple[float, ...]] = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 60.0, 60.0, 120.0, 300.0)
    """Seconds between two attempts to deliver; after the last one the event is lost."""
    acts: ClassVar[tuple[str, ...]] = ()
    """What else a customer can do there (``block``), see :meth:`act`."""
    act_words: ClassVar[Mapping[str, tuple[str, str, str]]] = {}
    """Labels of those of them that :data:`ACTS` does not know."""

    def __init__(
        self, *, door: str = "", host: str = "127.0.0.1", port: int = 0, pace: float = 1.0, seed: int = 1
    ) -> None:
        self.door, self.host, self.port, self.pace = door, host, port, pace
        self.sent: list[dict[str, Any]] = []
        """What customers saw of ours: ``text``, ``thread``, ``reply_to``, ``buttons`` (labels), ``files`` (names), ``id``."""
        self.script: list[tuple[int, dict[str, str]]] = []
        """Answers (status, headers) for the next calls; 0: carried out, then the connection is cut."""
        self.faults: dict[str, float] = {}
        self.lines: list[Line] = []
        self.people: dict[str, Person] = {}
        self.files: dict[str, File] = {}
        """Files that can be fetched, by the platform's id."""
        self.answers: list[int] = []
        """What the gateway answered to deliveries, 0 for no answer."""
        self.given_up: list[Any] = []
        """Events that the platform does not deliver any more: the gateway did not take them in time."""
        self.held: list[Any] = []
        """Events that wait to be asked for."""
        self.arrived = asyncio.Event()
        """Set when there is something held."""
        self._chance = random.Random(f"{self.name} {seed}")  # noqa: S311 - plays faults, guards nothing
        self._last = 1000
        self._turn = asyncio.Lock()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._another = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    # --- what a platform brings

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The channel's settings that make it talk to this server."""

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """The platform's API."""

    @abstractmethod
    def events(self, said: Saying) -> list[Any]:
        """What the platform tells of it, one or more events in order."""

    @abstractmethod
    def webhook(self, event: Any) -> Call:
        """The signed request that delivers an event to :attr:`door`."""

    def forged(self, call: Call) -> Call:
        """The same with a signature that does not fit."""
        return msgspec.structs.replace(call, headers={name: f"{value}x" for name, value in call.headers.items()})

    def strange(self, said: Saying) -> Any | None:  # noqa: ARG002 - what a platform makes of it is its own
        """An event of a kind that nobody knows; None where the platform has none."""
        return None

    def is_send(self, request: web.Request) -> bool:
        """Whether a call says something to a customer; the faults strike these."""
        return request.method == "POST"

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        """The platform's way to say no."""
        return web.json_response({"error": status}, status=status, headers=headers)

    def person_id(self, name: str) -> str:
        """The platform's form of a person's id: the same name is the same person."""
        return str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))

    def thread_of(self, person: Person) -> str:
        """The thread of a person who writes without naming one, as the channel calls it."""
        return person.id

    def message_id(self) -> str:
        """A new id for a message."""
        return self.number()

    # --- life

    async def __aenter__(self) -> Any:
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._answer])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        assert self._client is not None
        assert self._runner is not None
        await self._client.close()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def number(self) -> str:
        """The next number: ids that rise."""
        self._last += 1
        return str(self._last)

    def happens(self, fault: str) -> bool:
        """Whether a fault strikes this time."""
        return self._chance.random() < self.faults.get(fault, 0.0)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.pace)

    # --- customers

    def person(self, name: str, language: str = "") -> Person:
        """The customer of that name; a new one is made, who speaks what the name is written in."""
        if name not in self.people:
            language = language or ("en" if name.isascii() else "zh-Hans")
            self.people[name] = Person(id=self.person_id(name), name=name, language=language)
        return self.people[name]

    async def say(
        self,
        text: str = "",
        *,
        person: str = "王芳",
        thread: str = "",
        files: Sequence[File] = (),
        choice: str = "",
        edit_of: str = "",
        delete_of: str = "",
        reply_to: str = "",
    ) -> str:
        """A customer does something. Returns the message's id at once; :meth:`delivered` waits until the gateway has it."""
        who = self.person(person)
        said = Saying(
            id=edit_of or delete_of or self.message_id(),
            person=who,
            thread=thread or self.thread_of(who),
            at=self.now(),
            text=text,
            files=tuple(files),
            choice=choice,
            edit_of=edit_of,
            delete_of=delete_of,
            reply_to=reply_to,
        )
        self._write(said)
        strange = self.strange(said) if self.happens("strange") else None
        for event in ([] if strange is None else [strange]) + self.events(said):
            self.deliver(event)
        return said.id

    def act(self, what: str, person: str) -> None:  # noqa: ARG002 - most have none
        """A customer does one of :attr:`acts`. Raises :class:`KeyError`."""
        raise KeyError(what)

    def _write(self, said: Saying) -> None:
        for line in self.lines:
            if line.id == said.id and line.thread == said.thread:
                line.edited, line.deleted = bool(said.edit_of), bool(said.delete_of)
                line.text = said.text or line.text
                return
        self.lines.append(
            Line(
                id=said.id,
                thread=said.thread,
                at=said.at,
                person=said.person.name,
                text=said.text,
                files=said.files,
                choice=said.choice,
            )
        )

    def saw(
        self,
        thread: str,
        text: str,
        *,
        id: str,
        reply_to: str = "",
        buttons: Sequence[tuple[str, str]] = (),
        files: Sequence[File] = (),
    ) -> None:
        """A customer sees a message of ours."""
        labels = [label for label, _ in buttons]
        names = [file.name for file in files]
        self.sent.append(
            {"text": text, "thread": thread, "reply_to": reply_to, "buttons": labels, "files": names, "id": id}
        )
        self.lines.append(
            Line(id=id, thread=thread, at=self.now(), text=text, buttons=tuple(buttons), files=tuple(files))
        )

    def keep(self, file: File) -> str:
        """Put a customer's file where the gateway can fetch it; its id."""
        id = f"{self.name}-{self.number()}"
        self.files[id] = file
        return id

    def hand_over_file(self, id: str) -> web.Response:
        """The answer to whoever fetches a file."""
        if self.happens("no_media"):
            return web.Response(status=503)
        if id not in self.files:
            return web.Response(status=404)
        file = self.files[id]
        return web.Response(body=file.data, content_type=file.type or "application/octet-stream")

    # --- delivering

    def deliver(self, event: Any) -> None:
        """Bring an event on its way: to the door, or among those that wait to be asked for."""
        if not self.door:
            self.held += [event, event] if self.happens("twice") else [event]
            self.arrived.set()
            return
        task = asyncio.create_task(self._carry(event))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def delivered(self) -> None:
        """Wait until nothing is on its way."""
        while self._deliveries:
            await asyncio.gather(*self._deliveries)

    async def _carry(self, event: Any) -> None:
        if self.happens("late"):
            await self.pause(LATE)
        if self.happens("swapped"):
            await self._let_another_pass()
        async with self._turn:  # one after the other, in the order in which they set out
            if self.happens("forged"):
                await self.post(self.forged(self.webhook(event)))
            repeat = self.happens("twice")
            await self._until_taken(event)
            if repeat:
                await self._until_taken(event)
        self._another.set()

    async def _let_another_pass(self) -> None:
        self._another.clear()
        try:
            async with asyncio.timeout(LATE * self.pace):
                await self._another.wait()
        except TimeoutError:
            return

    async def _until_taken(self, event: Any) -> None:
        for pause in (*self.again_after, 0.0):
            status = await self.post(self.webhook(event))
            if 200 <= status < 300 and not self.happens("lost"):
                return
            await self.pause(pause)
        self.given_up.append(event)

    async def post(self, call: Call) -> int:
        """Make a request to the gateway; its status, 0 where no answer came."""
        assert self._client is not None
        timeout = aiohttp.ClientTimeout(total=call.timeout)
        try:
            async with self._client.request(
                call.method, call.url, headers=dict(call.headers), data=call.body or None, timeout=timeout
            ) as answer:
                await self.took(call, answer.status, await answer.read())
                self.answers.append(answer.status)
        except (aiohttp.ClientError, TimeoutError):
            self.answers.append(0)
        return self.answers[-1]

    async def took(self, call: Call, status: int, body: bytes) -> None:  # noqa: B027 - most read nothing
        """What the gateway answered to a delivery; some platforms read it as a reply."""

    # --- being called

    @web.middleware
    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        status, headers = self._fate(request)
        if status not in (0, 200):
            return self.refusal(status, headers)
        response: web.StreamResponse = await handler(request)
        if status == 0 and request.transport is not None:
            request.transport.close()
        return response

    def _fate(self, request: web.Request) -> tuple[int, dict[str, str]]:
        if self.script:
            return self.script.pop(0)
        if self.is_send(request):
            if self.happens("busy"):
                return 429, {"Retry-After": "2"}
            if self.happens("broken"):
                return 500, {}
            if self.happens("cut"):
                return 0, {}
        return 200, {}


def load(name: str) -> type[Platform]:
    """The fake of a channel (its module's ``PLATFORM``). Raises ModuleNotFoundError."""
    platform: type[Platform] = importlib.import_module(f"channels._platforms.{name}").PLATFORM
    return platform
