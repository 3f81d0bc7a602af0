"""Accepting: all messages that wait at a moment are written by a handful of statements."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from channels.base import Accepted, Inbound, Memo
from gateway.store import rows
from gateway.store.base import conversation_id
from gateway.store.sqlite import files, memory
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


@dataclass(slots=True)
class Delivery:
    """The messages of one call: all or none."""

    messages: list[Message]
    received_at: int
    cursor: tuple[str, str, str] | None
    memos: tuple[str, Sequence[Memo]] | None = None


#: A stored line: digest, conversation.n, seq.
_Line = tuple[bytes, int, int]


@dataclass(slots=True)
class _Conversation:
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
        key=door + m.external_id,
        root=door + m.refers_to if m.refers_to else "",
        digest=bytes.fromhex(m.digest),
        conversation=conversation_id(m.channel, m.account, m.thread),
        inbound=m,
        body=rows.encode(msgspec.structs.replace(m, raw=b"") if m.raw else m),
        provider_at=rows.micros(m.at),
        visible=not m.machine and m.kind in ("message", "edit", "delete"),
    )


def append(connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> list[tuple[Accepted, ...]]:
    """Write the deliveries of one group."""
    group = _Group(connection, deliveries)
    accepted = [tuple(group.add(m, d.received_at) for m in d.messages) for d in deliveries]
    group.write()
    cursors = [d.cursor for d in deliveries if d.cursor is not None]
    if cursors:
        connection.executemany("INSERT OR REPLACE INTO cursor (channel, account, value) VALUES (?, ?, ?)", cursors)
    for d in deliveries:
        if d.memos is not None:
            memory.remember(connection, *d.memos)
    return accepted


class _Group:
    """Numbers the lines in memory, then writes them table by table."""

    def __init__(self, connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
        self._connection = connection
        messages = [m for d in deliveries for m in d.messages]
        self._lines = self._known_lines(messages)
        self._conversations = self._known_conversations({m.conversation for m in messages})
        self._top: int | None = None
        self._inbox: list[tuple[object, ...]] = []
        self._blobs: list[tuple[str, int]] = []
        self._elsewhere: list[tuple[int, int, int, int]] = []
        """Files to fetch: place, when, conv, seq."""
        self._recorded: Counter[tuple[int, str, str]] = Counter()
        self._duplicates: Counter[tuple[int, str, str]] = Counter()
        self._versions: Counter[tuple[int, int]] = Counter()

    def _known_lines(self, messages: Sequence[Message]) -> dict[str, _Line]:
        keys = {m.key for m in messages} | {m.root for m in messages if m.root}
        found = self._connection.execute(
            "SELECT key, digest, conv, seq FROM inbox WHERE key IN (SELECT value FROM json_each(?))",
            (rows.encode(list(keys)).decode(),),
        )
        return {row[0]: row[1:] for row in found.fetchall()}

    def _known_conversations(self, ids: set[str]) -> dict[str, _Conversation]:
        found = self._connection.execute(
            "SELECT id, n, last_seq, erased_at IS NOT NULL FROM conversation"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (rows.encode(list(ids)).decode(),),
        )
        return {id: _Conversation(n, seq, bool(erased)) for id, n, seq, erased in found.fetchall()}

    def add(self, m: Message, received_at: int) -> Accepted:
        bucket = (received_at // rows.DAY, m.inbound.channel, m.inbound.account)
        key = m.key
        there = self._lines.get(key)
        if there is not None and there[0] != m.digest:
            key, there = self._other(m)
        if there is not None:
            self._duplicates[bucket] += 1
            return Accepted(conversation=m.conversation, seq=there[2], duplicate=True)
        self._recorded[bucket] += 1
        return Accepted(conversation=m.conversation, seq=self._write_line(key, m, received_at), duplicate=False)

    def _other(self, m: Message) -> tuple[str, _Line | None]:
        """The key of a later message with the same id and other content, and its line if it is there."""
        key = f"{m.key}#{m.digest.hex()[:12]}"
        if key not in self._lines:
            row = self._connection.execute("SELECT digest, conv, seq FROM inbox WHERE key = ?", (key,)).fetchone()
            if row is None:
                return key, None
            self._lines[key] = row
        return key, self._lines[key]

    def _write_line(self, key: str, m: Message, received_at: int) -> int:
        home = self._home(m)
        home.seq += 1
        home.last = m
        home.first_at = min(home.first_at, m.provider_at)
        home.last_at = max(home.last_at, m.provider_at)
        if m.visible and m.inbound.text:
            home.text = mask(m.inbound.text[: LAST_TEXT + MARGIN])[:LAST_TEXT]
        home.asked += m.asks
        if m.inbound.replies_until is not None:
            home.closes_at = max(home.closes_at or 0, rows.micros(m.inbound.replies_until))
        refers_to, version = self._refers(m, home.n)
        self._inbox.append(
            (
                key,
                m.digest,
                home.n,
                home.seq,
                received_at,
                m.visible,
                refers_to,
                version,
                m.provider_at,
                received_at,
                m.body,
                m.inbound.raw,
            )
        )
        self._lines[key] = (m.digest, home.n, home.seq)
        if m.inbound.attachments:
            self._blobs.extend((a.digest, home.n) for a in m.inbound.attachments if a.digest)
            self._elsewhere.extend((n, received_at, home.n, home.seq) for n in files.places(m.inbound))
        if m.inbound.raw_file:
            self._blobs.append((m.inbound.raw_file, home.n))
        return home.seq

    def _home(self, m: Message) -> _Conversation:
        home = self._conversations.get(m.conversation)
        if home is None:
            if self._top is None:
                self._top = self._connection.execute("SELECT coalesce(max(n), 0) FROM conversation").fetchone()[0]
            self._top += 1
            home = self._conversations[m.conversation] = _Conversation(self._top, 0, False, fresh=m)
        return home

    def _refers(self, m: Message, conv: int) -> tuple[int, int]:
        """The line that an edit or delete changes and the how-many-eth change it is; 0, 0 when we never saw it."""
        if m.inbound.kind not in ("edit", "delete") or not m.root:
            return 0, 0
        root = self._lines.get(m.root)
        if root is None or root[1] != conv:
            return 0, 0
        place = (conv, root[2])
        if place not in self._versions:
            self._versions[place] = self._connection.execute(
                "SELECT count(*) FROM inbox WHERE conv = ? AND seq > ? AND refers_to = ?", (*place, root[2])
            ).fetchone()[0]
        self._versions[place] += 1
        return root[2], self._versions[place]

    def write(self) -> None:
        self._write_conversations()
        self._connection.executemany(
            "INSERT INTO inbox (key, digest, conv, seq, state_at, visible, refers_to, version,"
            " provider_at, received_at, body, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._inbox,
        )
        if self._blobs:
            self._connection.executemany("INSERT OR IGNORE INTO blob_use (digest, conv) VALUES (?, ?)", self._blobs)
        if self._elsewhere:
            files.note(self._connection, self._elsewhere)
        count(self._connection, "recorded", self._recorded)
        count(self._connection, "duplicates", self._duplicates)

    def _write_conversations(self) -> None:
        touched = [(id, c) for id, c in self._conversations.items() if c.last is not None]
        returning = [(*_person(c.last.inbound), c.n) for _, c in touched if c.erased and c.last is not None]
        if returning:
            self._connection.executemany(
                "UPDATE conversation SET thread = ?, sender = ?, sender_name = ?, sender_email = ?, sender_phone = ?,"
                " erased_at = NULL WHERE n = ?",
                returning,
            )
        fresh = [
            (
                c.n,
                id,
                c.fresh.inbound.channel,
                c.fresh.inbound.account,
                *_person(c.fresh.inbound),
                c.seq,
                c.first_at,
                c.last_at,
                c.last_at,
                c.text or "",
                c.asked,
                c.first_at if c.asked else None,
                c.closes_at,
            )
            for id, c in touched
            if c.fresh is not None
        ]
        if fresh:
            self._connection.executemany(
                "INSERT INTO conversation (n, id, channel, account, thread, sender, sender_name, sender_email,"
                " sender_phone, last_seq, opened_at, last_at, active_at, last_text, unanswered, waiting_since,"
                " window_closes_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                fresh,
            )
        known = [
            (c.seq, c.last_at, c.text, c.asked, c.asked, c.first_at, c.closes_at, c.closes_at or 0, c.n)
            for _, c in touched
            if c.fresh is None
        ]
        if known:
            self._connection.executemany(
                "UPDATE conversation SET last_seq = ?, last_at = max(last_at, ?), last_text = coalesce(?, last_text),"
                " unanswered = unanswered + ?, waiting_since = CASE WHEN ? THEN coalesce(waiting_since, ?)"
                " ELSE waiting_since END, window_closes_at = nullif(max(coalesce(window_closes_at, ?, 0), ?), 0)"
                " WHERE n = ?",
                known,
            )


def _person(m: Inbound) -> tuple[str, str, str, str, str]:
    return (m.thread, m.sender.id, m.sender.name, m.sender.email, m.sender.phone)


def count(connection: sqlite3.Connection, column: str, counter: Mapping[tuple[int, str, str], int]) -> None:
    """Add to one of the audit's figures that intake keeps, by (day, channel, account)."""
    if counter:
        connection.executemany(
            f"INSERT INTO tally (day, channel, account, {column}) VALUES (?, ?, ?, ?)"  # noqa: S608 - our own column
            f" ON CONFLICT DO UPDATE SET {column} = {column} + excluded.{column}",
            [(*bucket, n) for bucket, n in counter.items()],
        )


