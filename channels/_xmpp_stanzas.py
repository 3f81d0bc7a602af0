"""What XMPP's message stanzas say: RFC 6121 and the extensions that people's apps use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element, tostring

import msgspec

from channels._unread import unread
from channels.base import Attachment, Inbound, Sender

MAM, RECEIPTS, MARKERS, SID = "urn:xmpp:mam:2", "urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "urn:xmpp:sid:0"
CORRECT, REPLY, FALLBACK, OOB = (
    "urn:xmpp:message-correct:0",
    "urn:xmpp:reply:0",
    "urn:xmpp:fallback:0",
    "jabber:x:oob",
)
#: Where a message says that it is sealed: OMEMO of both kinds, OpenPGP of both kinds.
SEALED = ("eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:openpgp:0", "jabber:x:encrypted")
LOCKED = "an encrypted message, which cannot be read here"
#: A client that sends again under the same id within this time means the same message; a later one counts anew.
AGAIN = timedelta(minutes=10)
_LINK = re.compile(r"https?://\S+", re.ASCII)


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """A stanza as the archive has it: under its own id and with the time it came."""

    id: str
    at: datetime
    stanza: Any
    """The ``<message/>`` element."""


class Known(msgspec.Struct, frozen=True):
    """A message that was read before: its external id and when it came."""

    id: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.id}"

    @classmethod
    def of(cls, text: str) -> Known:
        at, _, id = text.partition(" ")
        return cls(id, datetime.fromisoformat(at))


def bare(jid: str) -> str:
    """An address without the device."""
    return jid.partition("/")[0].lower()


def child(stanza: Element, name: str, *spaces: str) -> Element | None:
    """The first element of that name in one of these namespaces."""
    return next((one for space in spaces if (one := stanza.find(f"{{{space}}}{name}")) is not None), None)


def body(stanza: Element) -> str:
    """The words, in whichever of the two namespaces the stream has."""
    found = next((one for one in stanza if one.tag.rpartition("}")[2] == "body"), None)
    return "" if found is None else found.text or ""


def ids(stanza: Element) -> list[str]:
    """The ids under which its sender may speak of it again."""
    origin = child(stanza, "origin-id", SID)
    found = [stanza.get("id", ""), "" if origin is None else origin.get("id", "")]
    return [one for one in dict.fromkeys(found) if one]


def changed(stanza: Element) -> tuple[str, str]:
    """(``edit`` or ``delete``, the id of the message that it changes); two empty strings where it changes none."""
    if (replaced := child(stanza, "replace", CORRECT)) is not None:
        return "edit", replaced.get("id", "")
    if (retracted := child(stanza, "retract", "urn:xmpp:message-retract:1")) is not None:
        return "delete", retracted.get("id", "")
    applied = child(stanza, "apply-to", "urn:xmpp:fasten:0")
    if applied is not None and child(applied, "retract", "urn:xmpp:message-retract:0") is not None:
        return "delete", applied.get("id", "")
    return "", ""


def answered(stanza: Element) -> str:
    """The id of the message that it answers."""
    found = child(stanza, "reply", REPLY)
    return "" if found is None else found.get("id", "")


def mentions(stanza: Element) -> Iterator[tuple[str, str]]:
    """(who said it, its id) of this message and of those it points at."""
    who, to = bare(stanza.get("from", "")), bare(stanza.get("to", ""))
    for id in [*ids(stanza), changed(stanza)[1]]:
        yield who, id
    for one in (who, to):
        yield one, answered(stanza)


class Reader:
    """Reads the messages of one account, whose own address is ``me``."""

    def __init__(self, channel: str, account: str, me: str) -> None:
        self._channel, self._account, self._me = channel, account, me

    def read(self, item: Archived, known: Mapping[tuple[str, str], Known], now: datetime) -> Inbound | None:
        """The message of a stanza. What should be one and cannot be read is shown to a person."""
        raw = tostring(item.stanza)
        try:
            found = self._read(item, known)
        except (KeyError, TypeError, ValueError, AttributeError):
            return unread(self._channel, self._account, raw, now, "a stanza that could not be read")
        return None if found is None else msgspec.structs.replace(found, raw=raw)

    def _read(self, item: Archived, known: Mapping[tuple[str, str], Known]) -> Inbound | None:
        stanza = item.stanza
        who, to = bare(stanza.attrib["from"]), bare(stanza.get("to") or self._me)
        if stanza.get("type") in ("groupchat", "error", "headline"):
            return None
        own = who == self._me
        nick = child(stanza, "nick", "http://jabber.org/protocol/nick")
        name = (nick.text if nick is not None else "") or who.partition("@")[0]
        base = Inbound(
            channel=self._channel,
            account=self._account,
            external_id=_same(item, who, known) or item.id,
            thread=to if own else who,
            sender=Sender(id=who, name=name),
            at=item.at,
            machine="echo" if own else "",
            language=stanza.get("{http://www.w3.org/XML/1998/namespace}lang", ""),
            refers_to=(ids(stanza) or [""])[0] if own else "",
            delivery="sent" if own else "",
        )
        return self._said(base, stanza, who, known) or (None if own else _status(base, stanza))

    def _said(self, base: Inbound, stanza: Element, who: str, known: Mapping[tuple[str, str], Known]) -> Inbound | None:
        kind, target = changed(stanza)
        if kind and not target:
            raise ValueError("it changes nothing")
        refers_to = known[who, target].id if (who, target) in known else target
        if kind == "delete":
            return msgspec.structs.replace(base, kind="delete", refers_to=refers_to)
        if any(child(stanza, name, *SEALED) is not None for name in ("encrypted", "openpgp", "x")):
            return msgspec.structs.replace(base, placeholder=LOCKED, silent="" if base.machine else "person")
        words = body(stanza)
        if not words.strip():
            return None
        to = answered(stanza)
        text, file = _words_and_file(words, stanza)
        found = msgspec.structs.replace(
            base,
            text=text,
            attachments=() if file is None else (file,),
            reply_to=known[who, to].id if (who, to) in known else to,
        )
        return msgspec.structs.replace(found, kind="edit", refers_to=refers_to) if kind else found


def _same(item: Archived, who: str, known: Mapping[tuple[str, str], Known]) -> str:
    """The external id of the message that this one repeats."""
    earlier = next((known[who, id] for id in ids(item.stanza) if (who, id) in known), None)
    return earlier.id if earlier is not None and abs(item.at - earlier.at) <= AGAIN else ""


def _status(base: Inbound, stanza: Element) -> Inbound | None:
    """That a message of ours has arrived or was read."""
    for name, space, state in (("received", RECEIPTS, "delivered"), ("displayed", MARKERS, "read")):
        found = child(stanza, name, space)
        if found is not None and found.get("id"):
            return msgspec.structs.replace(base, kind="status", delivery=state, refers_to=found.attrib["id"])
    return None


def _words_and_file(words: str, stanza: Element) -> tuple[str, Attachment | None]:
    """A shared file is a link, alone or beside words. What an app repeats of an earlier message is left out."""
    words = _without_fallback(words, stanza)
    shared = child(stanza, "x", OOB)
    link = "" if shared is None else next((one.text or "" for one in shared if one.tag == f"{{{OOB}}}url"), "")
    if not _LINK.fullmatch(link):
        return words, None
    name = link.partition("?")[0].rpartition("/")[2]
    return ("" if words.strip() == link else words), Attachment(name=name or "file", url=link)


def _without_fallback(words: str, stanza: Element) -> str:
    fallback = child(stanza, "fallback", FALLBACK)
    if fallback is None or fallback.get("for") != REPLY:
        return words
    part = child(fallback, "body", FALLBACK)
    if part is None or "end" not in part.attrib:
        return words
    start, end = int(part.get("start", "0")), int(part.attrib["end"])
    return words[: max(0, start)] + words[max(0, end) :]


def moment(stamp: str) -> datetime:
    """A time of XEP-0082. Raises ValueError."""
    found = datetime.fromisoformat(stamp)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
