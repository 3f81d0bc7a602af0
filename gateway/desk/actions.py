"""What an agent does with a conversation. Every act is one transaction of the store, then the wake-ups.

An agent owns a conversation by a lease. Its fencing token (``fence``) rises with every change of owner, so
whoever acts shows the fence it saw, and one who was overtaken is told by whom.

The fence is checked when a reply is accepted, in the transaction that queues it; from then on it goes out, even
when its author's lease runs out while the channel is away. A person's answer is never dropped. (The bot's replies are
different: they carry the fence to the moment of sending, so none follows a person's.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from channels.base import Attachment, Outbound
from gateway import wake
from gateway.addressed import to_customer
from gateway.context import Gateway
from gateway.desk import people, revise
from gateway.desk.survey import asks_afterwards, invitation
from gateway.events import event_sends, events_between
from gateway.store.base import (
    BOT,
    NOBODY,
    Agent,
    Conflict,
    Conversation,
    Entry,
    JournalLine,
    NewSend,
    NotFound,
    Stale,
)
from normalizer.record import ComplaintRecord, Disposition, Link, Status

#: How far back a repeated note or reply is looked for.
_LOOK_BACK = 50
#: How often a revision is made again when the customer writes at the same moment.
_TRIES = 4


class DeskError(Exception):
    """An agent may not do this now. ``code`` is for programs, the message for people, ``facts`` for both."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code, self.facts = code, facts


class Taken(DeskError):
    """Somebody else has the conversation; nothing was done."""

    def __init__(self, owner: str, name: str) -> None:
        who = {BOT: "The bot", NOBODY: "Nobody"}.get(owner, name)
        text = "It is back in the queue; claim it first." if owner == NOBODY else f"{who} has taken this over."
        super().__init__("taken", text, owner=owner, by=name)


async def claim(gateway: Gateway, agent: Agent, id: str, *, force: bool = False) -> Conversation:
    """Make the conversation the agent's. Raises :class:`Taken`; ``force`` (leads and admins) takes it from another."""
    if force and agent.role not in people.FORCEFUL:
        raise DeskError("forbidden", "Only a lead or an administrator may take a conversation from another agent.")
    try:
        conversation = await gateway.store.claim(
            id, agent.id, lease_until=_lease(gateway), now=gateway.clock(), force=force
        )
    except Conflict:
        raise await _taken(gateway, id) from None
    facts = {"force": True} if force else {}
    await _restate(gateway, agent, conversation, None, what="claimed", facts=facts, notice="joined")
    _look_again(gateway, id)
    return conversation


async def touch(gateway: Gateway, agent: Agent, id: str, fence: int) -> None:
    """Keep the lease: the agent is at work on it. Raises :class:`Taken`."""
    try:
        await gateway.store.extend(id, agent.id, fence, _lease(gateway))
    except Stale:
        raise await _taken(gateway, id) from None


async def reply(
    gateway: Gateway,
    agent: Agent,
    id: str,
    *,
    fence: int,
    key: str,
    text: str,
    attachments: Sequence[Attachment] = (),
) -> None:
    """Queue an answer to the customer. The same ``key`` again is the same reply. Raises :class:`Taken`."""
    _check_text(gateway, text, empty=bool(attachments))
    conversation = await gateway.store.conversation(id)
    sends = await _to_customer(gateway, agent, conversation, key=key, text=text, attachments=attachments)
    if not _owns(agent, conversation, fence):
        if await _is_said(gateway, id, sends[0].key):
            return
        raise await _taken(gateway, id)
    facts = {"kind": "human", "key": sends[0].key, "characters": len(text), "files": len(attachments)}
    try:
        await gateway.store.say(id, fence, sends, _line(gateway, agent, conversation, "wrote", facts))
        await gateway.store.extend(id, agent.id, fence, _lease(gateway))
    except Stale:
        if not await _is_said(gateway, id, sends[0].key):
            raise await _taken(gateway, id) from None
    gateway.wake.signal(wake.OUTBOX)
    await _restate(gateway, agent, conversation, "waiting_customer")
    _look_again(gateway, id)


