"""What a ticket system's word changes: the record, what the customer is told, what the agents see.

Once only: every update leaves a line in the complaint's journal, written in the same transaction. An update whose
delivery or a newer version is in the journal already changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from channels.base import Outbound
from gateway import wake
from gateway.addressed import to_customer
from gateway.context import Gateway
from gateway.events import OVER, event_sends, events_between
from gateway.sinks.base import TicketUpdate
from gateway.store.base import BOT, NOBODY, Conflict, Conversation, Entry, JournalLine, NewSend, StoreUnavailable
from normalizer.record import ComplaintRecord, Standing, Status

#: What became of an update. ``kept``: its status word is not in the mapping table, an agent is shown it.
Verdict = Literal["applied", "kept", "duplicate", "outdated"]

#: The journal's verb for an update.
JOURNAL = "ticket_updated"
#: How often an update is decided again when somebody else has changed the record meanwhile.
TRIES = 5
#: Nobody is told how the case of a machine or a spammer stands.
SILENT_KINDS = frozenset({"machine", "spam"})

_ENCODE = msgspec.json.Encoder().encode

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "waiting_agent": "Your case {number} is being worked on.",
        "waiting_customer": "We need something from you to go on with your case {number}. Please answer here.",
        "resolved": "Your case {number} has been resolved. If it has not, just answer here.",
        "closed": "Your case {number} is closed. If you still need help, just write here.",
        "reopened": "Your case {number} has been reopened and is being worked on.",
    },
    "zh-Hans": {
        "waiting_agent": "您的投诉 {number} 正在处理中。",
        "waiting_customer": "您的投诉 {number} 需要您补充信息才能继续处理，请直接在此回复。",
        "resolved": "您的投诉 {number} 已处理完毕。如果问题仍未解决，请直接在此回复。",
        "closed": "您的投诉 {number} 已办结。如仍需帮助，请直接在此留言。",
        "reopened": "您的投诉 {number} 已重新受理，正在处理中。",
    },
    "zh-Hant": {
        "waiting_agent": "您的投訴 {number} 正在處理中。",
        "waiting_customer": "您的投訴 {number} 需要您補充資訊才能繼續處理，請直接在此回覆。",
        "resolved": "您的投訴 {number} 已處理完畢。如果問題仍未解決，請直接在此回覆。",
        "closed": "您的投訴 {number} 已結案。如仍需協助，請直接在此留言。",
        "reopened": "您的投訴 {number} 已重新受理，正在處理中。",
    },
}


async def apply(gateway: Gateway, sink: str, update: TicketUpdate) -> Verdict:
    """Carry out one update; when this returns, it is durable.

    Raises:
        NotFound: there is no complaint of that number.
        StoreUnavailable: nothing was written, the ticket system must come again.
    """
    for _ in range(TRIES):
        record = await gateway.store.record(update.number)
        if seen := _seen(await gateway.store.journal(update.number), sink, update):
            return seen
        conversation = await gateway.store.conversation(record.arrival.conversation)
        try:
            await _commit(gateway, sink, update, record, conversation)
        except Conflict:
            continue
        for topic in (wake.OUTBOX, wake.DESK, wake.conversation(conversation.id)):
            gateway.wake.signal(topic)
        return "applied" if update.status else "kept"
    raise StoreUnavailable("the record changes too fast")


def _seen(journal: Sequence[JournalLine], sink: str, update: TicketUpdate) -> Verdict | None:
    """Whether this update, or one that is as new, was carried out before."""
    earlier = [line.body for line in journal if line.what == JOURNAL and line.body.get("sink") == sink]
    if any(body.get("delivery") == update.delivery for body in earlier):
        return "duplicate"
    if any(body.get("version", -1) >= update.version for body in earlier):
        return "outdated"
    return None


async def _commit(
    gateway: Gateway, sink: str, update: TicketUpdate, old: ComplaintRecord, conversation: Conversation
) -> None:
    now = gateway.clock()
    new = _revised(old, update, now)
    changed = new.standing.status != old.standing.status
    current = conversation.number in ("", new.number)
    events = events_between(old, new, source=gateway.config.public_url)
    sends = list(event_sends(events, (name for name in gateway.sinks if name != sink)))  # it knows already
    if changed and _wants_to_know(new):
        sends[:0] = _told(gateway, old, new, conversation)
    await gateway.store.amend(
        conversation.id,
        None,
        new,
        status=new.standing.status if current else conversation.status,
        notices=_lines(sink, update, old, new, now),
        sends=sends,
        journal=(_journal(sink, update, now),),
        owner=NOBODY if current and conversation.owner == BOT and new.standing.owner == NOBODY else None,
    )


def _revised(old: ComplaintRecord, update: TicketUpdate, now: datetime) -> ComplaintRecord:
    """The next revision. A case that is over stays as it is when the ticket is over too, only in another word."""
    before, after = old.standing.status, update.status
    if after is None or (before == "withdrawn" and after in OVER):
        after = before
    reopened = before in OVER and after not in OVER
    standing: Standing = msgspec.structs.replace(
        old.standing,
        status=after,
        ticket=update.external_id or old.standing.ticket,
        owner=NOBODY if reopened and old.standing.owner == BOT else old.standing.owner,
    )
    return msgspec.structs.replace(old, revision=old.revision + 1, updated_at=now, standing=standing)


def _wants_to_know(record: ComplaintRecord) -> bool:
    kind = record.what.kind.value if record.what.kind else ""
    return kind not in SILENT_KINDS


def _told(
    gateway: Gateway, old: ComplaintRecord, new: ComplaintRecord, conversation: Conversation
) -> tuple[NewSend, ...]:
    """What the customer reads, in their language."""
    language = _language(new, gateway.config.company.default_language)
    out = Outbound(
        key=f"{new.number}:{new.revision}:status",
        channel=conversation.channel,
        account=conversation.account,
        thread=conversation.thread,
        text=TEXTS[language][_text_key(old.standing.status, new.standing.status)].format(number=new.number),
        kind="status",
        author=gateway.config.company.bot_name,
        language=language,
    )
    return to_customer(out, gateway.channels, conversation=conversation.id, number=new.number)


def _text_key(before: Status, after: Status) -> str:
    if before in OVER and after not in OVER:
        return "reopened"
    return {"new": "waiting_agent", "waiting_bot": "waiting_agent", "withdrawn": "closed"}.get(after, after)


def _language(record: ComplaintRecord, default: str) -> str:
    """One of the three languages of :data:`TEXTS`; Chinese of an unknown script is simplified."""
    found = record.arrival.language.value if record.arrival.language else default
    if found in TEXTS:
        return found
    if found.lower().startswith(("zh-tw", "zh-hk", "zh-mo", "zh-hant")):
        return "zh-Hant"
    return "zh-Hans" if found.lower().startswith("zh") else "en"


def _lines(
    sink: str, update: TicketUpdate, old: ComplaintRecord, new: ComplaintRecord, now: datetime
) -> tuple[Entry, ...]:
    """Timeline lines: the customer sees that the case was closed or reopened, agents the comment and unknown words."""
    before, after = old.standing.status, new.standing.status
    lines = []
    if (before in OVER) != (after in OVER):
        notice = "closed" if after in OVER else "reopened"
        lines.append(Entry(seq=0, kind="notice", at=now, notice=notice, author="system"))
    if update.status is None:
        text = f"{sink} reports the status “{update.remote_status}”, which is not in its mapping table."
        lines.append(_note(sink, text, now))
    if update.comment:
        lines.append(_note(sink, update.comment, now))
    return tuple(lines)


def _note(sink: str, text: str, now: datetime) -> Entry:
    return Entry(seq=0, kind="note", at=now, text=text, author="system", author_name=sink, visible=False)


def _journal(sink: str, update: TicketUpdate, now: datetime) -> JournalLine:
    body = {
        "sink": sink,
        "delivery": update.delivery,
        "version": update.version,
        "remote_status": update.remote_status,
        "status": update.status,
        "ticket": update.external_id,
    }
    return JournalLine(number=update.number, what=JOURNAL, at=now, by=f"sink:{sink}", body=body)