def quarantine(
    connection: sqlite3.Connection,
    where: tuple[str, str],
    at: int,
    *,
    reason: str,
    raw: bytes,
    headers: Mapping[str, str],
    tail: str,
) -> int:
    """Keep bytes nobody could read; their id."""
    count(connection, "quarantined", {(at // rows.DAY, *where): 1})
    row = (*where, at, reason, raw, rows.encode(headers), tail)
    done = connection.execute(
        "INSERT INTO quarantine (channel, account, at, reason, raw, headers, tail) VALUES (?, ?, ?, ?, ?, ?, ?)", row
    )
    return int(done.lastrowid or 0)


def close_quarantined(connection: sqlite3.Connection, id: int, state: str) -> None:
    done = connection.execute("UPDATE quarantine SET state = ? WHERE id = ?", (state, id))
    rows.found(done.rowcount or None, f"quarantined item {id}")


def message(connection: sqlite3.Connection, id: int) -> Inbound:
    """An inbox row's message with its raw event."""
    row = connection.execute("SELECT body, raw FROM inbox WHERE id = ?", (id,)).fetchone()
    body, raw = rows.found(row, f"inbox row {id}")
    return msgspec.structs.replace(rows.inbound(body), raw=raw)


def blobs_of(connection: sqlite3.Connection, conversation: str) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT b.digest FROM conversation c JOIN blob_use b ON b.conv = c.n WHERE c.id = ? ORDER BY b.digest",
        (conversation,),
    )
    return tuple(r[0] for r in found.fetchall())


def blob_in_use(connection: sqlite3.Connection, digest: str) -> bool:
    return connection.execute("SELECT 1 FROM blob_use WHERE digest = ? LIMIT 1", (digest,)).fetchone() is not None
