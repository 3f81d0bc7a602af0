"""The mailbox: every mail exactly once by IMAP, answers in its thread by SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import ssl
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from channels._email import caps, compose, facts, imap, oauth, smtp, threading, tokens
from channels._email.facts import Facts, Heard, Thread
from channels._email.sandbox import Reader
from channels._email.suspects import Suspects
from channels._email.taking import Identity, Raw, Taken, Taker, addresses
from channels._email.watch import Cursor, Rules, Watcher
from channels.base import (
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
    Secret,
    Sender,
    Tools,
    Unauthorized,
)

log = logging.getLogger(__name__)

#: Seconds for the mail of a round trip to come back, and between looks for it.
TRIP_SECONDS, TRIP_PAUSE = 60.0, 1.0
#: Most bytes of all files of one mail: common servers take 25 MB, a third of which is the encoding.
MAX_FILES = 18 * 1024 * 1024


class EmailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.email.<account>]``."""

    address: Annotated[
        str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", description="The mailbox's address; answers come from it.")
    ]
    imap_host: Annotated[str, Meta(min_length=1, description="IMAP server.")]
    smtp_host: Annotated[str, Meta(min_length=1, description="SMTP server.")]
    name: Annotated[str, Meta(description="The name that customers see as the sender; empty for the author's.")] = ""
    aliases: Annotated[tuple[str, ...], Meta(description="Further addresses whose mail comes into this mailbox.")] = ()
    user: Annotated[str, Meta(description="Login name; empty for the address.")] = ""
    password: Annotated[Secret, Meta(description="Password, or the provider's app password (QQ, 163: 授权码).")] = (
        Secret("")
    )
    token_command: Annotated[
        str, Meta(description="Program that prints an OAuth2 access token, instead of a password.")
    ] = ""
    oauth_url: Annotated[str, Meta(description="Token endpoint for OAuth2 with a refresh token.")] = ""
    oauth_client_id: Annotated[str, Meta(description="OAuth2 client id.")] = ""
    oauth_client_secret: Annotated[Secret, Meta(description="OAuth2 client secret, where there is one.")] = Secret("")
    oauth_refresh_token: Annotated[Secret, Meta(description="OAuth2 refresh token.")] = Secret("")
    oauth_scope: Annotated[str, Meta(description="OAuth2 scope, where the provider wants it.")] = ""
    imap_port: Annotated[int, Meta(gt=0, lt=65536, description="IMAP port, with TLS from the first byte.")] = 993
    smtp_port: Annotated[int, Meta(gt=0, lt=65536, description="SMTP port.")] = 465
    smtp_security: Annotated[
        Literal["tls", "starttls"], Meta(description="`tls` from the first byte (465), or `starttls` (587).")
    ] = "tls"
    smtp_login: Annotated[
        bool, Meta(description="Whether the SMTP server wants the login; false for an own relay.")
    ] = True
    ca_file: Annotated[str, Meta(description="Certificates to trust besides the system's, for an own server.")] = ""
    mode: Annotated[
        Literal["move", "leave"],
        Meta(description="`move` takes mails out of the mailbox once they are safe; `leave` touches nothing."),
    ] = "move"
    folders: Annotated[tuple[str, ...], Meta(min_length=1, description="Mailboxes to watch.")] = ("INBOX",)
    processed_folder: Annotated[str, Meta(min_length=1, description="Where mails are moved to.")] = "Allears"
    since: Annotated[
        str, Meta(description="`2026-11-01`: at the first connect take mails from this day on; empty: only new ones.")
    ] = ""
    max_mail: Annotated[int, Meta(gt=0, description="Largest mail in bytes that is fetched whole.")] = 36 * 1024 * 1024
    plus_address: Annotated[
        bool, Meta(description="Whether mail to `name+anything@` reaches the mailbox (not on QQ and 163).")
    ] = True
    bounce_address: Annotated[
        Literal["own", "token", "empty"],
        Meta(description="Envelope sender: the `own` address, one with a `token` (own servers), or `empty`."),
    ] = "own"
    auth_servers: Annotated[
        tuple[str, ...], Meta(description="Names with which your own servers sign Authentication-Results.")
    ] = ()
    footer: Annotated[dict[str, str], Meta(description="Footer by language, for example `zh`, `zh-Hant`, `en`.")] = (
        msgspec.field(default_factory=dict)
    )
    reply_marker: Annotated[bool, Meta(description="Whether mails start with the line to reply above.")] = True
    address_per_hour: Annotated[int, Meta(gt=0, description="Most automatic mails an hour to one address.")] = 5
    domain_per_hour: Annotated[
        int, Meta(gt=0, description="Most automatic mails an hour to one domain (public providers excepted).")
    ] = 20
    mailbox_per_hour: Annotated[int, Meta(gt=0, description="Most automatic mails an hour in all.")] = 500
    automatic_in_a_row: Annotated[
        int, Meta(gt=0, description="Most automatic mails in a conversation until a person writes.")
    ] = 6

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        ways = (self.password, self.token_command, self.oauth_refresh_token)
        if sum(bool(way) for way in ways) != 1:
            raise ValueError("give one of `password`, `token_command` and `oauth_refresh_token`")
        if self.oauth_refresh_token and not (self.oauth_url and self.oauth_client_id):
            raise ValueError("`oauth_refresh_token` needs `oauth_url` and `oauth_client_id`")
        compose.recipient(self.address)
        if self.since:
            _day(self.since)
        if self.mode == "move" and self.processed_folder in self.folders:
            raise ValueError("`processed_folder` is watched itself: mails would go round for ever")
        if self.ca_file:
            _tls(self.ca_file)


