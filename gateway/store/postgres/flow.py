"""From open inbox rows to settled outcomes.

A claim only keeps nodes out of each other's way. What guards the truth are the checks when an outcome is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.store import rows
from gateway.store.base import (
    JournalLine,
    NewSend,
    NotFound,
    Outcome,
    Stale,
    StoreError,
    StoreUnavailable,
    Work,
    WorkItem,
)
from gateway.store.journal import with_revision
from gateway.store.postgres import contacts, outbox, recordings, records, timeline
from gateway.store.postgres.database import Connection, Database
from gateway.store.postgres.session import CLAIMED, HALF, Session
from gateway.store.postgres.text import back, read, shown
from gateway.store.work import ITEMS, item, with_files, with_recordings
from normalizer.record import ComplaintRecord

#: Conversations that are looked at for one that is claimed: other nodes see the same ones, and may be faster.
SPARE = 3


class ClaimedBatch:
    """What one call of ``claim_work`` got."""

    work: Sequence[Work]

    def __init__(self, database: Database, session: Session, now: Callable[[], int]) -> None:
        self._database = database
        self._session = session
        self._now = now
        self._convs: dict[str, int] = {}
        self.work = ()

    async def fill(self, limit: int) -> None:
        """Claim conversations, then read their work: what was settled before the claim is seen."""
        heads = await self._database.read(lambda c: _heads(c, limit * SPARE))
        if not heads:
            return
        claimed = await self._session.claim(heads, limit, self)
        work = await self._database.read(lambda c: _work(c, claimed))
        self._convs = {w.conversation.id: conv for conv, w in work.items()}
        self.work = tuple(work.values())
        await self._session.free(self, [conv for conv in claimed if conv not in work])

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[StoreError | None]:
        errors: dict[int, StoreError | None] = {}
        for n, outcome in enumerate(outcomes):
            if self._lost(outcome.conversation):  # another node may have it by now, and know more of it
                errors[n] = Stale("the connection that held this conversation was lost")
        for together in groups(outcomes):
            errors |= await self._settle({n: outcomes[n] for n in together if n not in errors})
        settled = [outcomes[n].conversation for n, error in errors.items() if error is None]
        await self._session.free(self, [self._convs[id] for id in settled if id in self._convs])
        return [errors[n] for n in range(len(outcomes))]

    def _lost(self, conversation: str) -> bool:
        """Whether its claim ended with the connection that held it."""
        return conversation in self._convs and not self._session.holds(self, self._convs[conversation])

    async def _settle(self, outcomes: Mapping[int, Outcome]) -> dict[int, StoreError | None]:
        """In one transaction, or where that fails each in its own, so that a bad one fails alone."""
        if not outcomes:
            return {}
        try:
            given = list(outcomes.values())
            errors = await self._database.write("settle", lambda c: settle(c, given, self._now()))
        except StoreError as err:
            if len(outcomes) == 1 or isinstance(err, StoreUnavailable):
                return dict.fromkeys(outcomes, err)
            alone = [await self._settle({n: outcome}) for n, outcome in outcomes.items()]
            return {n: error for each in alone for n, error in each.items()}
        return dict(zip(outcomes, errors, strict=True))

    async def fail(self, conversation: str, inbox_id: int, error: str, *, give_up: bool) -> None:
        row = ("held" if give_up else "open", self._now(), shown(error), inbox_id, self._convs.get(conversation, -1))
        await self._database.write(
            "fail",
            lambda c: c.execute(
                "UPDATE inbox SET state = $1, state_at = $2, tries = tries + 1, error = $3"
                " WHERE id = $4 AND conv = $5 AND state = 'open'",
                *row,
            ),
        )

    async def wait(self, conversation: str, inbox_id: int, places: Sequence[tuple[int, str]]) -> None:
        conv, at = self._convs.get(conversation, -1), self._now()
        await self._database.write("wait", lambda c: recordings.wait(c, conv, inbox_id, places, at))

    async def release(self) -> None:
        await self._session.free(self)


# --- claiming -------------------------------------------------------------------------------------------

_OPEN = (
    f"SELECT i.id, i.conv FROM inbox i WHERE i.state = 'open' AND {HALF.format(n='i.conv')} NOT IN (TABLE claimed)"  # noqa: S608
    # OFFSET keeps it a look into the index for each row, however many wait.
    " AND NOT EXISTS (SELECT 1 FROM inbox w WHERE w.conv = i.conv AND w.state = 'wait' OFFSET 0)"
)
#: One row after the other until there are enough: a long queue behind them costs nothing.
_HEADS = f"""
WITH RECURSIVE claimed (half) AS MATERIALIZED ({CLAIMED}), head (id, conv, before) AS (
    (SELECT o.id, o.conv, ARRAY[o.conv] FROM ({_OPEN} ORDER BY i.id LIMIT 1) o)
    UNION ALL
    SELECT next.id, next.conv, head.before || next.conv
    FROM head, LATERAL ({_OPEN} AND i.id > head.id AND i.conv <> ALL (head.before) ORDER BY i.id LIMIT 1) next
)
SELECT conv FROM head LIMIT $1
"""  # noqa: S608 - our own columns


async def _heads(c: Connection, limit: int) -> list[int]:
    """The conversations that wait longest, by their oldest open row; nobody works on them."""
    return [row[0] for row in await c.fetch(_HEADS, limit)]


_ITEMS = """
SELECT i.id, i.key, i.seq, i.body, i.received_at, i.tries, i.conv
FROM unnest($1::bigint[]) WITH ORDINALITY AS w (conv, place), LATERAL (
    SELECT * FROM inbox o WHERE o.conv = w.conv AND o.state = 'open' ORDER BY o.provider_at, o.seq LIMIT $2
) i ORDER BY w.place
"""
_CONVERSATIONS = f"""
SELECT {rows.CONVERSATION}, c.state AS bot_state, v.body AS latest, c.n
FROM conversation c LEFT JOIN record r ON r.n = c.record
    LEFT JOIN record_revision v ON v.number = r.number AND v.revision = r.revision
