"""The store behind :class:`gateway.store.base.Store` in a PostgreSQL database, for many nodes at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal

from channels.base import Accepted, Attachment, AttachmentState, Inbound, Memo
from gateway.context import utc_now
from gateway.store import lines, rows
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
from gateway.store.postgres import (
    contacts,
    erase,
    figures,
    files,
    flow,
    intake,
    joining,
    keeping,
    leases,
    listings,
    memory,
    outbox,
    people,
    recordings,
    records,
    timeline,
)
from gateway.store.postgres.database import CONNECTIONS, Connection, Database, Observer
from gateway.store.postgres.group import Group
from gateway.store.postgres.jobs import Jobs
from gateway.store.postgres.session import Session, alive
from normalizer.record import ComplaintRecord
from transcription.base import Transcript


class PostgresStore:
    """One database, any number of nodes. ``url`` as PostgreSQL's own tools read it, ``replica`` a read replica's.

    ``on_commit`` is told each commit's operation before and after it. ``clock`` dates what no caller dates: when a row was
    queued or closed, what has expired.
    """

    def __init__(
        self,
        url: str,
        *,
        replica: str = "",
        connections: int = CONNECTIONS,
        clock: Callable[[], datetime] = utc_now,
        on_commit: Observer | None = None,
    ) -> None:
        self._clock = clock
        self._database = Database(url, replica, connections, on_commit)
        self._session = Session(self._database)
        self._begin()

    # --- life

    async def open(self) -> None:
        try:
            await self._database.open()
            await self._session.open()
            self._begin()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._appends.close()
        await self._settlings.close()
        await self._session.close()
        await self._database.close()

    async def ping(self) -> None:
        await self._database.write("ping", lambda c: c.execute("UPDATE pulse SET beats = beats + 1"))

    def _begin(self) -> None:
        self._jobs = Jobs(self._session)
        self._appends = Group(self._database, "append", _append)
        self._settlings = Group(self._database, "settle_sends", self._settle_sends)

    def _now(self) -> int:
        return rows.micros(self._clock())

    # --- nodes

    def alive(self) -> bool:
        return self._session.alive()

    async def nodes(self) -> int:
        return await self._database.read(alive)

    async def take_lease(self, name: str) -> int | None:
        if not self.alive():
            return None
        node, steady = self._session.node, self._session.steady()
        return await self._database.write("take_lease", lambda c: leases.take(c, name, node, steady=steady))

    async def free_lease(self, name: str) -> None:
        await self._database.write("free_lease", lambda c: leases.free(c, name, self._session.node))

    async def held_leases(self, prefix: str) -> tuple[Held, ...]:
        return await self._database.read(lambda c: leases.held(c, prefix, self._session.node))

    async def take_jobs(self, names: Sequence[str], most: int) -> tuple[str, ...]:
        return await self._jobs.take(names, most)

    async def free_jobs(self, names: Sequence[str]) -> None:
        await self._jobs.free(names)

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
        delivery = lines.prepare(messages, received_at, cursor, memos)
        return await self._appends.add((delivery, lease))

    async def cursor(self, channel: str, account: str) -> str | None:
        return await self._database.read(lambda c: intake.cursor(c, channel, account))

    async def recall(self, channel: str, keys: Sequence[str]) -> Mapping[str, str]:
        return await self._database.read(lambda c: memory.recall(c, channel, keys))

    async def remember(self, channel: str, memos: Sequence[Memo]) -> None:
        await self._database.write("remember", lambda c: memory.remember(c, channel, memos))

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
        return await self._database.write(
            "quarantine",
            lambda c: intake.quarantine(
                c, (channel, account), when, reason=reason, raw=raw, headers=headers, tail=tail
            ),
        )

    # --- flow

    async def claim_work(self, limit: int) -> Batch:
        batch = flow.ClaimedBatch(self._database, self._session, self._now)
        try:
            await batch.fill(limit)
        except BaseException:
            await batch.release()
            raise
        return batch

    # --- files behind links

    async def files_to_fetch(
        self, limit: int, now: datetime, *, besides: Collection[tuple[int, int]] = ()
    ) -> tuple[ToFetch, ...]:
        return await self._database.read(lambda c: files.due(c, limit, rows.micros(now), besides))

    async def next_fetch_at(self) -> datetime | None:
        at = await self._database.read(files.next_at)
        return None if at is None else rows.when(at)

    async def file_fetched(self, inbox_id: int, place: int, file: Attachment) -> None:
        await self._database.write("file_fetched", lambda c: files.fetched(c, inbox_id, place, file))

    async def file_tried(self, inbox_id: int, place: int, error: str, next_at: datetime) -> None:
        await self._database.write("file_tried", lambda c: files.tried(c, inbox_id, place, error, rows.micros(next_at)))

    async def file_given_up(self, inbox_id: int, place: int, state: AttachmentState, reason: str) -> None:
        at = self._now()
        await self._database.write("file_given_up", lambda c: files.given_up(c, inbox_id, place, state, reason, at))

    async def files_to_file(self, limit: int) -> tuple[ToFetch, ...]:
        return await self._database.read(lambda c: files.late(c, limit))

    async def file_filed(self, inbox_id: int, place: int) -> None:
        await self._database.write("file_filed", lambda c: files.filed(c, inbox_id, place))

    # --- recordings

    async def recordings_to_hear(self, limit: int, *, besides: Collection[tuple[int, int]] = ()) -> tuple[ToHear, ...]:
        return await self._database.read(lambda c: recordings.waiting(c, limit, besides))

    async def recordings(self, conversation: str) -> tuple[Recording, ...]:
        return await self._database.read(lambda c: recordings.of_conversation(c, conversation))

    async def heard_before(self, digest: str) -> Transcript | None:
        return await self._database.read(lambda c: recordings.known(c, digest))

    async def recording_tried(self, inbox_id: int, place: int, error: str) -> None:
        await self._database.write("recording_tried", lambda c: recordings.tried(c, inbox_id, place, error))

    async def settle_recording(
        self, inbox_id: int, place: int, state: RecordingState, *, error: str = "", transcript: Transcript | None = None
    ) -> None:
        at = self._now()
        await self._database.write(
            "settle_recording",
            lambda c: recordings.settle(c, inbox_id, place, state, error=error, transcript=transcript, at=at),
        )

    async def recordings_to_copy(self, limit: int) -> tuple[Recording, ...]:
        return await self._database.read(lambda c: recordings.uncopied(c, limit))

    async def settle_copy(self, digest: str, copy: str) -> tuple[str, ...]:
        return await self._database.write("settle_copy", lambda c: recordings.copied(c, digest, copy))

    async def defer_recordings(self, before: datetime) -> int:
        since, at = rows.micros(before), self._now()
        return await self._database.write("defer_recordings", lambda c: recordings.defer(c, since, at))

    # --- outbox

    async def claim_sends(self, limit: int, now: datetime, *, at_most: Mapping[str, int] = {}) -> Sequence[Send]:
        if not self._session.alive():
            raise StoreUnavailable("this node has lost its connection and would seem dead to the others: it comes back")
        node, steady = self._session.node, self._session.steady()
        return await self._database.write(
            "claim_sends", lambda c: outbox.claim(c, limit, now, at_most, node, steady=steady)
        )

    async def settle_sends(self, results: Sequence[SendResult]) -> None:
        await self._settlings.add(results)

    async def _settle_sends(self, c: Connection, calls: Sequence[Sequence[SendResult]]) -> Sequence[None]:
        await outbox.settle_all(c, [result for call in calls for result in call], self._now(), self._session.node)
        return [None] * len(calls)

    async def find_send(
        self, destination: str, *, key: str = "", conversation: str = "", external_id: str = ""
    ) -> Send | None:
        return await self._database.read(lambda c: outbox.find(c, destination, key, conversation, external_id))

    async def settle_late(self, result: SendResult) -> bool:
        return await self._database.write("settle_late", lambda c: outbox.settle_late(c, result, self._now()))

    async def next_send_at(self, *, besides: Collection[str] = ()) -> datetime | None:
        return await self._database.read(lambda c: outbox.next_at(c, besides))

    # --- reading

    async def conversation(self, id: str) -> Conversation:
        return await self._database.read(lambda c: people.get(c, id))

    async def timeline(
        self, conversation: str, *, after: int = 0, limit: int = 200, visible_only: bool = False
    ) -> tuple[Entry, ...]:
        return await self._database.read(
            lambda c: timeline.read(c, conversation, after=after, limit=limit, visible_only=visible_only)
        )

    async def original(self, conversation: str, seq: int, journal: JournalLine) -> str:
        return await self._database.write("original", lambda c: people.original(c, conversation, seq, journal))

    async def pending(self, conversation: str) -> tuple[Send, ...]:
        return await self._database.read(lambda c: outbox.pending(c, conversation))

    async def record(self, number: str) -> ComplaintRecord:
        return await self._database.read(lambda c: records.get(c, number))

    async def revisions(self, number: str) -> tuple[ComplaintRecord, ...]:
        return await self._database.read(lambda c: records.revisions(c, number))

    async def revision_digests(self, number: str) -> dict[int, str]:
        return await self._database.read(lambda c: records.revision_digests(c, number))

    async def records_to_link(self, limit: int) -> tuple[ComplaintRecord, ...]:
        return await self._database.read(lambda c: records.to_link(c, limit))

    async def looked_at(self, looked: Sequence[tuple[str, int]]) -> None:
        await self._database.write("looked_at", lambda c: records.looked_at(c, looked))

    async def records(
        self,
        *,
        cursor: str = "",
        limit: int = 50,
        since: datetime | None = None,
        status: str = "",
        accounts: Sequence[tuple[str, str]] | None = None,
    ) -> Page:
        return await self._database.report(
            lambda c: listings.complaint_records(
                c, cursor=cursor, limit=limit, since=since, status=status, accounts=accounts
            )
        )

    async def conversations(self, view: View, *, agent: str = "", cursor: str = "", limit: int = 50) -> Page:
        return await self._database.report(
            lambda c: listings.conversations(c, view, agent=agent, cursor=cursor, limit=limit)
        )

    async def search(self, text: str, *, limit: int = 50) -> Page:
        return await self._database.report(lambda c: listings.search(c, text, limit=limit))

    async def journal(self, number: str) -> tuple[JournalLine, ...]:
        return await self._database.read(lambda c: records.journal(c, number))

    async def traces(self, conversation: str, *, limit: int = 20) -> tuple[bytes, ...]:
        return await self._database.read(lambda c: flow.traces(c, conversation, limit))

    # --- people

    async def claim(
        self, conversation: str, agent: str, *, lease_until: datetime, now: datetime, force: bool = False
    ) -> Conversation:
        return await self._database.write(
            "claim", lambda c: people.claim(c, conversation, agent, lease_until=lease_until, now=now, force=force)
        )

    async def extend(self, conversation: str, agent: str, fence: int, lease_until: datetime) -> None:
        await self._database.write("extend", lambda c: people.extend(c, conversation, agent, fence, lease_until))

    async def expire_leases(self, now: datetime) -> tuple[Conversation, ...]:
        return await self._database.write("expire_leases", lambda c: people.expire_leases(c, now))

    async def say(
        self, conversation: str, fence: int, sends: Sequence[NewSend], journal: JournalLine | None = None
    ) -> None:
        await self._database.write("say", lambda c: people.say(c, conversation, fence, sends, journal, self._now()))

    async def note(self, conversation: str, entry: Entry) -> int:
        return await self._database.write("note", lambda c: people.note(c, conversation, entry))

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
        return await self._database.write(
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
        return await self._database.write(
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
        return await self._database.read(lambda c: contacts.contact(c, conversation))

    async def blocked(self, conversation: str) -> bool:
        return await self._database.read(lambda c: contacts.is_blocked(c, conversation))

    async def conversations_of(self, node: str) -> tuple[Conversation, ...]:
        return await self._database.read(lambda c: contacts.conversations_of(c, node))

    async def asked_case(self, number: str, nodes: Sequence[str]) -> AskedCase | None:
        return await self._database.read(lambda c: contacts.asked_case(c, number, nodes))

    async def put_code(self, code: NewCode, sends: Sequence[NewSend], journal: JournalLine | None = None) -> None:
        await self._database.write("put_code", lambda c: contacts.put_code(c, code, sends, journal, self._now()))

    async def code(self, id: str) -> Code:
        return await self._database.read(lambda c: contacts.code(c, id))

    async def undo_proof(self, n: int, *, at: datetime, by: str, journal: JournalLine | None = None) -> Proof:
        return await self._database.write("undo_proof", lambda c: contacts.undo(c, n, at=at, by=by, journal=journal))

    async def join(
        self,
        number: str,
        other: Joined,
        sends: Sequence[NewSend],
        *,
        at: datetime,
        instead: Instead | None = None,
    ) -> str:
        return await self._database.write("join", lambda c: joining.join(c, number, other, sends, at, instead))

    async def agents(self) -> tuple[Agent, ...]:
        return await self._database.read(people.agents)

    async def put_agent(self, agent: Agent) -> None:
        await self._database.write("put_agent", lambda c: people.put_agent(c, agent))

    async def put_session(self, session: DeskSession) -> None:
        await self._database.write("put_session", lambda c: people.put_session(c, session, self._now()))

    async def session(self, token_hash: str, now: datetime) -> tuple[DeskSession, Agent]:
        return await self._database.read(lambda c: people.session(c, token_hash, now))

    async def end_session(self, token_hash: str) -> None:
        await self._database.write("end_session", lambda c: people.end_session(c, token_hash))

    async def put_once(self, scope: str, key: str, value: bytes, *, expires_at: datetime) -> bytes:
        return await self._database.write(
            "put_once", lambda c: people.put_once(c, scope, key, value, expires_at, self._now())
        )

    async def take_once(self, scope: str, key: str, now: datetime) -> bytes | None:
        return await self._database.write("take_once", lambda c: people.take_once(c, scope, key, now))

    # --- operation

    async def inbox(self, *, state: str = "", cursor: str = "", limit: int = 50) -> Page:
        return await self._database.report(lambda c: listings.inbox(c, state=state, cursor=cursor, limit=limit))

    async def inbox_message(self, id: int) -> Inbound:
        return await self._database.read(lambda c: intake.message(c, id))

    async def replay_inbox(self, ids: Sequence[int]) -> int:
        return await self._database.write("replay_inbox", lambda c: flow.replay(c, ids, self._now()))

    async def outbox(self, *, state: str = "", cursor: str = "", limit: int = 50) -> Page:
        return await self._database.report(lambda c: listings.outbox_rows(c, state=state, cursor=cursor, limit=limit))

    async def replay_sends(self, ids: Sequence[int], now: datetime) -> int:
        return await self._database.write("replay_sends", lambda c: outbox.replay(c, ids, now))

    async def quarantined(self, *, state: str = "open", cursor: str = "", limit: int = 50) -> Page:
        return await self._database.report(lambda c: listings.quarantined(c, state=state, cursor=cursor, limit=limit))

    async def quarantined_one(self, id: int) -> Quarantined:
        return await self._database.read(lambda c: listings.quarantined_one(c, id))

    async def close_quarantined(self, id: int, state: Literal["replayed", "dropped"]) -> None:
        await self._database.write("close_quarantined", lambda c: intake.close_quarantined(c, id, state))

    async def tally(self, *, since: datetime, until: datetime) -> tuple[Tally, ...]:
        return await self._database.read(lambda c: figures.tally(c, since=since, until=until))

    async def latest_messages(self) -> tuple[LatestMessage, ...]:
        return await self._database.report(figures.latest_messages)

    async def gauges(self, now: datetime) -> Gauges:
        return await self._database.report(lambda c: figures.gauges(c, now))

    async def blobs_of(self, conversation: str) -> tuple[str, ...]:
        return await self._database.read(lambda c: intake.blobs_of(c, conversation))

    async def blob_in_use(self, digest: str) -> bool:
        return await self._database.read(lambda c: intake.blob_in_use(c, digest))

    async def erase(self, conversation: str, *, at: datetime, by: str) -> int:
        return await self._database.write("erase", lambda c: erase.erase(c, conversation, at=at, by=by))

    async def tidy(self, now: datetime, keep: Keep) -> Tidied:
        return await keeping.tidy(self._database, now, keep)

    async def find_person(self, needle: str) -> tuple[str, ...]:
        return await self._database.report(lambda c: listings.find_person(c, needle))


async def _append(
    c: Connection, calls: Sequence[tuple[lines.Delivery, leases.Lease | None]]
) -> Sequence[tuple[Accepted, ...]]:
    await leases.check(c, [lease for _, lease in calls if lease is not None])
    return await intake.append(c, [delivery for delivery, _ in calls])