async def original(gateway: Gateway, agent: Agent, id: str, seq: int) -> str:
    """A line of the customer's with its identity and card numbers, for leads and admins; the journal says who looked."""
    if agent.role not in people.FORCEFUL:
        raise DeskError("forbidden", "Only a lead or an administrator may see covered numbers.")
    number = (await _record(gateway, await gateway.store.conversation(id))).number
    return await gateway.store.original(id, seq, _line_of(gateway, agent, number, "revealed", {"line": seq}))


async def original_recording(gateway: Gateway, agent: Agent, id: str, seq: int, digest: str) -> None:
    """Leads and admins may hear a recording as it came; the journal says who did."""
    if agent.role not in people.FORCEFUL:
        raise DeskError("forbidden", "Only a lead or an administrator may hear covered numbers.")
    number = (await _record(gateway, await gateway.store.conversation(id))).number
    facts = {"line": seq, "recording": digest}
    await gateway.store.original(id, seq, _line_of(gateway, agent, number, "revealed", facts))


async def note(gateway: Gateway, agent: Agent, id: str, *, key: str, text: str) -> int:
    """Write an internal note, which any agent may; the same ``key`` again is the same note."""
    _check_text(gateway, text)
    conversation, key = await gateway.store.conversation(id), f"note/{id}/{key}"
    for entry in await _latest(gateway, conversation):
        if entry.key == key:
            return entry.seq
    seq = await gateway.store.note(id, _entry(gateway, agent, kind="note", key=key, text=text, visible=False))
    if _owns(agent, conversation, conversation.fence):
        await touch(gateway, agent, id, conversation.fence)
    _look_again(gateway, id)
    return seq


async def hand_back(
    gateway: Gateway, agent: Agent, id: str, *, fence: int, to: Literal["bot", "queue"]
) -> Conversation:
    """Give the conversation to the bot or back to the queue. Raises :class:`Taken`."""
    conversation = await _owned(gateway, agent, id, fence)
    owner = BOT if to == "bot" else NOBODY
    status: Status = "waiting_bot" if to == "bot" else "waiting_agent"
    record = await _record_if_any(gateway, conversation)
    facts = {"to": to}
    if record is not None:
        record = revise.owned(record, owner, status=status, at=gateway.clock())
        return await _amend(
            gateway, agent, conversation, record, "handed_back", facts, fence=fence, owner=owner, notice="left"
        )
    try:
        conversation = await gateway.store.release(
            id, fence, owner, status, at=gateway.clock(), notice=_entry(gateway, agent, kind="notice", notice="left")
        )
    except Stale:
        raise await _taken(gateway, id) from None
    _look_again(gateway, id)
    return conversation


async def close(
    gateway: Gateway,
    agent: Agent,
    id: str,
    *,
    fence: int,
    key: str,
    disposition: Disposition,
    outcome: str = "",
    message: str = "",
) -> Conversation:
    """End the case with a disposition, an outcome in words and, if given, a last message to the customer.

    Raises :class:`Taken`, or :class:`DeskError` when there is no open case.
    """
    conversation = await _owned(gateway, agent, id, fence)
    record = await _record(gateway, conversation)
    try:
        record = revise.closed(record, disposition=disposition, outcome=outcome, at=gateway.clock())
    except revise.NotAllowed as err:
        raise DeskError("state", str(err)) from None
    sends: list[NewSend] = []
    if message.strip():
        _check_text(gateway, message)
        sends += await _to_customer(gateway, agent, conversation, key=key, text=message)
    if asks_afterwards(disposition) and not record.standing.opted_out:
        sends += invitation(gateway, conversation, record, key=key)
    facts = {"disposition": disposition, "outcome": outcome}
    return await _amend(
        gateway, agent, conversation, record, "closed", facts, fence=fence, owner=BOT, notice="closed", sends=sends
    )


async def reopen(gateway: Gateway, agent: Agent, id: str) -> Conversation:
    """Open an ended case again and take it."""
    conversation = await gateway.store.conversation(id)
    record = await _record(gateway, conversation)
    try:
        record = revise.reopened(record, at=gateway.clock())
    except revise.NotAllowed as err:
        raise DeskError("state", str(err)) from None
    await _amend(gateway, agent, conversation, record, "reopened", {}, fence=None, owner=NOBODY, notice="reopened")
    return await claim(gateway, agent, id)