WHERE c.n = ANY($1::bigint[])
"""  # noqa: S608 - our own columns


async def _work(c: Connection, convs: Sequence[int]) -> dict[int, Work]:
    """The work of claimed conversations, in their order; those where nothing is open any more are left out."""
    items: dict[int, list[WorkItem]] = defaultdict(list)
    for row in await c.fetch(_ITEMS, convs, ITEMS):
        items[row["conv"]].append(item((row[0], back(row[1]), *row[2:6])))
    files = [id for each in items.values() for id in with_files(each)]
    heard = await recordings.of_rows(c, files) if files else {}
    found = {row["n"]: row for row in await c.fetch(_CONVERSATIONS, list(items))}
    returning = await contacts.returning(c, {n: each for n, each in items.items() if found[n]["latest"] is None})
    codes = await contacts.open_codes(c, list(items))
    return {
        conv: Work(
            conversation=rows.conversation(read(found[conv])),
            items=with_recordings(each, heard),
            state=found[conv]["bot_state"],
            record=None if found[conv]["latest"] is None else rows.record(found[conv]["latest"]),
            returning=conv in returning,
            code=codes.get(found[conv]["id"]),
        )
        for conv, each in items.items()
    }


# --- settling -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Writing:
    """An outcome that is being written, in the conversation whose row the transaction holds."""

    conv: int
    fence: int
    owner: str
    outcome: Outcome
    revises: ComplaintRecord | None = None
    """The outcome's record, where it is new."""


def groups(outcomes: Sequence[Outcome]) -> list[list[int]]:
    """The places of outcomes that can be written at once: of different conversations and different records."""
    found: list[tuple[list[int], set[str]]] = []
    for place, outcome in enumerate(outcomes):
        names = {outcome.conversation} | ({outcome.record.number} if outcome.record else set())
        for places, taken in found:
            if not names & taken:
                places.append(place)
                taken |= names
                break
        else:
            found.append(([place], names))
    return [places for places, _ in found]


async def settle(c: Connection, outcomes: Sequence[Outcome], at: int) -> list[StoreError | None]:
    """Write outcomes of different conversations with a handful of statements, however many they are.

    The error of each of which nothing is written (NotFound, Stale), None where it is. What else goes wrong is raised and
    undoes them all.
    """
    held = await _hold(c, [o.conversation for o in outcomes])
    still_open = await _still_open(c, [id for o in outcomes for id in o.done])
    revisions = await records.revisions_of(c, {o.record.number for o in outcomes if o.record is not None})
    errors: list[StoreError | None] = []
    good: list[_Writing] = []
    for outcome in outcomes:
        try:
            conv, fence, owner = _expected(held, outcome.conversation, outcome.fence)
            _check_done(still_open, conv, outcome.done)
            is_next = outcome.record is not None and await _is_next(c, outcome.record, revisions)
            if outcome.code is not None:
                await contacts.settle_code(c, outcome.code)
        except StoreError as err:
            errors.append(err)
        else:
            errors.append(None)
            good.append(_Writing(conv, fence, owner, outcome, outcome.record if is_next else None))
    if good:
        await _write(c, good, at)
    return errors


_Held = tuple[int, int, str]
"""A conversation's n, fence and owner."""


async def _hold(c: Connection, conversations: Sequence[str]) -> dict[str, _Held]:
    """The conversations by id; their rows are the transaction's from now on. Everybody takes them in this order."""
    found = await c.fetch(
        "SELECT id, n, fence, owner FROM conversation WHERE id = ANY($1::text[]) ORDER BY n FOR UPDATE", conversations
    )
    return {id: (n, fence, owner) for id, n, fence, owner in found}


def _expected(held: Mapping[str, _Held], conversation: str, fence: int | None) -> _Held:
    """Raises NotFound, or Stale when ``fence`` is another one."""
    if conversation not in held:
        raise NotFound("there is no such conversation")
    conv, stored, owner = held[conversation]
    if fence is not None and fence != stored:
        raise Stale(f"the conversation has changed hands (fence {stored}, not {fence})")
    return conv, stored, owner


