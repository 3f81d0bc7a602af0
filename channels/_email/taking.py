"""From a mail's bytes to the inbound message: known or new, whose thread, person or machine, and what to remember."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from channels._email import auth, classify, facts, threading, tokens
from channels._email.facts import Facts, Heard, Thread
from channels._email.mail import Address, Mail
from channels._email.sandbox import Reader
from channels._email.threading import Known, Lookup, Place
from channels.base import Attachment, Inbound, MachineKind, Memo, Sender

#: The thread of reports and echoes that belong to nothing of ours.
REPORTS = "reports"
#: The header that every mail of ours carries.
OWN_HEADER = "X-Allears-Id"
#: A sender's clock is believed so far before and after the moment the server got the mail.
EARLIER, LATER = timedelta(days=2), timedelta(minutes=5)

_MACHINE: dict[str, MachineKind] = {
    "human": "",
    "auto_reply": "auto_reply",
    "bounce": "bounce",
    "list": "list",
    "feedback_report": "bounce",
}
_OWN = re.compile(rb"(?im)^x-allears-id:[ \t]*([a-z2-7]{16})")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are: the account, our addresses in lower case, the keys of our tokens and the names of our own servers."""

    account: str
    own: frozenset[str]
    keys: tuple[bytes, ...]
    servers: frozenset[str] = frozenset()

    @property
    def mark(self) -> str:
        """What stands in :data:`OWN_HEADER`."""
        return tokens.mint(self.keys[0], "mark").rpartition("-")[2]


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as the server gave it. ``at`` is when the server got it; ``where`` names its place.

    ``whole`` is its size in bytes when only its beginning was fetched.
    """

    data: bytes
    at: datetime
    where: str
    whole: int = 0
    history: bool = False

    @property
    def digest(self) -> str:
        """Its identity, whatever mailbox it lies in; an empty mail has only its place."""
        return hashlib.sha256(self.data or self.where.encode()).hexdigest()


@dataclass
class Taken:
    """Inbound messages and memos that belong into one transaction."""

    messages: list[Inbound] = field(default_factory=list)
    memos: dict[str, Memo] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)

    def keep(self, key: str, value: str, about: str = "") -> None:
        """Remember a fact with the messages."""
        self.memos[key] = Memo(key=key, value=value, about=about)
        self.pending[key] = value


class Taker:
    """Reads mails of one account, one after another."""

    def __init__(self, identity: Identity, known: Facts, reader: Reader) -> None:
        self._who, self._facts, self._reader = identity, known, reader

    async def take(self, raw: Raw, taken: Taken, *, now: datetime) -> None:
        """Add to ``taken`` what a mail is; nothing when its bytes were taken before."""
        key = self._facts.raw(raw.digest)
        if await self._facts.recall([key], taken.pending):
            return
        taken.keep(key, "1")
        mail = await self._reader.read(raw.data, self._who.own)
        if self._is_echo(raw.data):
            taken.messages.append(self._quiet(raw, mail, "echo"))
        elif mail.kind in ("bounce", "feedback_report"):
            await self._report(raw, mail, taken, now)
        else:
            await self._message(raw, mail, taken, now)

    # --- what it is

    def _is_echo(self, data: bytes) -> bool:
        ends = [at for at in (data.find(b"\r\n\r\n"), data.find(b"\n\n")) if at >= 0]
        found = _OWN.search(data[: min([*ends, 64_000])])
        return found is not None and found[1].decode() == self._who.mark

    async def _report(self, raw: Raw, mail: Mail, taken: Taken, now: datetime) -> None:
        place, lookup = await self._place(mail, taken, now)
        about = mail.bounce.message_id if mail.bounce else ""
        known = lookup.by_id(about) if about else None
        for reference in mail.bounce.references if mail.bounce and known is None else ():
            known = known or lookup.by_id(reference)
        thread = place.reported or (known.thread if known else "")
        if not thread or mail.bounce is None:
            taken.messages.append(self._quiet(raw, mail, "bounce"))
            return
        told = _told(mail)
        message = self._base(raw, mail, thread, "bounce")
        taken.messages.append(
            msgspec.structs.replace(
                message, kind="status", text=told, refers_to=about, placeholder=told if mail.bounce.failed else ""
            )
        )

    def _quiet(self, raw: Raw, mail: Mail, machine: MachineKind) -> Inbound:
        """Filed: nobody is asked, nothing is answered."""
        message = self._base(raw, mail, REPORTS, machine)
        return msgspec.structs.replace(message, kind="event", text=mail.new_text or mail.subject)

    async def _message(self, raw: Raw, mail: Mail, taken: Taken, now: datetime) -> None:
        place, lookup = await self._place(mail, taken, now)
        thread = place.thread or _awaited(mail, lookup) or raw.digest[:20]
        machine: MachineKind = _MACHINE[mail.kind]
        same = self._facts.same(mail)
        twin = (await self._facts.recall([same], taken.pending)).get(same) if same else None
        if twin is not None:
            account, _, first = twin.partition("/")
            machine, thread = "copy", first if account == self._who.account else thread
        elif same:
            taken.keep(same, f"{self._who.account}/{thread}")
        message = self._base(raw, mail, thread, machine)
        # An answer that only quotes us says nothing: our own words must not be read as the customer's.
        wordless = mail.wordless and bool(place.thread)
        text = "" if wordless else mail.new_text or mail.full_text or mail.subject
        message = msgspec.structs.replace(
            message,
            text=text,
            whole=mail.full_text if mail.full_text != text else "",
            placeholder=_placeholder(raw, mail, text),
            attachments=tuple(Attachment(name=f.name, type=f.type, data=f.data) for f in mail.attachments),
            silent="history" if raw.history else "person" if self._unanswerable(raw, mail, now) else "",
            linked=place.linked if place.linked != thread else "",
        )
        taken.messages.append(message)
        await self._note(message, mail, thread, taken)

    def _unanswerable(self, raw: Raw, mail: Mail, now: datetime) -> bool:
        plain = {bare(address): address.lower() for address in self._who.own}
        meant = msgspec.structs.replace(
            mail,
            to=tuple(Address(email=plain.get(bare(a.email), a.email)) for a in mail.to),
            cc=tuple(Address(email=plain.get(bare(a.email), a.email)) for a in mail.cc),
            delivered_to=tuple(plain.get(bare(a), a) for a in mail.delivered_to),
        )
        return bool(raw.whole or classify.may_answer(meant, self._who.own, now))

    def _base(self, raw: Raw, mail: Mail, thread: str, machine: MachineKind) -> Inbound:
        sender = mail.from_.email.lower()
        return Inbound(
            channel="email",
            account=self._who.account,
            external_id=raw.digest[:40],
            thread=thread,
            sender=Sender(
                id=sender or "unknown",
                name=mail.from_.name,
                email=mail.from_.email,
                verified=not mail.more_from and auth.verified(mail.auth, sender, self._who.servers),
            ),
            at=_at(raw, mail),
            subject=mail.subject,
            machine=machine,
            raw=raw.data,
        )

    # --- where it belongs

    async def _place(self, mail: Mail, taken: Taken, now: datetime) -> tuple[Place, Lookup]:
        lookup = await self._lookup(mail, taken)
        return threading.place(mail, lookup, keys=self._who.keys, now=now), lookup

    async def _lookup(self, mail: Mail, taken: Taken) -> Lookup:
        """Fetch every fact that the decision may ask for."""
        ids = {*mail.in_reply_to, *mail.references, mail.message_id} - {""}
        if mail.bounce is not None:
            ids |= {mail.bounce.message_id, *mail.bounce.references} - {""}
        keys = [self._facts.id(one) for one in ids] + [self._facts.ancestor(one) for one in ids]
        keys += map(self._facts.number, threading.numbers(mail.subject[:500]))
        found = await self._facts.recall(keys, taken.pending)
        named = {thread for _, thread in self._tokens(mail)}
        threads = await self._facts.threads({*found.values(), *named}, taken.pending)

        def known(thread: str | None) -> Known | None:
            if thread is None or thread not in threads:
                return None
            return Known(thread=thread, participants=frozenset(threads[thread].participants))

        return Lookup(
            by_id=lambda one: known(found.get(self._facts.id(one))),
            by_thread=known,
            by_number=lambda number: known(found.get(self._facts.number(number))),
            by_ancestor=lambda one: known(found.get(self._facts.ancestor(one))),
        )

    def _tokens(self, mail: Mail) -> list[tuple[tokens.Use, str]]:
        addresses = [*mail.delivered_to, *(a.email for a in mail.to + mail.cc)]
        found = (tokens.check(self._who.keys, tokens.in_address(address)) for address in addresses)
        return [one for one in found if one is not None]

    async def _note(self, message: Inbound, mail: Mail, thread: str, taken: Taken) -> None:
        """Remember the mail's ids and people for those that follow."""
        known = (await self._facts.threads([thread], taken.pending)).get(thread) or Thread()
        for one in {*mail.references, *mail.in_reply_to} - {""}:
            key = self._facts.ancestor(one)
            if not await self._facts.recall([key], taken.pending):
                taken.keep(key, thread)
        if mail.message_id:
            taken.keep(self._facts.id(mail.message_id), thread)
            # Their program names our mails where they belong.
            known.ids = facts.joined([*known.ids, *mail.references, *mail.in_reply_to, mail.message_id])
        answer_to = self._answer_to(mail)
        known.to = known.to or answer_to
        known.subject = known.subject or mail.subject
        people = [mail.from_.email.lower(), answer_to.lower(), *(a.email.lower() for a in mail.to + mail.cc)]
        own = {bare(address) for address in self._who.own}
        fresh = [p for p in people if p and bare(p) not in own]
        known.participants = list(dict.fromkeys([*known.participants, *fresh]))[: facts.MAX_PARTICIPANTS]
        heard = {**known.heard, message.external_id: Heard(mail.message_id, answer_to)}
        known.heard = dict(list(heard.items())[-facts.MAX_HEARD :])
        taken.keep(self._facts.thread(thread), facts.text(known), self._facts.about(thread))

    def _answer_to(self, mail: Mail) -> str:
        """Where an answer goes: Reply-To when it names one address that is not ours, else From."""
        if len(mail.reply_to) == 1 and bare(mail.reply_to[0].email) not in {bare(a) for a in self._who.own}:
            return mail.reply_to[0].email
        return mail.from_.email


