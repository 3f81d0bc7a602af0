"""XMPP: chats with an account on any server that keeps an archive.

What is said is read from the server's archive (XEP-0313), whose id of the last message is the cursor and is committed with it; what
the server delivers meanwhile only wakes us. So nothing has to be acknowledged before it is stored, and what was said while we
were away comes as everything else does. A component (XEP-0114) has no archive, so it is not offered.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from xml.etree.ElementTree import Element, SubElement

import msgspec
from msgspec import Meta
from slixmpp.jid import JID, InvalidJID

from channels import _xmpp_session as sessions
from channels._xmpp_session import Session, Tls
from channels._xmpp_stanzas import (
    LOCKED,
    OOB,
    RECEIPTS,
    REPLY,
    SID,
    Archived,
    Known,
    Reader,
    bare,
    child,
    ids,
    mentions,
)
from channels.base import (
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
    Sender,
    Tools,
    Unknown,
    settle,
)

#: Seconds after which the archive is asked although nothing has come.
POLL = 60.0
#: What was said longer ago before the first connect is left where it is.
SKEW = timedelta(minutes=10)
#: What somebody is told whose words we cannot read.
NOT_READABLE = (
    "What you write here is encrypted and cannot be read by us. Please switch encryption (OMEMO) off for this chat and write again.\n"
    "您的消息已加密，我们无法读取。请在此聊天中关闭加密（OMEMO）后重新发送。"
)
#: What XML cannot hold.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[channels.xmpp.<account>]``."""

    jid: Annotated[str, Meta(description="The account's address (`complaints@example.org`).")]
    password: Annotated[Secret, Meta(description="Its password.")]
    host: Annotated[
        str, Meta(description="The server's name, where the address's domain does not lead to it (SRV).")
    ] = ""
    port: Annotated[int, Meta(description="The server's port, beside `host`.")] = 5222
    tls: Annotated[
        Tls,
        Meta(
            description="`starttls`, `direct` (from the first byte on), or `none` on a connection that is safe otherwise."
        ),
    ] = "starttls"
    ca: Annotated[str, Meta(description="A file with the certificate to trust, where it is not a public one.")] = ""

    def __post_init__(self) -> None:
        """Raises ValueError, which says what to change."""
        if not self.password:
            raise ValueError("`password` must not be empty")
        try:
            local = JID(self.jid).local
        except InvalidJID:
            local = ""
        if not local:
            raise ValueError("`jid` is an address like complaints@example.org")


