"""From open inbox rows to settled outcomes.

A claim only keeps nodes out of each other's way. What guards the truth are the checks when an outcome is written.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from gateway.store import rows
from gateway.store.base import NewSend, NotFound, Outcome, Stale, StoreError, Work, WorkItem
from gateway.store.postgres import contacts, outbox, recordings, records, timeline
from gateway.store.postgres.database import Connection, Database
from gateway.store.postgres.session import CLAIMED, HALF, Session
from gateway.store.postgres.text import back, read, shown
from gateway.store.work import ITEMS, item, with_files, with_recordings

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
        errors = await asyncio.gather(*(self._settle(o) for o in outcomes))
        settled = [o.conversation for o, error in zip(outcomes, errors, strict=True) if error is None]
        await self._session.free(self, [self._convs[id] for id in settled if id in self._convs])
        return errors

    async def _settle(self, outcome: Outcome) -> StoreError | None:
        try:
            self._check_held(outcome.conversation)
            await self._database.write("settle", lambda c: settle(c, outcome, self._now()))
        except StoreError as err:
            return err
        return None

    def _check_held(self, conversation: str) -> None:
        """Raises Stale when the claim was lost with its connection: another node may have it and know more by now."""
        if conversation in self._convs and not self._session.holds(self, self._convs[conversation]):
            raise Stale("the connection that held this conversation was lost")

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
    " AND NOT EXISTS (SELECT 1 FROM inbox w WHERE w.conv = i.conv AND w.state = 'wait')"
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
    return {
        conv: Work(
            conversation=rows.conversation(read(found[conv])),
            items=with_recordings(each, heard),
            state=found[conv]["bot_state"],
            record=None if found[conv]["latest"] is None else rows.record(found[conv]["latest"]),
            returning=found[conv]["latest"] is None and await contacts.returning(c, conv, each),
            code=await contacts.open_code(c, conv),
        )
        for conv, each in items.items()
    }


# --- settling -------------------------------------------------------------------------------------------


async def settle(c: Connection, outcome: Outcome, at: int) -> None:
    """Write one outcome, all or nothing. Raises NotFound, or Stale before anything is written."""
    conv, fence, owner = await checked(c, outcome.conversation, outcome.fence)
    await _check_done(c, conv, outcome.done)
    writes_record = outcome.record is not None and await _is_next(c, outcome)
    await contacts.settle(c, conv, outcome, at)
    await c.execute(
        "UPDATE inbox SET state = 'done', state_at = $1, error = '' WHERE id = ANY($2::bigint[])", at, outcome.done
    )
    journal = outcome.journal
    if outcome.record is not None and writes_record:
        journal = await records.write(c, conv, outcome.record, journal)
    status = outcome.status or (outcome.record.standing.status if outcome.record else "")
    await c.execute(
        "UPDATE conversation SET state = $1, active_at = $2, status = CASE WHEN $3 = '' THEN status ELSE $3 END"
        " WHERE n = $4",
        outcome.state,
        at,
        status,
        conv,
    )
    if outcome.owner is not None and outcome.owner != owner:
        fence = await hand_over(c, conv, outcome.owner, at)
    if outcome.notices:
        await timeline.write(c, conv, outcome.notices)
    await queue(c, conv, outcome.sends, fence, at)
    await records.write_journal(c, journal)
    if outcome.trace:
        await c.execute("INSERT INTO trace (conv, at, body) VALUES ($1, $2, $3)", conv, at, outcome.trace)


async def checked(c: Connection, conversation: str, fence: int | None) -> tuple[int, int, str]:
    """The conversation's n, fence and owner; its row is the transaction's from now on.

    Raises NotFound, or Stale when ``fence`` is another one.
    """
    row = await c.fetchrow("SELECT n, fence, owner FROM conversation WHERE id = $1 FOR UPDATE", conversation)
    if row is None:
        raise NotFound("there is no such conversation")
    conv, stored, owner = row
    if fence is not None and fence != stored:
        raise Stale(f"the conversation has changed hands (fence {stored}, not {fence})")
    return conv, stored, owner


async def _check_done(c: Connection, conv: int, done: Sequence[int]) -> None:
    """What is closed already was settled before: writing it again would double its lines."""
    still_open = await c.fetchval(
        "SELECT count(*) FROM inbox WHERE id = ANY($1::bigint[]) AND conv = $2 AND state = 'open'", done, conv
    )
    if still_open != len(set(done)):
        raise Stale("some of these messages are settled already")


async def _is_next(c: Connection, outcome: Outcome) -> bool:
    """Whether the outcome's record is new. Raises Stale when somebody else has revised it meanwhile."""
    assert outcome.record is not None
    stored = await records.revision(c, outcome.record.number)
    if outcome.record.revision == stored + 1:
        return True
    if outcome.record.revision == stored and await records.unchanged(c, outcome.record):
        return False
    raise Stale(f"{outcome.record.number} stands at revision {stored}, {outcome.record.revision} does not follow")


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
    for send in sends:
        await outbox.add(c, conv, send, None if send.fence is None else fence, at)


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
