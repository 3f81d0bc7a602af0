"""The one place that speaks IMAP: aioimaplib, held to what it does well.

aioimaplib 2.0.3 does not notice a lost connection, keeps state after a cancelled command, and its parser fails on long
answers. So: TLS from the first byte; one command at a time; a deadline on every one; whatever times out, is cancelled or
surprises us drops the connection, and the caller starts over with a new one. Bodies are literals, which its parser takes
whole; lists are asked for in slices. New mail is noticed in every line the server sends, not by its queue.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import re
import ssl
from collections.abc import Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aioimaplib import aioimaplib as lib  # type: ignore[import-untyped]

from channels.base import Retry, Unauthorized

# The library logs whole mails, and what it logs it formats even when nobody listens.
logging.getLogger(lib.__name__).disabled = True

#: Seconds for connecting with TLS and the greeting, and for an ordinary command.
CONNECT_SECONDS = 30.0
COMMAND_SECONDS = 60.0
#: Seconds a body may be silent, and take as a whole.
SILENCE_SECONDS = 30.0
BODY_SECONDS = 600.0
#: Seconds for the server to acknowledge the beginning and the end of IDLE.
ACK_SECONDS = 15.0
#: Most messages named in one command: longer answers overflow the library's stack.
SLICE = 100

_META = re.compile(rb"FETCH \(")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]+)"')
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Declined(Exception):
    """The server said NO or BAD to a command; the connection is good. The text is the server's."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A selected mailbox. ``next_uid`` is 0 where the server does not tell."""

    validity: int
    next_uid: int = 0
    read_only: bool = False
    keywords: bool = False
    """Whether new keywords may be set."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message before it is fetched: size in bytes, and when the server got it (UTC)."""

    uid: int
    size: int
    at: datetime


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mailbox is. ``tls`` verifies the server's name."""

    host: str
    port: int
    tls: ssl.SSLContext