class Xmpp:
    """One account. Its threads are the bare addresses of those who write."""

    name: ClassVar[str] = "xmpp"
    settings: ClassVar[type[msgspec.Struct]] = Settings
    limits: ClassVar[Limits] = Limits(text=10_000, unit="byte", file=50 * 1024 * 1024, files=1, caption=0)
    exempt: ClassVar[Mapping[Promise, str]] = {
        "signature": "an XMPP server does not call us: we log in to it over TLS",
        "raw_body": "an XMPP server does not call us, so there is no request whose bytes could be signed",
        "handshake": "an XMPP server does not call us, so there is no set-up request to answer",
        "unknown_event": "stanzas without words are passed over by their kind, tests/channels/xmpp shows which",
        "edits": "corrections and retractions come from the archive, tests/channels/xmpp shows what becomes of them",
    }
    idempotent: ClassVar[bool] = False
    #: A message whose fate is unknown is found in the archive, as an echo, when we are connected again.
    news_within: ClassVar[float] = 120.0

    def __init__(self, account: str, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self._me = bare(settings.jid)
        self._reader = Reader(self.name, account, self._me)
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"Xmpp({self.account!r})"

    def use_memory(self, memory: Memory) -> None:
        self._memory = memory

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Session]:
        settings = self._settings
        where = {"host": settings.host, "port": settings.port, "tls": settings.tls, "ca": settings.ca}
        try:
            async with sessions.opened(settings.jid, settings.password, **where) as session:
                yield session
        except OSError as err:
            raise Retry(f"no connection: {type(err).__name__}") from err

    # --- what comes in

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        """What the archive has after the cursor, for ever. Raises :class:`Retry`, :class:`Unauthorized`."""
        last = Known.of(cursor) if cursor else Known("", tools.now() - SKEW)
        async with self._opened() as session:
            await session.begin()
            self._session = session
            try:
                while True:
                    session.news.clear()
                    async for delivery in self._archived(session, last, tools):
                        last = Known.of(delivery.cursor) if delivery.cursor else last
                        yield delivery
                    async for delivery in self._beside(session, tools):
                        yield delivery
                    yield Delivery()
                    await self._wait(session)
            finally:
                self._session = None

    async def _wait(self, session: Session) -> None:
        """Until something comes; where nothing does, whether the server is still there. Raises :class:`Retry`."""
        try:
            async with asyncio.timeout(POLL):
                await session.news.wait()
        except TimeoutError:
            await session.ping()
        if session.lost:
            raise Retry("the connection to the XMPP server is lost")

    async def _archived(self, session: Session, last: Known, tools: Tools) -> AsyncIterator[Delivery]:
        """Pages of the archive, each with the cursor after it. Where it has forgotten our place, from that time on."""
        if not last.id:
            yield Delivery(cursor=str(last))
        whole = False
        while not whole:
            try:
                page, whole = await session.archive(last.id, None if last.id else last.at)
            except Refused:
                yield Delivery(trouble="the archive has lost messages: it does not reach back to the last one we have")
                page, whole = await session.archive("", last.at)
            if page:
                last = Known(page[-1].id, page[-1].at)
                yield await self._delivery(session, page, str(last), tools)

    async def _beside(self, session: Session, tools: Tools) -> AsyncIterator[Delivery]:
        """What the archive does not have: messages whose sender wants them nowhere stored, and what came back."""
        loose, session.loose = session.loose, []
        if loose:
            now = tools.now()
            page = [Archived(id=f"live:{bare(s.get('from', ''))}:{s.get('id', '')}", at=now, stanza=s) for s in loose]
            yield await self._delivery(session, page, None, tools)
        bounced, session.bounced = session.bounced, []
        if bounced:
            yield Delivery(messages=tuple(self._bounce(stanza, tools.now()) for stanza in bounced))

    def _bounce(self, stanza: Element, now: datetime) -> Inbound:
        who, id = bare(stanza.get("from", "")), stanza.get("id", "")
        return Inbound(
            channel=self.name,
            account=self.account,
            external_id=f"error:{id}",
            thread=who,
            sender=Sender(id=who),
            at=now,
            kind="status",
            delivery="failed",
            refers_to=id,
            text=str(sessions.error(stanza)),
        )

    async def _delivery(self, session: Session, page: Sequence[Archived], cursor: str | None, tools: Tools) -> Delivery:
        """A page as messages, with what has to be known when they are spoken of again."""
        keys = {self._key(who, id): (who, id) for item in page for who, id in mentions(item.stanza) if id}
        found = await self._memory.recall(keys)
        known = {keys[key]: Known.of(value) for key, value in found.items()}
        messages: list[Inbound] = []
        memos: list[Memo] = []
        receipts: list[tuple[str, str]] = []
        for item in page:
            message = self._reader.read(item, known, tools.now())
            if message is None:
                continue
            if message.machine:
                key = self._sent_key(message.refers_to)
                ours = (await self._memory.recall([key])).get(key, "")
                message = msgspec.structs.replace(message, delivered_key=ours)
            messages.append(message)
            if message.kind == "message":
                who, about = message.sender.id, f"{self.account}/{message.thread}"
                for id in ids(item.stanza):
                    if (who, id) not in known or message.external_id == item.id:
                        known[who, id] = Known(message.external_id, item.at)
                        memos.append(Memo(key=self._key(who, id), value=str(known[who, id]), about=about))
                        memos.append(Memo(key=self._id_key(message.external_id), value=id, about=about))
            if child(item.stanza, "request", RECEIPTS) is not None and not message.machine:
                receipts.append((item.stanza.get("from", ""), (ids(item.stanza) or [""])[0]))
        sealed = {m.thread for m in messages if m.placeholder == LOCKED and not m.machine}

        async def ack() -> None:
            await self._heard(session, receipts, sealed)

        return Delivery(messages=tuple(messages), cursor=cursor, memos=tuple(memos), ack=ack)

    def _key(self, who: str, id: str) -> str:
        return f"{self.account}/said/{who}/{id}"

    def _sent_key(self, id: str) -> str:
        return f"{self.account}/sent/{id}"

    def _id_key(self, external_id: str) -> str:
        return f"{self.account}/id/{external_id}"

    async def _heard(self, session: Session, receipts: Sequence[tuple[str, str]], sealed: set[str]) -> None:
        """Say that messages have arrived, now that they are stored, and once to each that we cannot read theirs."""
        for to, id in receipts:
            if to and id:
                session.note(to, Element(f"{{{RECEIPTS}}}received", {"id": id}))
        told = {f"{self.account}/told/{thread}": thread for thread in sealed}
        known = await self._memory.recall(told)
        for key, thread in told.items():
            if key not in known:
                session.say(thread, _stanza_id(key), NOT_READABLE)
                await self._memory.remember([Memo(key=key, value="1", about=f"{self.account}/{thread}")])

    # --- what goes out

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        """One message. The server has taken it when it answers the question that follows it."""
        session = self._session
        if session is not None and not session.lost:
            return await self._sent(session, out, tools)
        async with self._opened() as session:
            return await self._sent(session, out, tools)

    async def _sent(self, session: Session, out: Outbound, tools: Tools) -> Receipt:
        id, text, more = _stanza_id(out.key), _ILLEGAL.sub("", out.text), []
        if out.attachments:
            text = await self._uploaded(session, out.attachments[0], tools)
            shared = Element(f"{{{OOB}}}x")
            SubElement(shared, f"{{{OOB}}}url").text = text
            more.append(shared)
        if out.reply_to and (answered := (await self._memory.recall([key := self._id_key(out.reply_to)])).get(key)):
            more.append(Element(f"{{{REPLY}}}reply", {"to": out.thread, "id": answered}))
        more += [Element(f"{{{RECEIPTS}}}request"), Element(f"{{{SID}}}origin-id", {"id": id})]
        # The archive shows it under this id: so it is known again whatever becomes of the connection.
        await self._memory.remember([Memo(key=self._sent_key(id), value=out.key, about=f"{self.account}/{out.thread}")])
        await session.hand_over(out.thread, id, text, *more)
        session.news.set()  # the archive has it as well
        return Receipt(external_ids=(id,))

    async def _uploaded(self, session: Session, file: Attachment, tools: Tools) -> str:
        """Put a file where the server says (XEP-0363); the link to it."""
        put, headers, link = await session.slot(file.name or "file", file.size, file.type)
        headers = {**headers, "content-type": file.type or "application/octet-stream"}
        try:
            settle(
                await tools.http(
                    Call(method="PUT", url=put, headers=headers, body=await tools.read(file), timeout=120.0)
                )
            )
        except Unknown as err:
            raise Retry("no answer to an upload") from err
        return link

    # --- connecting

    async def check(self, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002 - the connection is not the gateway's
        """Log in and look whether there is an archive; nothing changes."""
        try:
            async with self._opened() as session:
                await session.archive("", None)
        except ChannelError as err:
            return (Finding(what="the XMPP account", ok=False, detail=str(err)),)
        return (Finding(what="the XMPP account", ok=True, detail=f"{self._me}, with an archive"),)

    def steps(self, url: str) -> tuple[str, ...]:  # noqa: ARG002 - a server is logged in to, it does not call
        """What a person does at the server."""
        return (
            "Make an account for this at your XMPP server (`prosodyctl adduser complaints@example.org`): `jid` and `password`. "
            "Its address is what customers write to.",
            "The server must keep an archive (mod_mam in Prosody, ejabberd: mod_mam) that reaches back longer than any outage of yours.",
            'For files from the desk switch HTTP uploads on (Prosody: Component "upload.example.org" "http_file_share").',
            "No public address is needed: the gateway connects to the server.",
        )

    async def set_up(self, url: str, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        return await self.check(tools)


def _stanza_id(key: str) -> str:
    """The same for the same message, and nobody's business where it came from."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


CHANNEL = Xmpp
