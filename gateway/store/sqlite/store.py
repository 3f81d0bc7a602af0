"""The store behind :class:`gateway.store.base.Store` in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from channels.base import Accepted, Attachment, AttachmentState, Inbound, Memo
from gateway.context import utc_now
from gateway.store import lines, migrations, rows
from gateway.store.base import (
    Agent,
    AskedCase,
    Batch,
    Code,
    Contact,
    Conversation,
    DeskSession,
    Entry,
    Gauges,
    Held,
    Instead,
    Joined,
    JournalLine,
    Keep,
    LatestMessage,
    NewCode,
    NewSend,
    Page,
    Proof,
    Quarantined,
    Recording,
    RecordingState,
    Send,
    SendResult,
    StoreUnavailable,
    Tally,
    Tidied,
    ToFetch,
    ToHear,
    View,
)
from gateway.store.sqlite import (
    contacts,
    database,
    erase,
    figures,
    files,
    flow,
    intake,
    joining,
    listings,
    memory,
    outbox,
    people,
    recordings,
    records,
    timeline,
)
from gateway.store.sqlite.keeping import Keeping
from gateway.store.sqlite.leases import Leases
from gateway.store.sqlite.readers import Readers
from gateway.store.sqlite.writer import Observer, Writer
from normalizer.record import ComplaintRecord
from transcription.base import Transcript

T = TypeVar("T")


class SqliteStore:
    """One file, one process. ``on_commit`` is told each commit's operations before and after it.

    ``clock`` dates what no caller dates: when a row was queued or closed, what has expired.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime] = utc_now, on_commit: Observer | None = None
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = database.Lock(path)
        self._on_commit = on_commit
        self._claims = flow.Claims()
        self._leases = Leases()
        self._keeping = Keeping()
        self._connection: sqlite3.Connection | None = None
        self._running: tuple[Writer, Readers] | None = None

    # --- life

    async def open(self) -> None:
        try:
            # Others on the machine have no business with customers' words.
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            database.check_not_moved(self._path)
            self._lock.take()
            self._connection = database.writing(self._path)
            database.migrate(self._connection, migrations.read(database.MIGRATIONS))
            outbox.interrupted(self._connection, self._now())
            self._running = (Writer(self._connection, self._on_commit), Readers(self._path))
        except BaseException as err:
            await self.close()
            if isinstance(err, (sqlite3.Error, OSError)):
                raise StoreUnavailable(f"cannot open {self._path}: {err}") from err
            raise

    async def close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running[0].close()
            running[1].close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.free()

    async def ping(self) -> None:
        await self._do(
            "ping",
            lambda c: c.execute(
                "INSERT INTO pulse (one, beats) VALUES (1, 1) ON CONFLICT DO UPDATE SET beats = beats + 1"
            ),
        )

    @property
    def _writer(self) -> Writer:
        if self._running is None:
            raise StoreUnavailable("the store is not open")
        return self._running[0]

    @property
    def _readers(self) -> Readers:
        if self._running is None:
            raise StoreUnavailable("the store is not open")
        return self._running[1]

    def _now(self) -> int:
        return rows.micros(self._clock())

    async def _do(self, name: str, run: Callable[[sqlite3.Connection], T], *, long: bool = False) -> T:
        return await self._writer.do(name, run, long=long)

    # --- nodes

    def alive(self) -> bool:
        return True

    async def nodes(self) -> int:
        return 1

    async def take_lease(self, name: str) -> int | None:
        return self._leases.take(name)

    async def free_lease(self, name: str) -> None:
        self._leases.free(name)

    async def held_leases(self, prefix: str) -> tuple[Held, ...]:
        return self._leases.held(prefix)

    async def take_jobs(self, names: Sequence[str], most: int) -> tuple[str, ...]:
        return self._leases.take_jobs(names, most)

    async def free_jobs(self, names: Sequence[str]) -> None:
        self._leases.free_jobs(names)

    # --- intake

    async def append(
        self,
        messages: Sequence[Inbound],
        *,
        received_at: datetime,
        cursor: tuple[str, str, str] | None = None,
        memos: tuple[str, Sequence[Memo]] | None = None,
        lease: tuple[str, int] | None = None,
    ) -> tuple[Accepted, ...]:
        self._leases.check(lease)
        delivery = lines.prepare(messages, received_at, cursor, memos)
        return await self._writer.merge("append", intake.append, delivery)

    async def cursor(self, channel: str, account: str) -> str | None:
        row = self._readers.near(
            lambda c: c.execute(
                "SELECT value FROM cursor WHERE channel = ? AND account = ?", (channel, account)
            ).fetchone()
        )
        return None if row is None else str(row[0])

    async def recall(self, channel: str, keys: Sequence[str]) -> Mapping[str, str]:
        return self._readers.near(lambda c: memory.recall(c, channel, keys))

    async def remember(self, channel: str, memos: Sequence[Memo]) -> None:
        await self._do("remember", lambda c: memory.remember(c, channel, memos))

    async def quarantine(
        self,
        channel: str,
        account: str,
        raw: bytes,
        reason: str,
        *,
        headers: Mapping[str, str],
        tail: str = "",
        at: datetime,
    ) -> int:
        when = rows.micros(at)
        return await self._do(
            "quarantine",
            lambda c: intake.quarantine(
                c, (channel, account), when, reason=reason, raw=raw, headers=headers, tail=tail
            ),
        )

    # --- flow

    async def claim_work(self, limit: int) -> Batch:
        batch = flow.ClaimedBatch(self._writer, self._claims, self._now)
        try:
            await self._do("claim_work", lambda c: batch.fill(c, limit))
        except BaseException:
            await batch.release()
            raise
        return batch

    # --- files behind links

    async def files_to_fetch(
        self, limit: int, now: datetime, *, besides: Collection[tuple[int, int]] = ()
    ) -> tuple[ToFetch, ...]:
        return self._readers.near(lambda c: files.due(c, limit, rows.micros(now), besides))

    async def next_fetch_at(self) -> datetime | None:
        at = self._readers.near(files.next_at)
        return None if at is None else rows.when(at)

    async def file_fetched(self, inbox_id: int, place: int, file: Attachment) -> None:
        await self._do("file_fetched", lambda c: files.fetched(c, inbox_id, place, file))

    async def file_tried(self, inbox_id: int, place: int, error: str, next_at: datetime) -> None:
        await self._do("file_tried", lambda c: files.tried(c, inbox_id, place, error, rows.micros(next_at)))

    async def file_given_up(self, inbox_id: int, place: int, state: AttachmentState, reason: str) -> None:
        at = self._now()
        await self._do("file_given_up", lambda c: files.given_up(c, inbox_id, place, state, reason, at))

    async def files_to_file(self, limit: int) -> tuple[ToFetch, ...]:
        return self._readers.near(lambda c: files.late(c, limit))

    async def file_filed(self, inbox_id: int, place: int) -> None:
        await self._do("file_filed", lambda c: files.filed(c, inbox_id, place))

    # --- recordings

    async def recordings_to_hear(self, limit: int, *, besides: Collection[tuple[int, int]] = ()) -> tuple[ToHear, ...]:
        return self._readers.near(lambda c: recordings.waiting(c, limit, besides))

    async def recordings(self, conversation: str) -> tuple[Recording, ...]:
        return self._readers.near(lambda c: recordings.of_conversation(c, conversation))

    async def heard_before(self, digest: str) -> Transcript | None:
        return self._readers.near(lambda c: recordings.known(c, digest))

    async def recording_tried(self, inbox_id: int, place: int, error: str) -> None:
        await self._do("recording_tried", lambda c: recordings.tried(c, inbox_id, place, error))

    async def settle_recording(
        self, inbox_id: int, place: int, state: RecordingState, *, error: str = "", transcript: Transcript | None = None
    ) -> None:
        at = self._now()
        await self._do(
            "settle_recording",
            lambda c: recordings.settle(c, inbox_id, place, state, error=error, transcript=transcript, at=at),
        )

    async def recordings_to_copy(self, limit: int) -> tuple[Recording, ...]:
        return self._readers.near(lambda c: recordings.uncopied(c, limit))

    async def settle_copy(self, digest: str, copy: str) -> tuple[str, ...]:
        return await self._do("settle_copy", lambda c: recordings.copied(c, digest, copy))

    async def defer_recordings(self, before: datetime) -> int:
        since, at = rows.micros(before), self._now()
        return await self._do("defer_recordings", lambda c: recordings.defer(c, since, at))

    # --- outbox

    async def claim_sends(self, limit: int, now: datetime, *, at_most: Mapping[str, int] = {}) -> Sequence[Send]:
        return await self._do("claim_sends", lambda c: outbox.claim(c, limit, now, at_most))

    async def settle_sends(self, results: Sequence[SendResult]) -> None:
        await self._do("settle_sends", lambda c: outbox.settle_all(c, results, self._now()))

    async def find_send(
        self, destination: str, *, key: str = "", conversation: str = "", external_id: str = ""
    ) -> Send | None:
        return self._readers.near(lambda c: outbox.find(c, destination, key, conversation, external_id))

    async def settle_late(self, result: SendResult) -> bool:
        return await self._do("settle_late", lambda c: outbox.settle_late(c, result, self._now()))

    async def next_send_at(self, *, besides: Collection[str] = ()) -> datetime | None:
        return self._readers.near(lambda c: outbox.next_at(c, besides))

    # --- reading

    async def conversation(self, id: str) -> Conversation:
        return self._readers.near(lambda c: people.get(c, id))

    async def timeline(
        self, conversation: str, *, after: int = 0, limit: int = 200, visible_only: bool = False
    ) -> tuple[Entry, ...]:
        return self._readers.near(
            lambda c: timeline.read(c, conversation, after=after, limit=limit, visible_only=visible_only)
        )

    async def original(self, conversation: str, seq: int, journal: JournalLine) -> str:
        return await self._do("original", lambda c: people.original(c, conversation, seq, journal))

    async def pending(self, conversation: str) -> tuple[Send, ...]:
        return self._readers.near(lambda c: outbox.pending(c, conversation))

    async def record(self, number: str) -> ComplaintRecord:
        return self._readers.near(lambda c: records.get(c, number))

    async def revisions(self, number: str) -> tuple[ComplaintRecord, ...]:
        return self._readers.near(lambda c: records.revisions(c, number))

    async def revision_digests(self, number: str) -> dict[int, str]:
        return self._readers.near(lambda c: records.revision_digests(c, number))

    async def records_to_link(self, limit: int) -> tuple[ComplaintRecord, ...]:
        return self._readers.near(lambda c: records.to_link(c, limit))

    async def looked_at(self, looked: Sequence[tuple[str, int]]) -> None:
        await self._do("looked_at", lambda c: records.looked_at(c, looked))

    async def records(
        self,
        *,
        cursor: str = "",
        limit: int = 50,
        since: datetime | None = None,
        status: str = "",
        accounts: Sequence[tuple[str, str]] | None = None,
    ) -> Page:
        return await self._readers.far(
            lambda c: listings.complaint_records(
                c, cursor=cursor, limit=limit, since=since, status=status, accounts=accounts
            )
        )

    async def conversations(self, view: View, *, agent: str = "", cursor: str = "", limit: int = 50) -> Page:
        return await self._readers.far(
            lambda c: listings.conversations(c, view, agent=agent, cursor=cursor, limit=limit)
        )

    async def search(self, text: str, *, limit: int = 50) -> Page:
        return await self._readers.far(lambda c: listings.search(c, text, limit=limit))

    async def journal(self, number: str) -> tuple[JournalLine, ...]:
        return self._readers.near(lambda c: records.journal(c, number))

    async def traces(self, conversation: str, *, limit: int = 20) -> tuple[bytes, ...]:
        return self._readers.near(lambda c: flow.traces(c, conversation, limit))

    # --- people

    async def claim(
        self, conversation: str, agent: str, *, lease_until: datetime, now: datetime, force: bool = False
    ) -> Conversation:
        return await self._do(
            "claim", lambda c: people.claim(c, conversation, agent, lease_until=lease_until, now=now, force=force)
        )

    async def extend(self, conversation: str, agent: str, fence: int, lease_until: datetime) -> None:
        await self._do("extend", lambda c: people.extend(c, conversation, agent, fence, lease_until))

    async def expire_leases(self, now: datetime) -> tuple[Conversation, ...]:
        return await self._do("expire_leases", lambda c: people.expire_leases(c, now))

    async def say(
        self, conversation: str, fence: int, sends: Sequence[NewSend], journal: JournalLine | None = None
    ) -> None:
        await self._do("say", lambda c: people.say(c, conversation, fence, sends, journal, self._now()))

    async def note(self, conversation: str, entry: Entry) -> int:
        return await self._do("note", lambda c: people.note(c, conversation, entry))

    async def release(
        self,
        conversation: str,
        fence: int,
        owner: str,
        status: str,
        *,
        at: datetime,
        notice: Entry,
        journal: JournalLine | None = None,
    ) -> Conversation:
        return await self._do(
            "release",
            lambda c: people.release(c, conversation, fence, owner, status, at=at, notice=notice, journal=journal),
        )

    async def amend(
        self,
        conversation: str,
        fence: int | None,
        record: ComplaintRecord,
        *,
        status: str,
        notices: Sequence[Entry] = (),
        sends: Sequence[NewSend] = (),
        journal: Sequence[JournalLine] = (),
        owner: str | None = None,
    ) -> Conversation:
        return await self._do(
            "amend",
            lambda c: people.amend(
                c,
                conversation,
                fence,
                record,
                status=status,
                notices=notices,
                sends=sends,
                journal=journal,
                owner=owner,
                at=self._now(),
            ),
        )

    # --- who is who

    async def contact(self, conversation: str) -> Contact:
        return self._readers.near(lambda c: contacts.contact(c, conversation))

    async def blocked(self, conversation: str) -> bool:
        return self._readers.near(lambda c: contacts.is_blocked(c, conversation))

    async def conversations_of(self, node: str) -> tuple[Conversation, ...]:
        return self._readers.near(lambda c: contacts.conversations_of(c, node))

    async def asked_case(self, number: str, nodes: Sequence[str]) -> AskedCase | None:
        return self._readers.near(lambda c: contacts.asked_case(c, number, nodes))

    async def put_code(self, code: NewCode, sends: Sequence[NewSend], journal: JournalLine | None = None) -> None:
        await self._do("put_code", lambda c: contacts.put_code(c, code, sends, journal, self._now()))

    async def code(self, id: str) -> Code:
        return self._readers.near(lambda c: contacts.code(c, id))

    async def undo_proof(self, n: int, *, at: datetime, by: str, journal: JournalLine | None = None) -> Proof:
        return await self._do("undo_proof", lambda c: contacts.undo(c, n, at=at, by=by, journal=journal))

    async def join(
        self,
        number: str,
        other: Joined,
        sends: Sequence[NewSend],
        *,
        at: datetime,
        instead: Instead | None = None,
    ) -> str:
        return await self._do("join", lambda c: joining.join(c, number, other, sends, at, instead))

    async def agents(self) -> tuple[Agent, ...]:
        return self._readers.near(people.agents)

    async def put_agent(self, agent: Agent) -> None:
        await self._do("put_agent", lambda c: people.put_agent(c, agent))

    async def put_session(self, session: DeskSession) -> None:
        await self._do("put_session", lambda c: people.put_session(c, session, self._now()))

    async def session(self, token_hash: str, now: datetime) -> tuple[DeskSession, Agent]:
        return self._readers.near(lambda c: people.session(c, token_hash, now))

    async def end_session(self, token_hash: str) -> None:
        await self._do("end_session", lambda c: people.end_session(c, token_hash))

    async def put_once(self, scope: str, key: str, value: bytes, *, expires_at: datetime) -> bytes:
        return await self._do("put_once", lambda c: people.put_once(c, scope, key, value, expires_at, self._now()))

    async def take_once(self, scope: str, key: str, now: datetime) -> bytes | None:
        return await self._do("take_once", lambda c: people.take_once(c, scope, key, now))

    # --- operation

    async def inbox(self, *, state: str = "", cursor: str = "", limit: int = 50) -> Page:
        return await self._readers.far(lambda c: listings.inbox(c, state=state, cursor=cursor, limit=limit))

    async def inbox_message(self, id: int) -> Inbound:
        return self._readers.near(lambda c: intake.message(c, id))

    async def replay_inbox(self, ids: Sequence[int]) -> int:
        return await self._do("replay_inbox", lambda c: flow.replay(c, ids, self._now()))

    async def outbox(self, *, state: str = "", cursor: str = "", limit: int = 50) -> Page:
        return await self._readers.far(lambda c: listings.outbox_rows(c, state=state, cursor=cursor, limit=limit))

    async def replay_sends(self, ids: Sequence[int], now: datetime) -> int:
        return await self._do("replay_sends", lambda c: outbox.replay(c, ids, now))

    async def quarantined(self, *, state: str = "open", cursor: str = "", limit: int = 50) -> Page:
        return await self._readers.far(lambda c: listings.quarantined(c, state=state, cursor=cursor, limit=limit))

    async def quarantined_one(self, id: int) -> Quarantined:
        return self._readers.near(lambda c: listings.quarantined_one(c, id))

    async def close_quarantined(self, id: int, state: Literal["replayed", "dropped"]) -> None:
        await self._do("close_quarantined", lambda c: intake.close_quarantined(c, id, state))

    async def tally(self, *, since: datetime, until: datetime) -> tuple[Tally, ...]:
        return self._readers.near(lambda c: figures.tally(c, since=since, until=until))

    async def latest_messages(self) -> tuple[LatestMessage, ...]:
        return await self._readers.far(figures.latest_messages)

    async def gauges(self, now: datetime) -> Gauges:
        return await self._readers.far(lambda c: figures.gauges(c, now))

    async def blobs_of(self, conversation: str) -> tuple[str, ...]:
        return self._readers.near(lambda c: intake.blobs_of(c, conversation))

    async def blob_in_use(self, digest: str) -> bool:
        return self._readers.near(lambda c: intake.blob_in_use(c, digest))

    async def erase(self, conversation: str, *, at: datetime, by: str) -> int:
        changed = await self._do("erase", lambda c: erase.erase(c, conversation, at=at, by=by), long=True)
        await self._writer.checkpoint()  # the erased words still stand in the log until it starts anew
        return changed

    async def tidy(self, now: datetime, keep: Keep) -> Tidied:
        return await self._keeping.tidy(self._writer, self._readers, now, keep)

    async def find_person(self, needle: str) -> tuple[str, ...]:
        return await self._readers.far(lambda c: listings.find_person(c, needle))