class _Protocol(lib.IMAP4ClientProtocol):  # type: ignore[misc]
    """The library's connection, with ears: it tells when it is lost and when mail comes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.incomplete_line: bytes = b""
        self.current_command: Any = None
        self.lost: asyncio.Future[None] = loop.create_future()
        self.news = asyncio.Event()
        self.bye = ""

    def data_received(self, d: bytes) -> None:
        # The library's own method formats every chunk for its log, a whole mail each time.
        try:
            self._handle_responses(self.incomplete_line + d, self._handle_line, self.current_command)
            self.incomplete_line, self.current_command = b"", None
        except lib.IncompleteRead as rest:
            self.current_command, self.incomplete_line = rest.cmd, rest.data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        super().connection_lost(exc)

    def _handle_line(self, line: bytes, current_cmd: Any) -> Any:
        if line.startswith(b"* "):
            if line.endswith((b" EXISTS", b" RECENT")):
                self.news.set()
            elif line.startswith(b"* BYE"):
                self.bye = line[6:160].decode("ascii", "replace")
                if self.state == lib.CONNECTED:  # a greeting that sends us away: the library would wait for ever
                    self.transport.abort()
                    return None
        return super()._handle_line(line, current_cmd)

    def _continuation(self, line: bytes) -> None:
        pending = self.pending_sync_command
        if pending is not None and pending.name == "AUTHENTICATE":
            self.send("")  # the reason of a refusal in base64: an empty answer brings the NO (RFC 7628, 3.2.3)
        else:
            super()._continuation(line)


class Connection:
    """One connection. Every method may raise :class:`Retry`: it is gone then, and a new one is needed."""

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, server: Server) -> Connection:
        """Connect with TLS and read the greeting."""
        loop = asyncio.get_running_loop()
        protocol = _Protocol(loop)
        connection = cls(protocol)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: protocol, server.host, server.port, ssl=server.tls)
            await connection._run(protocol.wait("AUTH|NONAUTH"), CONNECT_SECONDS)
        except ssl.SSLError as err:
            raise Retry(f"{server.host}: TLS failed: {err.reason or type(err).__name__}") from err
        except (OSError, TimeoutError) as err:
            raise Retry(f"{server.host}: no connection: {type(err).__name__}") from err
        return connection

    # --- who we are

    async def login(self, user: str, password: str) -> None:
        """Log in with a password. Raises :class:`Unauthorized`."""
        if self.can("LOGINDISABLED"):
            raise Unauthorized("the server allows no login with a password")
        await self._let_in(self._protocol.login(lib.quoted(user), password))

    async def login_with_token(self, user: str, token: str) -> None:
        """Log in with an OAuth2 access token (XOAUTH2). Raises :class:`Unauthorized`."""
        if not self.can("AUTH=XOAUTH2"):
            raise Unauthorized("the server does not offer XOAUTH2")
        await self._let_in(self._protocol.xoauth2(user, token))

    async def _let_in(self, attempt: Coroutine[Any, Any, Any]) -> None:
        answer = await self._run(attempt, COMMAND_SECONDS)
        if answer.result != "OK":
            said = _text(answer)
            self.drop()
            # RFC 5530: the server is not well, the password may be right.
            raise Retry(said) if "[UNAVAILABLE]" in said or "[INUSE]" in said else Unauthorized(said)
        await self._run(self._protocol.capability(), COMMAND_SECONDS)  # it may change with the login
        if self.can("ID"):  # 163.com and 126.com open no folder for programs without a name
            name = '("name" "Allears" "version" "1" "vendor" "Allears")'
            await self._command("ID", name)

    def can(self, capability: str) -> bool:
        """Whether the server names a capability."""
        return capability in {name.upper() for name in self._protocol.capabilities}

    # --- looking

    async def select(self, folder: str) -> Status:
        """Open a mailbox. Raises :class:`Declined` when there is none."""
        answer = await self._done(self._protocol.select(_mailbox(folder)))
        said = b"\n".join(bytes(line) for line in answer.lines)
        validity, following = re.search(rb"\[UIDVALIDITY (\d+)", said), re.search(rb"\[UIDNEXT (\d+)", said)
        if validity is None:
            raise Declined("the mailbox has no UIDVALIDITY, so its messages cannot be told apart")
        flags = re.search(rb"\[PERMANENTFLAGS \(([^)]*)\)", said)
        return Status(
            validity=int(validity[1]),
            next_uid=int(following[1]) if following else 0,
            read_only=b"[READ-ONLY]" in said,
            keywords=flags is not None and b"\\*" in flags[1],
        )

    async def search(self, criteria: str) -> list[int]:
        """UIDs in ascending order. What comes after this call makes :meth:`wait` return at once."""
        self._protocol.news.clear()
        answer = await self._done(self._protocol.search(criteria, by_uid=True, charset=None))
        numbers = b" ".join(bytes(line) for line in answer.lines[:-1]).split()
        return sorted({int(number) for number in numbers if number.isdigit()})

    async def metas(self, uids: Sequence[int]) -> list[Meta]:
        """Size and time of messages, at most :data:`SLICE`, those that are gone left out."""
        wanted = ",".join(map(str, uids))
        part = "(UID INTERNALDATE RFC822.SIZE)"
        answer = await self._done(self._protocol.fetch(wanted, part, by_uid=True, timeout=COMMAND_SECONDS))
        found = {meta.uid: meta for meta in map(_meta, answer.lines) if meta is not None}
        return [found[uid] for uid in uids if uid in found]

    async def beginning(self, uid: int, size: int) -> bytes | None:
        """The first ``size`` bytes of a message; None when it is gone."""
        return (await self._fetched([uid], f"BODY.PEEK[]<0.{size}>")).get(uid)

    async def bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Messages as they are, at most :data:`SLICE`; those that are gone are left out. Nothing is marked as read."""
        return await self._fetched(uids, "BODY.PEEK[]")

    async def _fetched(self, uids: Sequence[int], part: str) -> dict[int, bytes]:
        wanted = ",".join(map(str, uids))
        fetching = self._protocol.fetch(wanted, f"(UID {part})", by_uid=True, timeout=SILENCE_SECONDS)
        answer = await self._done(fetching, BODY_SECONDS)
        return {uid: body for uid, body in map(_body, _answers(answer.lines)) if uid in uids and body is not None}

    async def wait(self, seconds: float, poll: float) -> None:
        """Until there may be new mail: by IDLE for ``seconds``, or ``poll`` seconds where the server has none."""
        if not self.can("IDLE"):
            await self._news(poll)
            return
        protocol = self._protocol
        async with self._lock:
            idling = asyncio.ensure_future(protocol.execute(lib.IdleCommand(protocol.new_tag(), protocol.idle_queue)))
            try:
                await self._within(protocol.wait_for_idle_response(), ACK_SECONDS)
                await self._news(seconds)
                protocol.idle_done()
                await self._within(asyncio.shield(idling), ACK_SECONDS)
            finally:
                if not idling.done():
                    idling.cancel()
                    self.drop()

    async def _news(self, seconds: float) -> None:
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self._protocol.news.wait())
        try:
            await asyncio.wait({waiting, self._protocol.lost}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._check_alive()

    # --- touching: only what is committed already

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move messages; those that are gone are no error. Raises :class:`Declined`."""
        for start in range(0, len(uids), SLICE):
            await self._move(",".join(map(str, uids[start : start + SLICE])), folder)

    async def _move(self, wanted: str, folder: str) -> None:
        if self.can("MOVE"):
            await self._done(self._protocol.move(wanted, _mailbox(folder), by_uid=True))
            return
        # A bare EXPUNGE would also remove what people have marked as deleted.
        if not self.can("UIDPLUS"):
            raise Declined('the server has neither MOVE nor UIDPLUS; use mode = "leave"')
        await self._done(self._protocol.copy(wanted, _mailbox(folder), by_uid=True))
        await self.remove(wanted)

    async def remove(self, wanted: str) -> None:
        """Remove messages for good (needs UIDPLUS). Raises :class:`Declined`."""
        await self.flag(wanted, "\\Deleted")
        if self.can("UIDPLUS"):
            await self._done(self._protocol.expunge(wanted, by_uid=True))

    async def flag(self, wanted: str, flag: str) -> None:
        """Set a flag. Raises :class:`Declined`."""
        await self._done(self._protocol.store(wanted, "+FLAGS.SILENT", f"({flag})", by_uid=True))

    async def create(self, folder: str) -> None:
        """Make a mailbox. Raises :class:`Declined`."""
        await self._command("CREATE", _mailbox(folder))

    async def close(self) -> None:
        """Say goodbye, if there is time for it."""
        with contextlib.suppress(Retry, Declined):
            await self._run(self._protocol.logout(), 2.0)
        self.drop()

    def drop(self) -> None:
        """End the connection now."""
        for task in list(self._protocol.tasks):
            task.cancel()
        if self._protocol.transport is not None:
            self._protocol.transport.abort()
        if not self._protocol.lost.done():
            self._protocol.lost.set_result(None)

    # --- one command at a time, each with a deadline

    async def _command(self, name: str, *arguments: str) -> Any:
        return await self._done(self._protocol.execute(lib.Command(name, self._protocol.new_tag(), *arguments)))

    async def _done(self, command: Coroutine[Any, Any, Any], seconds: float = COMMAND_SECONDS) -> Any:
        answer = await self._run(command, seconds)
        if answer.result != "OK":
            raise Declined(_text(answer))
        return answer

    async def _run(self, command: Coroutine[Any, Any, Any], seconds: float) -> Any:
        async with self._lock:
            return await self._within(command, seconds)

    async def _within(self, work: Coroutine[Any, Any, Any] | asyncio.Future[Any], seconds: float) -> Any:
        if self._protocol.lost.done() and asyncio.iscoroutine(work):
            work.close()
        self._check_alive()
        task = asyncio.ensure_future(work)
        finished = False
        try:
            await asyncio.wait({task, self._protocol.lost}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finished = task.done() and task.exception() is None
        finally:
            if not finished:
                task.cancel()
                self.drop()
        if not finished:
            reason = self._protocol.bye or ("no answer in time" if not task.done() else "an answer that makes no sense")
            raise Retry(f"the connection is gone: {reason}")
        return task.result()

    def _check_alive(self) -> None:
        if self._protocol.lost.done():
            raise Retry(f"the connection is gone: {self._protocol.bye or 'closed by the server'}")


def search_date(at: datetime) -> str:
    """A day as SEARCH wants it."""
    return f"{at.day}-{_MONTHS[at.month - 1]}-{at.year}"


def _meta(line: bytes | bytearray) -> Meta | None:
    if isinstance(line, bytearray) or not _META.search(line):
        return None
    uid, size, at = _UID.search(line), _SIZE.search(line), _DATE.search(line)
    if uid is None or size is None or at is None:
        return None
    try:
        got = datetime.strptime(at[1].decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        got = datetime.fromtimestamp(0, UTC)
    return Meta(uid=int(uid[1]), size=int(size[1]), at=got)


def _answers(lines: Sequence[bytes | bytearray]) -> Iterator[list[bytes | bytearray]]:
    """The lines of each FETCH answer; a literal is a bytearray of its own."""
    one: list[bytes | bytearray] = []
    for line in lines:
        if not isinstance(line, bytearray) and _META.search(line):
            yield one
            one = []
        one.append(line)
    yield one


def _body(answer: list[bytes | bytearray]) -> tuple[int, bytes | None]:
    """UID and body of an answer; no body when it is another one (a flag that somebody has set meanwhile)."""
    said = b" ".join(bytes(line) for line in answer if not isinstance(line, bytearray))
    uid = _UID.search(said)
    if uid is None or b"BODY[" not in said:
        return 0, None
    return int(uid[1]), next((bytes(line) for line in answer if isinstance(line, bytearray)), b"")


def _text(answer: Any) -> str:
    last = bytes(answer.lines[-1]) if answer.lines else b""
    return f"{answer.result} {last[:200].decode('ascii', 'replace')}"


def _mailbox(name: str) -> str:
    """A mailbox's name in modified UTF-7 (RFC 3501, 5.1.3), quoted."""
    out = ""
    for piece in re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", name):
        if piece[0] <= "\x7e" and piece[0] >= " ":
            out += piece.replace("&", "&-")
        else:
            coded = base64.b64encode(piece.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
            out += f"&{coded}-"
    return str(lib.quoted(out))