async def correct(gateway: Gateway, agent: Agent, id: str, *, field: revise.Correctable, value: str) -> Conversation:
    """Set a field of the record by hand. Any agent may; the journal says who."""
    conversation = await gateway.store.conversation(id)
    before = await _record(gateway, conversation)
    try:
        record = revise.corrected(before, field, value, at=gateway.clock())
    except revise.NotAllowed as err:
        raise DeskError("value", str(err)) from None
    facts = {"field": field, "value": value}
    return await _amend(gateway, agent, conversation, record, "corrected", facts, fence=None)


async def settle_doubt(gateway: Gateway, agent: Agent, id: str, *, doubt: str, value: str) -> Conversation:
    """Say what a number was that was not heard well (empty: no such number). Any agent may; the journal says who."""
    conversation = await gateway.store.conversation(id)
    before = await _record(gateway, conversation)
    try:
        record = revise.told(before, doubt, value, at=gateway.clock())
    except revise.NotAllowed as err:
        raise DeskError("state", str(err)) from None
    facts = {"field": "doubts", "heard": doubt, "value": value}
    return await _amend(gateway, agent, conversation, record, "corrected", facts, fence=None)


async def unlink(gateway: Gateway, agent: Agent, id: str, link: Link) -> Conversation:
    """Say that it is no repeat, or does not belong to the incident; it is not linked so again. Any agent may."""
    conversation = await gateway.store.conversation(id)
    before = await _record(gateway, conversation)
    was = before.standing.repeat_of if link == "repeat" else before.standing.incident
    try:
        record = revise.unlinked(before, link, at=gateway.clock())
    except revise.NotAllowed as err:
        raise DeskError("state", str(err)) from None
    return await _amend(gateway, agent, conversation, record, f"unlinked_{link}", {"from": was}, fence=None)


def typing(gateway: Gateway, agent: Agent, id: str) -> None:
    """Tell the visitor's window that a person is writing."""
    gateway.wake.signal(wake.conversation(id), {"type": "typing", "who": "agent", "name": agent.name})


# --- parts --------------------------------------------------------------------------------------------


async def _amend(
    gateway: Gateway,
    agent: Agent,
    conversation: Conversation,
    record: ComplaintRecord,
    what: str,
    facts: Mapping[str, Any],
    *,
    fence: int | None,
    owner: str | None = None,
    sends: Sequence[NewSend] = (),
    notice: str = "",
) -> Conversation:
    """Commit a revision with its journal line, its events to the sinks and what the customer is told."""
    notices = (_entry(gateway, agent, kind="notice", notice=notice),) if notice else ()
    before = await _record_if_any(gateway, conversation)
    events = events_between(before, record, source=gateway.config.public_url)
    try:
        changed = await gateway.store.amend(
            conversation.id,
            fence,
            record,
            status=record.standing.status,
            notices=notices,
            sends=(*sends, *event_sends(events, gateway.sinks)),
            journal=(_line_of(gateway, agent, record.number, what, facts),) if what else (),
            owner=owner,
        )
    except Stale:
        raise await _taken(gateway, conversation.id) from None
    except Conflict:
        raise DeskError("changed", "The case has changed in the meantime; look again and repeat.") from None
    gateway.wake.signal(wake.OUTBOX)
    _look_again(gateway, conversation.id)
    return changed


async def _to_customer(
    gateway: Gateway,
    agent: Agent,
    conversation: Conversation,
    *,
    key: str,
    text: str,
    attachments: Sequence[Attachment] = (),
) -> tuple[NewSend, ...]:
    key = f"desk/{conversation.id}/{key}"
    record = await _record_if_any(gateway, conversation)
    language = record.arrival.language.value if record and record.arrival.language else ""
    out = Outbound(
        key=key,
        channel=conversation.channel,
        account=conversation.account,
        thread=conversation.thread,
        text=text,
        kind="human",
        author=agent.name,
        language=language,
        attachments=tuple(attachments),
        reply_to=await _last_heard(gateway, conversation),
    )
    return to_customer(out, gateway.channels, conversation=conversation.id, number=conversation.number)


