"""From open inbox rows to settled outcomes."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from gateway.store import rows
from gateway.store.base import NewSend, Outcome, Stale, StoreError, Work, WorkItem
from gateway.store.sqlite import contacts, outbox, recordings, records, timeline
from gateway.store.sqlite.writer import Writer
from gateway.store.work import ITEMS, item, with_files, with_recordings


class Claims:
    """Which conversations are being worked on, in memory: the end of the process frees them."""

    def __init__(self) -> None:
        self._holders: dict[int, object] = {}

    def taken(self) -> list[int]:
        return list(self._holders)

    def take(self, convs: Iterable[int], holder: object) -> None:
        self._holders.update((conv, holder) for conv in convs)

    def free(self, holder: object, conv: int | None = None) -> None:
        """Free one conversation of a holder, or all."""
        held = [c for c, h in self._holders.items() if h is holder] if conv is None else [conv]
        for each in held:
            if self._holders.get(each) is holder:
                del self._holders[each]


class ClaimedBatch:
    """What one call of ``claim_work`` got."""

    work: Sequence[Work]

    def __init__(self, writer: Writer, claims: Claims, now: Callable[[], int]) -> None:
        self._writer = writer
        self._now = now
        self._claims = claims
        self._convs: dict[str, int] = {}
        self.work = ()

    def fill(self, connection: sqlite3.Connection, limit: int) -> None:
        """Claim inside the writer's transaction, where nothing can be half settled."""
        self._claims.free(self)
        heads = _heads(connection, self._claims.taken(), limit)
        self._claims.take(heads, self)
        work = [(conv, _work(connection, conv, seq)) for conv, seq in heads.items()]
        self._convs = {w.conversation.id: conv for conv, w in work}
        self.work = tuple(w for _, w in work)

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[StoreError | None]:
        at = self._now()
        writing = [self._writer.do("settle", partial(settle, outcome=o, at=at)) for o in outcomes]
        return [await self._settled(o, done) for o, done in zip(outcomes, writing, strict=True)]

    async def _settled(self, outcome: Outcome, done: Awaitable[None]) -> StoreError | None:
        try:
            await done
        except StoreError as err:
            return err
        self._claims.free(self, self._convs.get(outcome.conversation, -1))
        return None

    async def fail(self, conversation: str, inbox_id: int, error: str, *, give_up: bool) -> None:
        row = ("held" if give_up else "open", self._now(), error, inbox_id, self._convs.get(conversation, -1))
        await self._writer.do(
            "fail",
            lambda c: c.execute(
                "UPDATE inbox SET state = ?, state_at = ?, tries = tries + 1, error = ?"
                " WHERE id = ? AND conv = ? AND state = 'open'",
                row,
            ),
        )

    async def wait(self, conversation: str, inbox_id: int, places: Sequence[tuple[int, str]]) -> None:
        conv, at = self._convs.get(conversation, -1), self._now()
        await self._writer.do("wait", lambda c: recordings.wait(c, conv, inbox_id, places, at))

    async def release(self) -> None:
        self._claims.free(self)


def _heads(connection: sqlite3.Connection, taken: list[int], limit: int) -> dict[int, int]:
    """The oldest open row's seq by conversation, of the conversations that wait longest."""
    heads: dict[int, int] = {}
    found = connection.execute(
        "SELECT conv, seq FROM inbox INDEXED BY inbox_open WHERE state = 'open'"
        " AND conv NOT IN (SELECT value FROM json_each(?))"
        " AND conv NOT IN (SELECT conv FROM inbox INDEXED BY inbox_wait WHERE state = 'wait') ORDER BY id",
        (rows.encode(taken).decode(),),
    )
    for conv, seq in found:
        heads.setdefault(conv, seq)
        if len(heads) >= limit:
            break
    found.close()
    return heads


def _work(connection: sqlite3.Connection, conv: int, first: int) -> Work:
    row = connection.execute(
        f"SELECT {rows.CONVERSATION}, c.state, v.body"  # noqa: S608 - our own columns
        " FROM conversation c LEFT JOIN record r ON r.n = c.record"
        " LEFT JOIN record_revision v ON v.number = r.number AND v.revision = r.revision WHERE c.n = ?",
        (conv,),
    ).fetchone()
    items = connection.execute(
        "SELECT id, key, seq, body, received_at, tries FROM inbox"
        " WHERE conv = ? AND seq >= ? AND state = 'open' ORDER BY provider_at, id LIMIT ?",
        (conv, first, ITEMS),
    ).fetchall()
    read = [item(i) for i in items]
    return Work(
        conversation=rows.conversation(row),
        items=_with_recordings(connection, read),
        state=row[15],
        record=None if row[16] is None else rows.record(row[16]),
        returning=row[16] is None and contacts.returning(connection, conv, read),
        code=contacts.open_code(connection, conv),
    )