async def checked(c: Connection, conversation: str, fence: int | None) -> tuple[int, int, str]:
    """The conversation's n, fence and owner; its row is the transaction's from now on.

    Raises NotFound, or Stale when ``fence`` is another one.
    """
    return _expected(await _hold(c, [conversation]), conversation, fence)


async def _still_open(c: Connection, ids: Sequence[int]) -> dict[int, int]:
    """The open ones of some inbox rows, with their conv."""
    found = await c.fetch("SELECT id, conv FROM inbox WHERE id = ANY($1::bigint[]) AND state = 'open'", ids)
    return {row["id"]: row["conv"] for row in found}


def _check_done(still_open: Mapping[int, int], conv: int, done: Sequence[int]) -> None:
    """What is closed already was settled before: writing it again would double its lines."""
    if any(still_open.get(id) != conv for id in done):
        raise Stale("some of these messages are settled already")


async def _is_next(c: Connection, record: ComplaintRecord, revisions: Mapping[str, int]) -> bool:
    """Whether the record is new. Raises Stale when somebody else has revised it meanwhile."""
    stored = revisions.get(record.number, 0)
    if record.revision == stored + 1:
        return True
    if record.revision == stored and await records.unchanged(c, record):
        return False
    raise Stale(f"{record.number} stands at revision {stored}, {record.revision} does not follow")


async def _write(c: Connection, good: Sequence[_Writing], at: int) -> None:
    await contacts.settle(c, [(w.conv, w.outcome) for w in good], at)
    await c.execute(
        "UPDATE inbox SET state = 'done', state_at = $1, error = '' WHERE id = ANY($2::bigint[])",
        at,
        [id for w in good for id in w.outcome.done],
    )
    digests = await records.write_all(c, [(w.conv, w.revises) for w in good if w.revises is not None])
    await _write_conversations(c, good, at)
    for w in good:
        if w.outcome.owner is not None and w.outcome.owner != w.owner:
            w.fence = await hand_over(c, w.conv, w.outcome.owner, at)
    if notices := [(w.conv, w.outcome.notices) for w in good if w.outcome.notices]:
        await timeline.write_all(c, notices)
    await outbox.add_all(c, [(w.conv, s, _bound(s, w.fence)) for w in good for s in w.outcome.sends], at)
    await records.write_journal(c, [line for w in good for line in _journal(w, digests)])
    if traces := [(w.conv, w.outcome.trace) for w in good if w.outcome.trace]:
        convs, bodies = zip(*traces, strict=True)
        await c.execute(
            "INSERT INTO trace (conv, at, body) SELECT conv, $1, body FROM unnest($2::bigint[], $3::bytea[]) t (conv, body)",
            at,
            convs,
            bodies,
        )


async def _write_conversations(c: Connection, good: Sequence[_Writing], at: int) -> None:
    await c.execute(
        "UPDATE conversation c SET state = k.state, active_at = $1, status = coalesce(nullif(k.status, ''), c.status)"
        " FROM unnest($2::bigint[], $3::bytea[], $4::text[]) k (n, state, status) WHERE c.n = k.n",
        at,
        [w.conv for w in good],
        [w.outcome.state for w in good],
        [w.outcome.status or (w.outcome.record.standing.status if w.outcome.record else "") for w in good],
    )


def _journal(w: _Writing, digests: Mapping[str, str]) -> Sequence[JournalLine]:
    if w.revises is None:
        return w.outcome.journal
    return with_revision(w.outcome.journal, w.revises, digests[w.revises.number])


async def hand_over(c: Connection, conv: int, owner: str, at: int, lease_until: int | None = None) -> int:
    """Change the owner; the new fence."""
    fence: int = await c.fetchval(
        "UPDATE conversation SET owner = $2, fence = fence + 1, lease_until = $3, active_at = greatest(active_at, $4),"
        " waiting_since = CASE WHEN $2 = '' THEN coalesce(waiting_since, $4) ELSE waiting_since END"
        " WHERE n = $1 RETURNING fence",
        conv,
        owner,
        lease_until,
        at,
    )
    return fence


async def queue(c: Connection, conv: int | None, sends: Sequence[NewSend], fence: int, at: int) -> None:
    """Put rows into the outbox; those that are bound to an owner are bound to ``fence``."""
    await outbox.add_all(c, [(conv, send, _bound(send, fence)) for send in sends], at)


def _bound(send: NewSend, fence: int) -> int | None:
    return None if send.fence is None else fence


async def traces(c: Connection, conversation: str, limit: int) -> tuple[bytes, ...]:
    found = await c.fetch(
        "SELECT t.body FROM conversation c JOIN trace t ON t.conv = c.n"
        " WHERE c.id = $1 AND t.body <> '' ORDER BY t.id DESC LIMIT $2",
        conversation,
        limit,
    )
    return tuple(r[0] for r in found)


async def replay(c: Connection, ids: Sequence[int], at: int) -> int:
    """Open held rows again, with all their tries before them."""
    done = await c.fetch(
        "UPDATE inbox SET state = 'open', state_at = $1, tries = 0, error = ''"
        " WHERE state = 'held' AND id = ANY($2::bigint[]) RETURNING id",
        at,
        ids,
    )
    return len(done)
