"""From accepted messages to numbered lines: pure code over a group of deliveries and what the store knows of them.

A store looks up what :func:`keys`, :func:`renamed` and :func:`changed` name, lets :class:`Numbering` place each message in
its conversation, and writes what stands in it then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from channels.base import Accepted, Inbound, Memo
from gateway.store import rows
from gateway.store.base import conversation_id
from gateway.store.names import short
from normalizer.mask import mask

#: Characters of the last message that the lists and the search know.
LAST_TEXT = 200
#: A number that is cut in two is not known for what it is.
MARGIN = 40


@dataclass(slots=True)
class Message:
    """One inbound message, ready to write."""

    key: str
    root: str
    digest: bytes
    conversation: str
    inbound: Inbound
    body: bytes
    provider_at: int
    visible: bool

    @property
    def asks(self) -> bool:
        """Whether somebody waits for an answer to it."""
        return self.visible and self.inbound.kind == "message"

    @property
    def other_key(self) -> str:
        """The key where a message with the same id and other content came before."""
        return f"{self.key}#{self.digest.hex()[:12]}"


@dataclass(slots=True)
class Delivery:
    """The messages of one call: all or none."""

    messages: list[Message]
    received_at: int
    cursor: tuple[str, str, str] | None
    memos: tuple[str, Sequence[Memo]] | None = None


#: A stored line: digest, conversation.n, seq.
Line = tuple[bytes, int, int]
#: Where the audit counts: day, channel, account.
Bucket = tuple[int, str, str]
#: A line's conversation.n and seq.
Place = tuple[int, int]


@dataclass(slots=True)
class Home:
    """A conversation and what the group changes in it. ``seq`` is its last line's."""

    n: int
    seq: int
    erased: bool
    fresh: Message | None = None
    last: Message | None = None
    first_at: int = rows.NEVER
    last_at: int = 0
    text: str | None = None
    asked: int = 0
    closes_at: int | None = None
    """Until when the platform lets us answer."""

    def take(self, m: Message) -> None:
        """Let a message be its last line."""
        self.seq += 1
        self.last = m
        self.first_at = min(self.first_at, m.provider_at)
        self.last_at = max(self.last_at, m.provider_at)
        if m.visible and m.inbound.text:
            self.text = mask(m.inbound.text[: LAST_TEXT + MARGIN])[:LAST_TEXT]
        self.asked += m.asks
        if m.inbound.replies_until is not None:
            self.closes_at = max(self.closes_at or 0, rows.micros(m.inbound.replies_until))


@dataclass(slots=True)
class NewLine:
    """An inbox row to write."""

    key: str
    message: Message
    conv: int
    seq: int
    refers_to: int
    version: int
    received_at: int


def prepare(
    messages: Sequence[Inbound],
    received_at: datetime,
    cursor: tuple[str, str, str] | None,
    memos: tuple[str, Sequence[Memo]] | None = None,
) -> Delivery:
    """Encode before the transaction: a message that cannot be encoded fails its own caller alone."""
    return Delivery([_prepared(m) for m in messages], rows.micros(received_at), cursor, memos)


def _prepared(m: Inbound) -> Message:
    door = f"{m.channel}/{m.account}/"
    return Message(
        key=short(door + m.external_id),
        root=short(door + m.refers_to) if m.refers_to else "",
        digest=bytes.fromhex(m.digest),
        conversation=conversation_id(m.channel, m.account, m.thread),
        inbound=m,
        body=rows.encode(msgspec.structs.replace(m, raw=b"") if m.raw else m),
        provider_at=rows.micros(m.at),
        visible=not m.machine and m.kind in ("message", "edit", "delete"),
    )


def places(message: Inbound) -> list[int]:
    """Which of a message's attachments are to be fetched."""
    return [n for n, file in enumerate(message.attachments) if file.state == "pending" and file.url and not file.digest]


# --- what has to be known -------------------------------------------------------------------------------


def keys(messages: Sequence[Message]) -> set[str]:
    """The keys of messages and of what they change."""
    return {m.key for m in messages} | {m.root for m in messages if m.root}


