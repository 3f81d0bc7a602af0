"""What the scenarios are made of: stores to try, a clock to turn, messages and outcomes to write."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from channels.base import Inbound, Sender
from gateway.store.base import Entry, JournalLine, NewSend, Outcome, Send, SendResult, Store, Work
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite.writer import Observer
from normalizer.record import Arrival, ComplaintRecord, Evidence, Found, Gravity, Standing, Status, Urgency, What
from tests.servers import postgres

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


class Home(Protocol):
    """One place where a store keeps its rows: every ``store()`` on it finds what earlier ones wrote."""

    def store(self, *, on_commit: Observer | None = None) -> Store: ...

    def damage(self) -> str:
        """What is wrong with the rows' container; "" when it is sound. Nobody may have it open."""
        ...

    def holds(self, text: str) -> bool:
        """Whether the words stand anywhere: in the files, or in what a dump of the database has."""
        ...

    def address(self) -> tuple[str, str]:
        """(kind, where) for another process: see :func:`at`."""
        ...


class SqliteHome:
    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self.path = folder / "store.db"
        self._clock = clock

    def store(self, *, on_commit: Observer | None = None) -> SqliteStore:
        return SqliteStore(self.path, clock=self._clock, on_commit=on_commit)

    def damage(self) -> str:
        connection = sqlite3.connect(self.path)
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
        return "" if found == "ok" else str(found)

    def holds(self, text: str) -> bool:
        return any(text.encode() in f.read_bytes() for f in self.path.parent.rglob("*") if f.is_file())

    def address(self) -> tuple[str, str]:
        return ("sqlite", str(self.path.parent))


class PostgresHome:
    """A database of its own on the tests' server."""

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self.url = url
        self._clock = clock

    def store(self, *, on_commit: Observer | None = None) -> PostgresStore:
        return PostgresStore(self.url, connections=4, clock=self._clock, on_commit=on_commit)

    def damage(self) -> str:
        return ""  # the server would not start

    def holds(self, text: str) -> bool:
        dump = postgres.dump(self.url)
        return text in dump or text.encode().hex() in dump

    def address(self) -> tuple[str, str]:
        return ("postgres", self.url)


def _postgres(folder: Path, clock: Callable[[], datetime]) -> Home:
    return PostgresHome(postgres.new_database(f"test_{secrets.token_hex(8)}"), clock)


#: Every store that must pass the scenarios.
HOMES: Mapping[str, Callable[[Path, Callable[[], datetime]], Home]] = {"sqlite": SqliteHome, "postgres": _postgres}


def at(kind: str, where: str) -> Home:
    """The home with this address, in a process of its own."""
    return PostgresHome(where, Clock()) if kind == "postgres" else SqliteHome(Path(where), Clock())


def message(
    n: int | str, *, thread: str = "t1", account: str = "main", second: float | None = None, **rest: Any
) -> Inbound:
    """The message with external id ``n``, said ``second`` (or ``n``) seconds after the start."""
    moment = float(n) if second is None else second
    fields: dict[str, Any] = {
        "channel": "webchat",
        "account": account,
        "external_id": str(n),
        "thread": thread,
        "sender": Sender(id=f"sender of {thread}", name="Ann Lee"),
        "at": START + timedelta(seconds=moment),
        "text": f"message {n}",
        "raw": f'{{"n": "{n}"}}'.encode(),
    }
    return Inbound(**{**fields, **rest})


def record(
    number: str, conversation: str, *, revision: int = 1, status: Status = "waiting_bot", **rest: Any
) -> ComplaintRecord:
    """A record with nothing in it but what is given: ``urgency``, ``standing``, ``what``, ``who``, ``opened_at``."""
    urgency: Urgency = rest.pop("urgency", "normal")
    fields: dict[str, Any] = {
        "number": number,
        "revision": revision,
        "what": What(summary="the lift is broken", category=found("building/lift")),
        "gravity": Gravity(urgency=found(urgency)),
        "arrival": Arrival(
            channel="webchat",
            account="main",
            conversation=conversation,
            thread="t1",
            language=found("en"),
            provider_at=START,
            received_at=START,
            processed_at=START,
        ),
        "standing": Standing(status=status),
        "opened_at": START,
        "updated_at": START,
    }
    return ComplaintRecord(**{**fields, **rest})


def found(value: Any, quote: str = "the very words") -> Found[Any]:
    return Found(value=value, evidence=(Evidence(message="webchat/main/1", rule="test", quote=quote),))


def send(key: str, conversation: str, *, lane: str = "", fence: int | None = None, **rest: Any) -> NewSend:
    """A reply for the outbox in its conversation's lane."""
    fields: dict[str, Any] = {
        "key": key,
        "destination": "channel:webchat/main",
        "lane": lane or conversation,
        "conversation": conversation,
        "kind": "answer",
        "fence": fence,
        "body": f'{{"text": "{key}"}}'.encode(),
    }
    return NewSend(**{**fields, **rest})


def outcome(work: Work, **rest: Any) -> Outcome:
    """An outcome that closes all of the work's messages."""
    fields: dict[str, Any] = {
        "conversation": work.conversation.id,
        "fence": work.conversation.fence,
        "done": tuple(i.inbox_id for i in work.items),
        "state": work.state or b"{}",
        "record": work.record,
    }
    return Outcome(**{**fields, **rest})


def line(number: str, what: str = "opened", **body: Any) -> JournalLine:
    return JournalLine(number=number, what=what, at=START, by="bot", body=body)


def notice(what: str) -> Entry:
    return Entry(seq=0, kind="notice", at=START, notice=what, author="system")


def said(text: str, author: str = "bot") -> Entry:
    return Entry(seq=0, kind="outbound", at=START + timedelta(hours=1), text=text, author=author)


def sent(row: Send, text: str = "", author: str = "bot") -> SendResult:
    """The row went out; with ``text`` it also becomes a line of the timeline."""
    return SendResult(id=row.id, state="sent", entry=said(text, author) if text else None)


async def fill(store: Store, *messages: Inbound) -> str:
    """Accept the messages; the conversation of the last."""
    accepted = await store.append(messages, received_at=START)
    return accepted[-1].conversation


async def settle(store: Store, **rest: Any) -> Sequence[Work]:
    """Settle whatever is open with the same outcome; the work."""
    batch = await store.claim_work(1000)
    errors = await batch.settle([outcome(w, **rest) for w in batch.work])
    await batch.release()
    assert all(e is None for e in errors), errors
    return batch.work
