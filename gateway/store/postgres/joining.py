"""A case that goes on in another conversation: a call whose receipt goes by mail, and the answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.store import rows
from gateway.store.base import BOT, NOBODY, Entry, Instead, Joined, NewSend, conversation_id
from gateway.store.postgres import flow, outbox, timeline
from gateway.store.postgres.database import Connection
from gateway.store.postgres.text import all_kept, kept


async def join(
    c: Connection,
    number: str,
    other: Joined,
    sends: Sequence[NewSend],
    at: datetime,
    instead: Instead | None = None,
) -> str:
    """The other conversation's id. Raises NotFound."""
    id = conversation_id(other.channel, other.account, other.thread)
    now = rows.micros(at)
    await _lock(c, id, number, instead)
    # Read now that they are locked: who was faster may have changed any of them.
    first, record, state = rows.found(
        await c.fetchrow(
            "SELECT c.n, r.n, c.state FROM record r JOIN conversation c ON c.n = r.conv"
            " WHERE r.number = $1 AND c.erased_at IS NULL",
            kept(number),
        ),
        f"case {number} that can be gone on with",
    )
    if instead is not None and not await _is_dead(c, instead):
        return id
    conv = await _made(c, id, other, now)
    # The bot goes on where it stood: the case waits for a person already.
    await c.execute(
        "UPDATE conversation SET number = $1, record = $2, state = $3, status = 'waiting_customer'"
        " WHERE n = $4 AND number = ''",
        kept(number),
        record,
        state,
        conv,
    )
    queued = [await outbox.add(c, conv, send, None, now) for send in sends]
    if instead is not None:
        await _take_over(c, conv, id, instead, now)
    elif any(queued):
        pointer = Entry(seq=0, kind="notice", notice="linked", at=at, choice=id, author="system", visible=False)
        await timeline.write(c, first, (pointer,))
    return id


async def _lock(c: Connection, id: str, number: str, instead: Instead | None) -> None:
    """Nobody else changes the conversations that this is about, in the order in which all lock them."""
    await c.execute(
        "SELECT 1 FROM conversation WHERE id = $1 OR n = (SELECT conv FROM record WHERE number = $2)"
        " OR n = (SELECT conv FROM outbox WHERE id = $3) ORDER BY n FOR UPDATE",
        id,
        kept(number),
        0 if instead is None else instead.send,
    )


async def _made(c: Connection, id: str, other: Joined, now: int) -> int:
    """The conversation's n; it is made where there is none."""
    await c.execute(
        "INSERT INTO conversation (id, channel, account, thread, sender, sender_name, sender_email, sender_phone,"
        " last_seq, opened_at, last_at, active_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9, $9)"
        " ON CONFLICT DO NOTHING",
        id,
        other.channel,
        other.account,
        *all_kept((other.thread, other.sender, other.sender_name, other.email, other.phone)),
        now,
    )
    n: int = await c.fetchval("SELECT n FROM conversation WHERE id = $1 FOR UPDATE", id)
    return n


async def _is_dead(c: Connection, instead: Instead) -> bool:
    """Else somebody has it sent again, or it went another way already."""
    state = await c.fetchval("SELECT state FROM outbox WHERE id = $1 FOR UPDATE", instead.send)
    return bool(state == "dead")


async def _take_over(c: Connection, conv: int, id: str, instead: Instead, now: int) -> None:
    """The row is put aside and the desk told; who answers the customer here answers what comes there."""
    row = await c.fetchrow(
        "SELECT c.n, c.owner, c.lease_until, o.lane FROM outbox o JOIN conversation c ON c.n = o.conv WHERE o.id = $1",
        instead.send,
    )
    source, owner, lease, lane = rows.found(row, f"outbox row {instead.send} of a conversation")
    await outbox.end(c, instead.send, lane, "superseded", f"said in another conversation: {instead.why}")
    notice = Entry(
        seq=0, kind="notice", notice="rerouted", at=rows.when(now), choice=id, text=instead.why, author="system",
        visible=False,
    )  # fmt: skip
    await timeline.write(c, source, (notice,))
    holder = await c.fetchval("SELECT owner FROM conversation WHERE n = $1", conv)
    if owner not in (BOT, NOBODY) and holder in (BOT, NOBODY) and conv != source:
        await flow.hand_over(c, conv, owner, now, lease)