class Email:
    """One mailbox."""

    name: ClassVar[str] = "email"
    settings: ClassVar[type[msgspec.Struct]] = EmailSettings
    limits: ClassVar[Limits] = Limits(text=100_000, file=MAX_FILES, files=10)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "signature": "nobody signs mail for us: the login over verified TLS says whose mailbox it is, From stays a claim",
        "raw_body": "a mail carries no signature of the platform over its bytes; its sha256 is its identity instead",
        "handshake": "nobody calls us: we log in to the mailbox, there is no set-up request to answer",
        "unknown_event": "whatever lies in a mailbox is a mail; one that cannot be read is shown as such and kept whole",
        "edits": "a mail that was sent cannot be changed or taken back by its sender",
    }
    suffix: ClassVar[str] = ".eml"
    #: A repeat has the same Message-ID, which many but not all programs show once.
    idempotent: ClassVar[bool] = False

    def __init__(self, account: str, settings: EmailSettings) -> None:
        self.account = account
        self._settings = settings
        self._tls = _tls(settings.ca_file)
        self._tokens = _tokens(settings)
        self._key = b""
        self._facts: Facts | None = None
        self._saying = asyncio.Lock()
        self._suspects = Suspects()

    def __repr__(self) -> str:
        return f"Email({self.account!r})"

    def use_key(self, key: bytes) -> None:
        self._key = key

    def use_memory(self, memory: Memory) -> None:
        self._facts = Facts(memory, self.account, self._key)

    @property
    def known(self) -> Facts:
        """What this account remembers."""
        assert self._facts is not None, "the gateway lends the memory before the start"
        return self._facts

    @property
    def identity(self) -> Identity:
        """Who we are, for reading mails."""
        return Identity(
            account=self.account,
            own=frozenset(addresses((self._settings.address, *self._settings.aliases))),
            keys=(self._key,),
            servers=frozenset(self._settings.auth_servers),
        )

    # --- what comes in ----------------------------------------------------------------------------

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """One watcher for each folder, each with its own connection; they hand over one after another."""
        state = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor(started=tools.now())
        reader = Reader()
        taker = Taker(self.identity, self.known, reader)
        watchers = [
            Watcher(folder, self._rules(), state, self.known, taker, tools, self._suspects)
            for folder in self._settings.folders
        ]
        queue: asyncio.Queue[tuple[Delivery | Exception, asyncio.Event]] = asyncio.Queue(1)
        tasks = [asyncio.create_task(self._feed(watcher, queue, tools)) for watcher in watchers]
        try:
            while True:
                delivery, done = await queue.get()
                if isinstance(delivery, Exception):
                    raise delivery
                yield delivery
                done.set()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await reader.close()

    async def _feed(
        self, watcher: Watcher, queue: asyncio.Queue[tuple[Delivery | Exception, asyncio.Event]], tools: Tools
    ) -> None:
        """What a watcher hands over goes on when it is committed and acked: only then the watcher looks further."""
        try:
            async with contextlib.aclosing(watcher.deliveries(lambda: self._connect(tools))) as deliveries:
                async for delivery in deliveries:
                    done = asyncio.Event()
                    await queue.put((delivery, done))
                    await done.wait()
        except Exception as err:  # told to the gateway, which makes a new connection
            await queue.put((err, asyncio.Event()))

    async def from_archive(self, messages: Sequence[tuple[bytes, datetime]], tools: Tools) -> Delivery:
        """Old mails, known ones left out; nobody is answered."""
        reader, taken = Reader(), Taken()
        taker = Taker(self.identity, self.known, reader)
        try:
            for data, at in messages:
                await taker.take(Raw(data=data, at=at, where="archive", history=True), taken, now=tools.now())
        finally:
            await reader.close()
        return Delivery(messages=tuple(taken.messages), memos=tuple(taken.memos.values()))

    @staticmethod
    async def read_file(data: bytes, at: datetime) -> tuple[Inbound, Mapping[str, Any]]:
        """The message in an ``.eml`` file, and the mail as it was read, its files without their bytes."""
        reader, taken = Reader(), Taken()
        who = Identity(account="", own=frozenset(), keys=(b"\0" * 32,))
        try:
            mail = await reader.read(data)
            await Taker(who, Facts(_Nothing(), "", b""), reader).take(
                Raw(data=data, at=at, where="file"), taken, now=at
            )
        finally:
            await reader.close()
        shown = msgspec.to_builtins(msgspec.structs.replace(mail, attachments=()))
        files = [{"name": f.name, "type": f.type, "size": len(f.data)} for f in mail.attachments]
        return taken.messages[0], {**shown, "attachments": files}

    def _rules(self) -> Rules:
        settings = self._settings
        return Rules(
            target=settings.processed_folder if settings.mode == "move" else "",
            since=_day(settings.since) if settings.since else None,
            max_mail=settings.max_mail,
        )

    async def _connect(self, tools: Tools) -> imap.Connection:
        settings = self._settings
        server = imap.Server(host=settings.imap_host, port=settings.imap_port, tls=self._tls)
        # The token first: fetching one may fail without a connection to the mailbox.
        token = await self._tokens.get(tools) if self._tokens else ""
        connection = await imap.Connection.open(server)
        try:
            if self._tokens:
                await connection.login_with_token(self._user, token)
            else:
                await connection.login(self._user, settings.password)
        except BaseException as err:
            connection.drop()
            if isinstance(err, Unauthorized) and self._tokens:
                self._tokens.forget()
            raise
        return connection

    @property
    def _user(self) -> str:
        return self._settings.user or self._settings.address

    # --- what goes out ----------------------------------------------------------------------------

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """Send one mail. Its Message-ID derives from the outbound key and is remembered before."""
        thread = (await self.known.threads([out.thread])).get(out.thread)
        if thread is None:
            raise Refused("nobody knows (any more) where answers of this conversation go")
        heard = thread.heard.get(out.reply_to) or Heard(thread.ids[-1] if thread.ids else "", thread.to)
        recipient = compose.recipient(heard.to or thread.to)
        if recipient.lower() in self.identity.own:
            raise Refused("the answer would go to ourselves")
        message_id = self._message_id(out.key)
        async with self._saying:
            said = await self._say(out, recipient, message_id, tools)
        files = [(file.name, file.type, await tools.read(file)) for file in out.attachments]
        if sum(len(data) for _, _, data in files) > MAX_FILES:
            raise Refused(f"the files have more than {MAX_FILES // 1024 // 1024} MB together")
        letter = self._letter(out, thread, heard, recipient, message_id, said, tools, files)
        # Encoding a large file takes its time; the loop has other things to do.
        mail = await asyncio.to_thread(compose.build, out, letter)
        await smtp.send(self._server(), self._login(tools), self._envelope(out.thread, out), recipient, mail)
        return Receipt(external_ids=(message_id,))

    async def begin(self, sender: Sender, key: str) -> str:
        """A thread of its own for each ``key``; the address is kept about the thread and goes with it."""
        if not sender.email or sender.email.lower() in self.identity.own:
            return ""
        thread = hashlib.sha256(f"begun {key}".encode()).hexdigest()[:20]
        if thread not in await self.known.threads([thread]):
            value = Thread(to=sender.email, participants=[sender.email.lower()])
            memo = Memo(key=self.known.thread(thread), value=facts.text(value), about=self.known.about(thread))
            await self.known.remember([memo])
        return thread

    async def _say(self, out: Outbound, recipient: str, message_id: str, tools: Tools) -> list[str]:
        """Remember that it is being said; the ids that we said before. A repeat of the same key is counted once."""
        said = await self.known.said_in(out.thread)
        before = [one for one in said.ids if one != message_id]
        begun = self.known.sent(out.key)
        if await self.known.recall([begun]):
            return before
        memos = [Memo(key=begun, value=message_id), Memo(key=self.known.id(message_id), value=out.thread)]
        memos += [Memo(key=self.known.number(one), value=out.thread) for one in threading.numbers(out.text)]
        if out.kind == "human":
            said.automatic, said.last = 0, ""
        else:
            text = facts.digest(out.text)
            memos += await caps.count(out, recipient, said, text, self._caps(), self.known, tools.now())
            said.automatic, said.last = said.automatic + 1, text
        said.ids = facts.joined([*before, message_id])
        memos.append(Memo(key=self.known.said(out.thread), value=facts.text(said)))
        await self.known.remember(memos)
        return before

    def _caps(self) -> caps.Caps:
        settings = self._settings
        return caps.Caps(
            address=settings.address_per_hour,
            domain=settings.domain_per_hour,
            mailbox=settings.mailbox_per_hour,
            conversation=settings.automatic_in_a_row,
        )

    def _letter(
        self,
        out: Outbound,
        thread: Thread,
        heard: Heard,
        recipient: str,
        message_id: str,
        said: list[str],
        tools: Tools,
        files: list[tuple[str, str, bytes]],
    ) -> compose.Letter:
        settings = self._settings
        # In the order of the talk: programs build their trees from it. What is answered comes last (RFC 5322, 3.6.4).
        chain = [*(one for one in (*thread.ids, *said) if one != heard.message_id), heard.message_id]
        token = tokens.mint(self._key, out.thread) if settings.plus_address else ""
        return compose.Letter(
            sender=settings.address,
            name=settings.name or out.author,
            recipient=recipient,
            reply_to=tokens.address(settings.address, token) if token else "",
            subject=out.subject or thread.subject,
            message_id=message_id,
            in_reply_to=heard.message_id,
            references=facts.joined([one for one in chain if one and one != message_id]),
            mark=self.identity.mark,
            at=tools.now(),
            footers=settings.footer,
            marker=settings.reply_marker,
            files=files,
        )

    def _message_id(self, key: str) -> str:
        domain = self._settings.address.rpartition("@")[2]
        return f"{facts.digest(self._key.hex() + key)}@{domain}"

    def _envelope(self, thread: str, out: Outbound) -> str:
        if self._settings.bounce_address == "token":
            return tokens.address(self._settings.address, tokens.mint(self._key, thread, "b"))
        return "" if self._settings.bounce_address == "empty" and out.kind != "human" else self._settings.address

    def _server(self) -> smtp.Server:
        settings = self._settings
        return smtp.Server(
            host=settings.smtp_host, port=settings.smtp_port, security=settings.smtp_security, tls=self._tls
        )

    def _login(self, tools: Tools) -> smtp.Login:
        if not self._settings.smtp_login:
            return smtp.nobody
        if self._tokens is None:
            return smtp.with_password(self._user, self._settings.password)
        own = self._tokens
        return smtp.with_token(self._user, lambda: own.get(tools))

    # --- whether it works -------------------------------------------------------------------------

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        """Log in to both servers and open every folder; nothing is changed and no mail is sent."""
        return (*await self._check_imap(tools), await self._check_smtp(tools))

    async def _check_imap(self, tools: Tools) -> list[Finding]:
        what = f"IMAP {self._settings.imap_host}:{self._settings.imap_port}"
        try:
            connection = await self._connect(tools)
        except ChannelError as err:
            return [Finding(what=what, ok=False, detail=_advice(err))]
        findings = [Finding(what=what, ok=True, detail=_abilities(connection))]
        try:
            for folder in self._settings.folders:
                status = await connection.select(folder)
                ok = not (status.read_only and self._settings.mode == "move")
                detail = "opens" if ok else 'is read-only: mails cannot be moved, use mode = "leave"'
                findings.append(Finding(what=f"mailbox {folder}", ok=ok, detail=detail))
            if self._settings.mode == "move" and not (connection.can("MOVE") or connection.can("UIDPLUS")):
                findings.append(Finding(what="moving", ok=False, detail='not offered: use mode = "leave"'))
        except (imap.Declined, ChannelError) as err:
            findings.append(Finding(what="mailbox", ok=False, detail=str(err)))
        finally:
            await connection.close()
        return findings

    async def _check_smtp(self, tools: Tools) -> Finding:
        what = f"SMTP {self._settings.smtp_host}:{self._settings.smtp_port}"
        try:
            await smtp.check(self._server(), self._login(tools))
        except ChannelError as err:
            return Finding(what=what, ok=False, detail=_advice(err))
        return Finding(what=what, ok=True, detail="lets us in")

    async def round_trip(self, tools: Tools) -> tuple[Finding, ...]:
        """Send ourselves a mail, wait for it, and remove it."""
        findings = await self.check(tools)
        if not all(finding.ok for finding in findings):
            return findings
        at = tools.now()
        id = self._message_id(f"round trip {at.isoformat()}")
        mail = self._probe(id, at)
        try:
            await smtp.send(self._server(), self._login(tools), self._settings.address, self._settings.address, mail)
            seconds = await self._find(id, tools)
        except (imap.Declined, ChannelError) as err:
            return (*findings, Finding(what="a mail to ourselves", ok=False, detail=_advice(err)))
        ok = seconds is not None
        detail = (
            f"came back after {seconds:.1f} s and was removed"
            if ok
            else (
                f"was sent and did not come back within {TRIP_SECONDS:.0f} s; look into the spam folder and the filters"
            )
        )
        return (*findings, Finding(what="a mail to ourselves", ok=ok, detail=detail))

    def _probe(self, id: str, at: datetime) -> bytes:
        out = Outbound(
            key=id, channel=self.name, account=self.account, thread="", kind="status", text="Allears writes to itself."
        )
        letter = compose.Letter(
            sender=self._settings.address,
            name="Allears",
            recipient=self._settings.address,
            reply_to="",
            subject="Allears connection test",
            message_id=id,
            in_reply_to="",
            references=(),
            mark=self.identity.mark,
            at=at,
            footers={},
            marker=False,
        )
        return compose.build(out, letter)

    async def _find(self, id: str, tools: Tools) -> float | None:
        """Seconds until the mail was there; None when it did not come. A running watcher may have moved it already."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        places = dict.fromkeys((*self._settings.folders, self._settings.processed_folder))
        connection = await self._connect(tools)
        try:
            while loop.time() - started < TRIP_SECONDS:
                for folder in places:
                    with contextlib.suppress(imap.Declined):
                        await connection.select(folder)
                        found = await connection.search(f'HEADER Message-ID "{id}"')
                        if found:
                            seconds = loop.time() - started
                            await connection.remove(",".join(map(str, found)))
                            return seconds
                await asyncio.sleep(TRIP_PAUSE)
        finally:
            await connection.close()
        return None


class _Nothing:
    """A memory that knows nothing."""

    async def recall(self, keys: Iterable[str]) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    async def remember(self, memos: Sequence[Memo]) -> None: ...


def _tls(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as err:
            raise ValueError(f"`ca_file` cannot be read: {err}") from err
    return context


def _tokens(settings: EmailSettings) -> oauth.Tokens | None:
    if settings.token_command:
        return oauth.by_command(settings.token_command)
    if settings.oauth_refresh_token:
        return oauth.by_refresh(
            settings.oauth_url,
            settings.oauth_client_id,
            settings.oauth_client_secret,
            settings.oauth_refresh_token,
            settings.oauth_scope,
        )
    return None


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as err:
        raise ValueError("`since` is a day such as 2026-11-01") from err


def _abilities(connection: imap.Connection) -> str:
    missing = [name for name in ("IDLE", "MOVE", "UIDPLUS") if not connection.can(name)]
    return f"lets us in; without {', '.join(missing)}" if missing else "lets us in"


def _advice(err: Exception) -> str:
    said = f"{type(err).__name__}: {err}"
    if isinstance(err, Unauthorized):
        return f"{said} - check user and password; many providers want an app password or OAuth2"
    return said


CHANNEL = Email
