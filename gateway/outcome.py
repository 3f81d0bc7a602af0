"""A draft → the rows that are committed together. Every id derives from the inbound message's key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from bot.decision import Reply
from channels.base import Button, Channel, Outbound
from gateway import action_calls, receipts, spoken
from gateway.addressed import to_customer
from gateway.draft import Draft, line, standing
from gateway.events import event_sends, events_between
from gateway.store.base import NewSend, Outcome, Work, WorkItem
from normalizer.mask import mask
from normalizer.record import ComplaintRecord

_ENCODE = msgspec.json.Encoder().encode


def outcome(
    draft: Draft,
    work: Work,
    now: datetime,
    *,
    author: str,
    source: str,
    sinks: Iterable[str],
    channels: Mapping[tuple[str, str], Channel],
    parent: Callable[[str], str],
) -> Outcome:
    """All rows of the draft. ``author`` is the name that the customer reads, ``source`` that of the events.

    ``parent`` gives the trace of a message by its key.
    """
    sends: list[NewSend] = []
    record = draft.record
    if record is not None and record != work.record:
        before = work.record if work.record is not None and work.record.number == record.number else None
        record = _revised(record, before, draft, now, joined=record.arrival.conversation != work.conversation.id)
        draft.journal.append(line(record, "revised", now, "system", {"revision": record.revision}))
        if not work.items or any(item.message.silent != "history" for item in work.items):
            traceparent = parent(work.items[-1].key) if work.items else ""
            sends += event_sends(events_between(before, record, source=source, traceparent=traceparent), sinks)
    number = record.number if record else ""
    conversation = work.conversation
    return Outcome(
        conversation=conversation.id,
        fence=conversation.fence,
        done=tuple(item.inbox_id for item in work.items),
        state=_ENCODE(draft.state),
        record=record,
        owner=draft.owner if draft.owner != conversation.owner else None,
        status=draft.status,
        sends=(
            *(row for reply in draft.replies for row in _rows(work, number, author, channels, *reply)),
            *receipts.request(work, record, channels),
            *(action_calls.request(work, number, call, now) for call in draft.actions),
            *sends,
        ),
        notices=tuple(draft.notices),
        journal=tuple(draft.journal),
        trace=_ENCODE(draft.traces) if draft.traces else b"",
        identity=draft.identity,
        proofs=tuple(draft.proofs),
        code=draft.code if draft.code != work.code else None,
        blocked=draft.blocked,
        codes=tuple(draft.codes),
    )


def _revised(
    record: ComplaintRecord, before: ComplaintRecord | None, draft: Draft, now: datetime, *, joined: bool
) -> ComplaintRecord:
    """The next revision. Who has a case is decided in its first conversation, not in one that was ``joined`` to it."""
    stands = record
    if not joined:
        stands = standing(record, status=draft.status, owner=draft.owner)
    elif before is not None:
        stands = msgspec.structs.replace(record, standing=before.standing)
    return msgspec.structs.replace(stands, revision=(before.revision if before else 0) + 1, updated_at=now)


def _rows(
    work: Work,
    number: str,
    author: str,
    channels: Mapping[tuple[str, str], Channel],
    item: WorkItem,
    n: int,
    reply: Reply,
) -> tuple[NewSend, ...]:
    conversation = work.conversation
    # A message that was answered before its recording was heard is answered anew: not the same reply again.
    heard = "/heard" if spoken.transcripts(item) else ""
    out = Outbound(
        key=f"{item.key}{heard}/reply{n}",
        channel=conversation.channel,
        account=conversation.account,
        thread=conversation.thread,
        text=reply.text,
        kind=reply.kind,
        author=author,
        language=reply.language,
        subject=mask(item.message.subject),
        buttons=tuple(Button(label=o.label, value=o.value) for o in reply.options),
        reply_to="" if item.message.kind == "action" else item.message.external_id,
    )
    return to_customer(out, channels, conversation=conversation.id, number=number, fence=conversation.fence)