async def _last_heard(gateway: Gateway, conversation: Conversation) -> str:
    entries = await _latest(gateway, conversation)
    return next((e.external_id for e in reversed(entries) if e.kind == "inbound"), "")


async def _latest(gateway: Gateway, conversation: Conversation) -> tuple[Entry, ...]:
    return await gateway.store.timeline(conversation.id, after=max(0, conversation.last_seq - _LOOK_BACK))


async def _is_said(gateway: Gateway, id: str, key: str) -> bool:
    """Whether a reply with this key was accepted before the conversation changed hands."""
    if any(send.key == key for send in await gateway.store.pending(id)):
        return True
    conversation = await gateway.store.conversation(id)
    return any(entry.key == key for entry in await _latest(gateway, conversation))


async def _owned(gateway: Gateway, agent: Agent, id: str, fence: int) -> Conversation:
    conversation = await gateway.store.conversation(id)
    if not _owns(agent, conversation, fence):
        raise await _taken(gateway, id)
    return conversation


def _owns(agent: Agent, conversation: Conversation, fence: int) -> bool:
    return conversation.owner == agent.id and conversation.fence == fence


async def _taken(gateway: Gateway, id: str) -> Taken:
    owner = (await gateway.store.conversation(id)).owner
    return Taken(owner, (await people.names(gateway)).get(owner, owner))


async def _restate(
    gateway: Gateway,
    agent: Agent,
    conversation: Conversation,
    status: Status | None,
    *,
    what: str = "",
    facts: Mapping[str, Any] | None = None,
    notice: str = "",
) -> None:
    """Let the record, the customer and the ticket systems follow an act of the owner that stands already."""
    for _ in range(_TRIES):
        before = await _record_if_any(gateway, conversation)
        if before is None:
            return
        after = revise.owned(before, agent.id, status=status or before.standing.status, at=gateway.clock())
        if after.standing == before.standing:
            return
        try:
            await _amend(
                gateway, agent, conversation, after, what, facts or {}, fence=conversation.fence, notice=notice
            )
        except Taken:
            return  # somebody else's by now: the next owner's acts tell it
        except DeskError:
            continue  # a message came in between; the record is read again
        return


async def _record(gateway: Gateway, conversation: Conversation) -> ComplaintRecord:
    record = await _record_if_any(gateway, conversation)
    if record is None:
        raise DeskError("state", "There is no case in this conversation yet.")
    return record


async def _record_if_any(gateway: Gateway, conversation: Conversation) -> ComplaintRecord | None:
    try:
        return await gateway.store.record(conversation.number) if conversation.number else None
    except NotFound:
        return None


def _entry(gateway: Gateway, agent: Agent, **fields: Any) -> Entry:
    return Entry(seq=0, at=gateway.clock(), author=agent.id, author_name=agent.name, **fields)


def _line(
    gateway: Gateway, agent: Agent, conversation: Conversation, what: str, facts: Mapping[str, Any]
) -> JournalLine | None:
    return _line_of(gateway, agent, conversation.number, what, facts) if conversation.number else None


def _line_of(gateway: Gateway, agent: Agent, number: str, what: str, facts: Mapping[str, Any]) -> JournalLine:
    return JournalLine(number=number, what=what, at=gateway.clock(), by=agent.id, body=facts)


def _check_text(gateway: Gateway, text: str, *, empty: bool = False) -> None:
    if not text.strip() and not empty:
        raise DeskError("empty", "There is nothing to say.")
    if len(text) > gateway.config.limits.text:
        raise DeskError("long", f"A message has at most {gateway.config.limits.text} characters.")


def _lease(gateway: Gateway) -> Any:
    return gateway.clock() + timedelta(minutes=gateway.config.desk.lease_minutes)


def _look_again(gateway: Gateway, id: str) -> None:
    gateway.wake.signal(wake.DESK)
    gateway.wake.signal(wake.conversation(id))