def bare(address: str) -> str:
    """An address without what stands behind a plus, in lower case."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def _awaited(mail: Mail, lookup: Lookup) -> str:
    """The thread of an answer that overtook this mail, written by somebody who takes part in it."""
    known = lookup.by_ancestor(mail.message_id) if mail.message_id and not mail.forward else None
    return known.thread if known and mail.from_.email.lower() in known.participants else ""


def _at(raw: Raw, mail: Mail) -> datetime:
    """The sender's time where it can be true, else the server's."""
    if mail.date is not None and (raw.history or raw.at - EARLIER <= mail.date <= raw.at + LATER):
        return min(mail.date.astimezone(UTC), raw.at + LATER)
    return raw.at


def _placeholder(raw: Raw, mail: Mail, text: str) -> str:
    if mail.unread:
        return f"this mail could not be read ({mail.unread}); the original is kept"
    if raw.whole:
        return f"a mail of {raw.whole // 1024 // 1024} MB, more than is taken; this is its beginning"
    if not text:
        empty = "an answer without a word of its own" if mail.wordless else "an empty mail"
        return "files without a word" if mail.attachments else empty
    return ""


def _told(mail: Mail) -> str:
    """What a report says, in a line for each recipient."""
    assert mail.bounce is not None
    words = {"failed": "not delivered", "delayed": "delayed", "delivered": "delivered", "complaint": "called spam by"}
    lines = [
        " ".join(filter(None, (words.get(r.action, r.action), r.email, r.status, r.reason[:300])))
        for r in mail.bounce.recipients[:10]
    ]
    return "\n".join(lines) or "not delivered"


def addresses(own: Sequence[str]) -> Collection[str]:
    """Our addresses in lower case."""
    return frozenset(address.lower() for address in own)
