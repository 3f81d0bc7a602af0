"""One conversation's open messages → everything that follows from them, as one :class:`Outcome`.

Nothing here touches the world: the store, the rules and the clock's reading come in, rows go out. All ids derive
from the inbound message's key, so that doing it again after a crash makes the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from bot import failure
from bot.decide import decide
from bot.decision import Asked, Company, Context, Decision, Handoff, Reply, State, Step, Turn
from channels.base import Button, Outbound, RecordsCalls
from gateway import spoken
from gateway.calendar import Calendar
from gateway.context import Gateway
from gateway.events import OVER, event_sends, events_between
from gateway.numbers import case_number
from gateway.status_link import status_url
from gateway.store.base import BOT, NOBODY, Entry, JournalLine, NewSend, Outcome, Work, WorkItem, conversation_id
from normalizer.answered import with_answers
from normalizer.mask import mask
from normalizer.normalize import normalize
from normalizer.record import ComplaintRecord, Deadlines, Standing
from transcription.base import Transcript

_STATE = msgspec.json.Decoder(State)
_ENCODE = msgspec.json.Encoder().encode

#: Kinds of message that are nobody's words: the row is closed, nothing follows but what a placeholder asks for.
SILENT_KINDS = frozenset({"status", "event"})
#: A message so soon after the end may reopen the case; a later one opens a new one.
REOPENS_FOR = timedelta(days=30)


class Decided(NamedTuple):
    """An outcome, and what to count once it is committed: entries that answered, reasons of hand-offs."""

    outcome: Outcome
    answered: tuple[str, ...]
    handed_off: tuple[str, ...]


class Draft:
    """What one conversation's turns have led to so far."""

    def __init__(self, work: Work) -> None:
        conversation = work.conversation
        self.record = work.record
        self.state = _STATE.decode(work.state) if work.state else State()
        self.owner = conversation.owner
        self.status = conversation.status
        self.replies: list[tuple[WorkItem, int, Reply]] = []
        self.notices: list[Entry] = []
        self.journal: list[JournalLine] = []
        self.traces: list[object] = []
        self.answered: list[str] = []
        self.handed_off: list[str] = []