def _with_recordings(connection: sqlite3.Connection, items: Sequence[WorkItem]) -> tuple[WorkItem, ...]:
    files = with_files(items)
    return with_recordings(items, recordings.of_rows(connection, files) if files else {})


def settle(connection: sqlite3.Connection, outcome: Outcome, at: int) -> None:
    """Write one outcome, all or nothing. Raises NotFound or Stale."""
    conv, fence, owner = checked(connection, outcome.conversation, outcome.fence)
    writes_record = outcome.record is not None and _is_next(connection, outcome)
    contacts.settle(connection, conv, outcome, at)
    _close(connection, conv, outcome.done, at)
    journal = outcome.journal
    if outcome.record is not None and writes_record:
        journal = records.write(connection, conv, outcome.record, journal)
    status = outcome.status or (outcome.record.standing.status if outcome.record else "")
    connection.execute(
        "UPDATE conversation SET state = ?, active_at = ?, status = CASE WHEN ?3 = '' THEN status ELSE ?3 END"
        " WHERE n = ?4",
        (outcome.state, at, status, conv),
    )
    if outcome.owner is not None and outcome.owner != owner:
        fence = hand_over(connection, conv, outcome.owner, at)
    timeline.write(connection, conv, outcome.notices)
    queue(connection, conv, outcome.sends, fence, at)
    records.write_journal(connection, journal)
    if outcome.trace:
        connection.execute("INSERT INTO trace (conv, at, body) VALUES (?, ?, ?)", (conv, at, outcome.trace))


def checked(connection: sqlite3.Connection, conversation: str, fence: int | None) -> tuple[int, int, str]:
    """The conversation's n, fence and owner. Raises NotFound, or Stale when ``fence`` is another one."""
    conv, stored, owner = rows.found(
        connection.execute("SELECT n, fence, owner FROM conversation WHERE id = ?", (conversation,)).fetchone(),
        "such conversation",
    )
    if fence is not None and fence != stored:
        raise Stale(f"the conversation has changed hands (fence {stored}, not {fence})")
    return conv, stored, owner


def _close(connection: sqlite3.Connection, conv: int, done: Sequence[int], at: int) -> None:
    """What is closed already was settled before: writing it again would double its lines. Raises Stale."""
    closed = connection.executemany(
        "UPDATE inbox SET state = 'done', state_at = ?, error = '' WHERE id = ? AND conv = ? AND state = 'open'",
        [(at, id, conv) for id in done],
    )
    if done and closed.rowcount != len(set(done)):
        raise Stale("some of these messages are settled already")


def _is_next(connection: sqlite3.Connection, outcome: Outcome) -> bool:
    """Whether the outcome's record is new. Raises Stale when somebody else has revised it meanwhile."""
    assert outcome.record is not None
    stored = records.revision(connection, outcome.record.number)
    if outcome.record.revision == stored + 1:
        return True
    if outcome.record.revision == stored and records.unchanged(connection, outcome.record):
        return False
    raise Stale(f"{outcome.record.number} stands at revision {stored}, {outcome.record.revision} does not follow")


def hand_over(connection: sqlite3.Connection, conv: int, owner: str, at: int, lease_until: int | None = None) -> int:
    """Change the owner; the new fence."""
    (fence,) = connection.execute(
        "UPDATE conversation SET owner = ?2, fence = fence + 1, lease_until = ?3, active_at = max(active_at, ?4),"
        " waiting_since = CASE WHEN ?2 = '' THEN coalesce(waiting_since, ?4) ELSE waiting_since END"
        " WHERE n = ?1 RETURNING fence",
        (conv, owner, lease_until, at),
    ).fetchone()
    return int(fence)


def queue(connection: sqlite3.Connection, conv: int | None, sends: Sequence[NewSend], fence: int, at: int) -> None:
    """Put rows into the outbox; those that are bound to an owner are bound to ``fence``."""
    for send in sends:
        outbox.add(connection, conv, send, None if send.fence is None else fence, at)


def traces(connection: sqlite3.Connection, conversation: str, limit: int) -> tuple[bytes, ...]:
    found = connection.execute(
        "SELECT t.body FROM conversation c JOIN trace t ON t.conv = c.n"
        " WHERE c.id = ? AND t.body <> x'' ORDER BY t.id DESC LIMIT ?",
        (conversation, limit),
    )
    return tuple(r[0] for r in found.fetchall())


def replay(connection: sqlite3.Connection, ids: Sequence[int], at: int) -> int:
    """Open held rows again, with all their tries before them."""
    return connection.execute(
        "UPDATE inbox SET state = 'open', state_at = ?, tries = 0, error = ''"
        " WHERE state = 'held' AND id IN (SELECT value FROM json_each(?))",
        (at, rows.encode(ids).decode()),
    ).rowcount