def renamed(messages: Sequence[Message], known: Mapping[str, Line]) -> set[str]:
    """More keys to look up: of messages with the id of another one, which may be there under their other name."""
    first = {m.key: m.digest for m in reversed(messages)}
    first |= {key: line[0] for key, line in known.items()}
    return {m.other_key for m in messages if first[m.key] != m.digest}


def changed(messages: Sequence[Message], known: Mapping[str, Line]) -> set[Place]:
    """Lines that the messages change: how often were they changed before?"""
    return {known[m.root][1:] for m in messages if _changes(m) and m.root in known}


def _changes(m: Message) -> bool:
    return bool(m.root) and m.inbound.kind in ("edit", "delete")


# --- numbering ------------------------------------------------------------------------------------------


class Numbering:
    """Gives each message its line; then ``new``, ``homes`` and the rest are what is to be written.

    ``known`` are the stored lines by key, ``homes`` the stored conversations by id, ``versions`` how often a line was
    changed; ``numbers`` gives the n of a new conversation.
    """

    def __init__(
        self,
        known: dict[str, Line],
        homes: dict[str, Home],
        versions: Mapping[Place, int],
        numbers: Iterator[int],
    ) -> None:
        self._lines = known
        self.homes = homes
        self._versions = Counter(versions)
        self._numbers = numbers
        self.new: list[NewLine] = []
        self.blobs: list[tuple[str, int]] = []
        """Files in use: digest, conv."""
        self.elsewhere: list[tuple[int, int, int, int]] = []
        """Files to fetch: place, when, conv, seq."""
        self.recorded: Counter[Bucket] = Counter()
        self.duplicates: Counter[Bucket] = Counter()

    def add_all(self, deliveries: Sequence[Delivery]) -> list[tuple[Accepted, ...]]:
        """What became of each delivery's messages."""
        return [tuple(self._add(m, d.received_at) for m in d.messages) for d in deliveries]

    @property
    def touched(self) -> list[tuple[str, Home]]:
        """The conversations with new lines, by id."""
        return [(id, home) for id, home in self.homes.items() if home.last is not None]

    def _add(self, m: Message, received_at: int) -> Accepted:
        bucket = (received_at // rows.DAY, m.inbound.channel, m.inbound.account)
        key = m.key
        there = self._lines.get(key)
        if there is not None and there[0] != m.digest:
            key = m.other_key
            there = self._lines.get(key)
        if there is not None:
            self.duplicates[bucket] += 1
            return Accepted(conversation=m.conversation, seq=there[2], duplicate=True)
        self.recorded[bucket] += 1
        return Accepted(conversation=m.conversation, seq=self._place(key, m, received_at), duplicate=False)

    def _place(self, key: str, m: Message, received_at: int) -> int:
        home = self._home(m)
        home.take(m)
        refers_to, version = self._refers(m, home.n)
        self.new.append(NewLine(key, m, home.n, home.seq, refers_to, version, received_at))
        self._lines[key] = (m.digest, home.n, home.seq)
        if m.inbound.attachments:
            self.blobs.extend((a.digest, home.n) for a in m.inbound.attachments if a.digest)
            self.elsewhere.extend((n, received_at, home.n, home.seq) for n in places(m.inbound))
        if m.inbound.raw_file:
            self.blobs.append((m.inbound.raw_file, home.n))
        return home.seq

    def _home(self, m: Message) -> Home:
        home = self.homes.get(m.conversation)
        if home is None:
            home = self.homes[m.conversation] = Home(next(self._numbers), 0, False, fresh=m)
        return home

    def _refers(self, m: Message, conv: int) -> Place:
        """The line that an edit or delete changes and the how-many-eth change it is; 0, 0 when we never saw it."""
        root = self._lines.get(m.root) if _changes(m) else None
        if root is None or root[1] != conv:
            return 0, 0
        place = (conv, root[2])
        self._versions[place] += 1
        return root[2], self._versions[place]


def person(m: Inbound) -> tuple[str, str, str, str, str]:
    """A conversation's columns of who writes: thread, sender, sender_name, sender_email, sender_phone."""
    return (m.thread, m.sender.id, m.sender.name, m.sender.email, m.sender.phone)