class Turns:
    """Decides turns with the rules and knowledge in force when it was made."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._rules = gateway.rules
        self._knowledge = gateway.knowledge
        settings = gateway.config.company
        self._calendar = Calendar(settings)
        self._company = Company(
            name=settings.name,
            bot_name=settings.bot_name,
            default_language=settings.default_language,
            timezone=settings.timezone,
        )

    def decide(self, work: Work, now: datetime) -> Decided:
        """Decide all open messages, in order.

        Raises:
            Exception: whatever the rules raise; the caller keeps the message.
        """
        draft = Draft(work)
        for item in work.items:
            if item.message.kind not in SILENT_KINDS:
                self._take(draft, work, item, now)
            elif item.message.placeholder:
                self._show(draft, item)
        return self._finish(draft, work, now)

    def surrender(self, work: Work, now: datetime) -> Decided:
        """When the rules have failed for good: the customer is told honestly, a person takes over."""
        draft = Draft(work)
        self._apply(draft, work.items[0], failure.failed(state=draft.state))
        return self._finish(draft, msgspec.structs.replace(work, items=()), now)

    # one message

    def _take(self, draft: Draft, work: Work, item: WorkItem, now: datetime) -> None:
        message = item.message
        before = draft.record
        if _is_over(before, message.at):
            draft.record, draft.state, draft.status = None, State(language=draft.state.language), "waiting_bot"
        draft.record = self._opened(draft, item, self._normalized(draft, work, item, now), before)
        if message.linked:
            draft.notices.append(self._link(work, item))
        if message.machine or message.kind == "delete":
            return
        if message.silent:
            self._in_silence(draft, item)
            return
        if draft.owner not in (BOT, NOBODY) or not self._gateway.config.bot.enabled:
            draft.status = "waiting_agent"
            draft.owner = draft.owner if draft.owner != BOT else NOBODY
            return
        heard = spoken.transcripts(item)
        if self._is_call(work):
            self._apply(draft, item, _call(draft.state))
            return
        if spoken.silent(item, heard):
            self._apply(draft, item, failure.failed(message.language, draft.state, "a recording that was not heard"))
            return
        turn = Turn(
            key=item.key,
            text=mask(spoken.text(item, heard)),
            at=message.at,
            choice=message.choice,
            language=message.language,
            attachments=len(message.attachments),
            edited=message.kind == "edit",
        )
        asked = Asked(turn=turn, state=draft.state, record=draft.record, context=self._context(draft, turn))
        self._apply(draft, item, decide(asked, self._knowledge))

    def _normalized(self, draft: Draft, work: Work, item: WorkItem, now: datetime) -> ComplaintRecord:
        settings = self._gateway.config.company
        record = draft.record
        heard: list[Transcript | None] = [*spoken.transcripts(item)]
        for transcript in heard or [None]:
            record = normalize(
                item.message,
                key=item.key,
                rules=self._rules,
                received_at=item.received_at,
                processed_at=now,
                conversation=work.conversation.id,
                so_far=record,
                transcript=transcript,
                replaces=_changed_key(item),
                country=settings.country,
                timezone=settings.timezone,
            )
        assert record is not None
        return spoken.marked(record, item)

    def _is_call(self, work: Work) -> bool:
        where = (work.conversation.channel, work.conversation.account)
        return isinstance(self._gateway.channels.get(where), RecordsCalls)

    def _opened(
        self, draft: Draft, item: WorkItem, record: ComplaintRecord, before: ComplaintRecord | None
    ) -> ComplaintRecord:
        """Give a new record its number, and every record the deadlines of its urgency."""
        if not record.number:
            record = msgspec.structs.replace(record, number=case_number(self._gateway.keys, item.key, item.message.at))
            if before is not None:
                who = msgspec.structs.replace(record.who, customer_class="returning")
                record = msgspec.structs.replace(record, who=who)
                record = _standing(record, repeat_of=before.number if _same_matter(before, record) else "")
            draft.journal.append(_line(record, "opened", item.message.at, "customer", {"message": item.key}))
        deadlines = self._deadlines(record)
        if deadlines == record.standing.deadlines:
            return record
        return _standing(record, deadlines=deadlines)

    def _deadlines(self, record: ComplaintRecord) -> Deadlines:
        """Promises run from the provider's time of the first message, by urgency; only ever earlier than before."""
        urgency = record.gravity.urgency.value if record.gravity.urgency else "normal"
        promised, settings = record.standing.deadlines, self._gateway.config.deadlines
        start = record.arrival.provider_at
        response = self._calendar.after(start, settings.first_response[urgency])
        resolve = self._calendar.after(start, settings.resolve[urgency])
        return Deadlines(
            acknowledge_by=promised.acknowledge_by or response,
            first_response_by=min(filter(None, (promised.first_response_by, response))),
            resolve_by=min(filter(None, (promised.resolve_by, resolve))),
        )

    def _context(self, draft: Draft, turn: Turn) -> Context:
        record = draft.record
        assert record is not None
        return Context(
            company=self._company,
            number=record.number,
            status_url=status_url(self._gateway, record.number),
            respond_by=record.standing.deadlines.first_response_by,
            open_now=self._calendar.open_at(turn.at),
            owner=draft.owner,
            status=draft.status,
        )

    def _in_silence(self, draft: Draft, item: WorkItem) -> None:
        """Nothing may be answered by itself: what is history is over, anything else is for a person."""
        if item.message.silent == "history":
            draft.status = "closed" if draft.owner == BOT else draft.status
            return
        if draft.owner == BOT:
            self._hand_off(draft, item, Handoff(reason="failure", summary=item.message.placeholder))
        draft.status = "waiting_agent"

    def _link(self, work: Work, item: WorkItem) -> Entry:
        """Where it points at, for the agent; the two conversations stay apart."""
        conversation = work.conversation
        other = conversation_id(conversation.channel, conversation.account, item.message.linked)
        return Entry(seq=0, kind="note", at=item.message.at, text=f"↗ {other}", author="system", visible=False)

    def _show(self, draft: Draft, item: WorkItem) -> None:
        """Something came that nobody could read: a person looks at it."""
        draft.status = "waiting_agent"
        if draft.owner == BOT:
            self._hand_off(draft, item, Handoff(reason="failure", summary=item.message.placeholder))

    # what a decision means

    def _apply(self, draft: Draft, item: WorkItem, decision: Decision) -> None:
        draft.state = decision.state
        draft.replies += [(item, n, reply) for n, reply in enumerate(decision.replies)]
        draft.traces.append({"message": item.key, "entry": decision.entry, "trace": decision.trace})
        if decision.reopen and draft.status in OVER:
            self._reopen(draft, item)
        if decision.handoff is not None:
            self._hand_off(draft, item, decision.handoff)
        elif decision.disposition:
            draft.status = "withdrawn" if decision.disposition == "withdrawn" else "resolved"
        elif draft.owner == BOT and draft.status not in OVER:
            draft.status = "waiting_customer" if decision.replies else "waiting_bot"
        if draft.record is not None:
            answered = with_answers(draft.record, decision.state.slots, key=item.key, text=item.message.text)
            draft.record = _standing(answered, **_changes(draft, decision))
        if decision.replies:
            draft.answered.append(decision.entry)

    def _reopen(self, draft: Draft, item: WorkItem) -> None:
        draft.status = "waiting_bot"
        draft.notices.append(Entry(seq=0, kind="notice", at=item.message.at, notice="reopened", author=BOT))
        if draft.record is not None:
            draft.record = _standing(draft.record, disposition="", outcome="")
            draft.journal.append(_line(draft.record, "reopened", item.message.at, BOT, {"message": item.key}))

    def _hand_off(self, draft: Draft, item: WorkItem, handoff: Handoff) -> None:
        draft.status = "waiting_agent"
        if draft.owner == NOBODY and handoff.reason != "risk":
            return  # it waits for a person already; only a danger is worth telling again
        draft.owner = NOBODY
        draft.handed_off.append(handoff.reason)
        draft.notices.append(
            Entry(
                seq=0,
                kind="notice",
                at=item.message.at,
                notice="handed_off",
                author=BOT,
                text=handoff.summary,
                choice=handoff.reason,
                visible=False,
            )
        )
        if draft.record is not None:
            body = {"reason": handoff.reason, "message": item.key}
            draft.journal.append(_line(draft.record, "handed_off", item.message.at, BOT, body))

    # rows

    def _finish(self, draft: Draft, work: Work, now: datetime) -> Decided:
        record, source = draft.record, self._gateway.config.public_url
        sends: list[NewSend] = []
        if record is not None and record != work.record:
            before = work.record if work.record is not None and work.record.number == record.number else None
            revision = (before.revision if before else 0) + 1
            record = _standing(record, status=draft.status, owner=draft.owner)
            record = msgspec.structs.replace(record, revision=revision, updated_at=now)
            if any(item.message.silent != "history" for item in work.items) or not work.items:
                sends += event_sends(events_between(before, record, source=source), self._gateway.sinks)
            draft.journal.append(_line(record, "revised", now, "system", {"revision": revision}))
        number = record.number if record else ""
        sends = [self._send(work, number, *reply) for reply in draft.replies] + sends
        conversation = work.conversation
        outcome = Outcome(
            conversation=conversation.id,
            fence=conversation.fence,
            done=tuple(item.inbox_id for item in work.items),
            state=_ENCODE(draft.state),
            record=record,
            owner=draft.owner if draft.owner != conversation.owner else None,
            status=draft.status,
            sends=tuple(sends),
            notices=tuple(draft.notices),
            journal=tuple(draft.journal),
            trace=_ENCODE(draft.traces) if draft.traces else b"",
        )
        return Decided(outcome, tuple(draft.answered), tuple(draft.handed_off))

    def _send(self, work: Work, number: str, item: WorkItem, n: int, reply: Reply) -> NewSend:
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
            author=self._company.bot_name,
            language=reply.language,
            subject=mask(item.message.subject),
            buttons=tuple(Button(label=o.label, value=o.value) for o in reply.options),
            reply_to=item.message.external_id,
        )
        return NewSend(
            key=out.key,
            destination=f"channel:{out.channel}/{out.account}",
            lane=conversation.id,
            conversation=conversation.id,
            number=number,
            kind=reply.kind,
            fence=conversation.fence,
            body=_ENCODE(out),
        )


def _changed_key(item: WorkItem) -> str:
    """Key of the message that an edit or deletion changes."""
    message = item.message
    return f"{message.channel}/{message.account}/{message.refers_to}" if message.refers_to else ""


def _call(state: State) -> Decision:
    """A call was answered by a person while it ran: what is to be done is theirs, and nothing can be said into it."""
    return Decision(
        state=msgspec.structs.replace(state, handed_off=True),
        handoff=Handoff(reason="call", summary="A recorded call."),
        trace=(Step(rule="call", verdict="hands over"),),
    )


def _is_over(record: ComplaintRecord | None, at: datetime) -> bool:
    """Whether a message at ``at`` no longer belongs to the case."""
    return record is not None and record.standing.status in OVER and at - record.updated_at > REOPENS_FOR


def _same_matter(before: ComplaintRecord, now: ComplaintRecord) -> bool:
    """A repeat: the same person names the same order again, or complains of the same again."""
    orders = {found.value for found in before.what.order_numbers} & {found.value for found in now.what.order_numbers}
    was, now_is = before.what.category, now.what.category
    return bool(orders) or (was is not None and now_is is not None and was.value == now_is.value)


def _standing(record: ComplaintRecord, **changes: object) -> ComplaintRecord:
    standing: Standing = msgspec.structs.replace(record.standing, **changes)
    return msgspec.structs.replace(record, standing=standing)


def _changes(draft: Draft, decision: Decision) -> dict[str, object]:
    changes: dict[str, object] = {"status": draft.status, "owner": draft.owner}
    if decision.handoff is not None:
        changes |= {"skills": decision.handoff.skills, "handoff_reason": decision.handoff.reason}
    if decision.disposition:
        changes["disposition"] = decision.disposition
    if decision.satisfaction is not None:
        changes["satisfaction"] = decision.satisfaction
    return changes


def _line(record: ComplaintRecord, what: str, at: datetime, by: str, body: Mapping[str, object]) -> JournalLine:
    return JournalLine(number=record.number, what=what, at=at, by=by, body=body)
