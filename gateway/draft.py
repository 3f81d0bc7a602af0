"""What one conversation's turns have led to so far, and what each of the bot's decisions means for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from bot.decision import ActionCall, ActionResult, Decision, Handoff, Reply, State
from gateway.events import OVER
from gateway.store.base import BOT, NOBODY, Code, Entry, JournalLine, NewCode, NewProof, NewSend, Notice, Work, WorkItem
from normalizer.answered import with_answers
from normalizer.record import ComplaintRecord, Standing

_STATE = msgspec.json.Decoder(State)


class Draft:
    """The conversation as it will be when the turns are committed."""

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
        self.actions: list[ActionCall] = []
        self.identity = ""
        self.proofs: list[NewProof] = []
        self.code = work.code
        self.blocked: bool | None = None
        self.codes: list[tuple[NewCode, NewSend | None]] = []

    def start_anew(self) -> None:
        """The last case is over: what comes now is another one."""
        self.record, self.state, self.status = None, self.state.anew, "waiting_bot"

    def apply(self, item: WorkItem, decision: Decision) -> None:
        """Take a decision over."""
        self.state = decision.state
        self.replies += [(item, n, reply) for n, reply in enumerate(decision.replies)]
        self.traces.append({"message": item.key, "entry": decision.entry, "trace": decision.trace})
        if decision.reopen and self.status in OVER:
            self._reopen(item)
        if decision.handoff is not None:
            self.hand_off(item, decision.handoff)
        elif decision.disposition:
            self.status = "withdrawn" if decision.disposition == "withdrawn" else "resolved"
            self.owner = BOT if self.owner == NOBODY else self.owner  # nobody needs to take what is over
        elif self.owner == BOT and self.status not in OVER:
            self.status = "waiting_customer" if decision.replies else "waiting_bot"
        if self.record is not None:
            answered = with_answers(self.record, decision.state.slots, key=item.key, text=item.message.text)
            self.record = standing(answered, **self._changes(decision))
        if decision.action is not None:
            self._act(item, decision.action)
        if decision.replies:
            self.answered.append(decision.entry)

    def tried(self, item: WorkItem, code: Code) -> None:
        """Digits were typed: right ones prove something, and everybody at the desk may know."""
        self.code = code
        if code.state != "right":
            return
        at = item.message.at
        self.proofs.append(NewProof(one=code.identity, other=code.address, how="code", at=at, by=code.by))
        self.notices.append(
            Entry(seq=0, kind="notice", at=at, notice="proven", author=code.by, choice=code.address, visible=False)
        )
        if self.record is not None:
            self.journal.append(line(self.record, "proven", at, code.by, {"how": "code"}))

    def _act(self, item: WorkItem, call: ActionCall) -> None:
        """It goes to the outbox, or before a person."""
        if not call.approval:
            self.actions.append(call)
        if call.by:
            return  # it was told when it was put before the person who agreed
        self._tell(item, "approval" if call.approval else "action", call.key, call.summary, "asked", call.by)

    def heard_of(self, item: WorkItem, result: ActionResult) -> None:
        """What became of an action, for the agent."""
        call = self.state.action
        summary = call.summary if call is not None and call.key == result.key else ""
        said = " · ".join(f"{name}: {value}" for name, value in result.values.items())
        text = " · ".join(filter(None, (summary, said, result.detail)))
        self._tell(item, "action", result.key, text, result.status, result.by)

    def _tell(self, item: WorkItem, notice: Notice, key: str, text: str, status: str, by: str) -> None:
        """A line for the agent, whose ``choice`` is the action's key and what became of it, and one for the journal."""
        at = item.message.at
        self.notices.append(
            Entry(
                seq=0,
                kind="notice",
                at=at,
                notice=notice,
                author=BOT,
                author_name=by,
                text=text,
                choice=f"{key} {status}",
                visible=False,
            )
        )
        if self.record is not None:
            self.journal.append(line(self.record, "acted", at, by or BOT, {"action": key, "status": status}))

    def hand_off(self, item: WorkItem, handoff: Handoff) -> None:
        """A person is wanted."""
        self.status = "waiting_agent"
        if self.owner == NOBODY and handoff.reason not in ("risk", "callback"):
            return  # it waits for a person already; only a danger or an appointment is worth telling again
        self.owner = NOBODY
        self.handed_off.append(handoff.reason)
        self.notices.append(
            Entry(
                seq=0,
                kind="notice",
                at=item.message.at,
                notice="handed_off",
                author=BOT,
                text=handoff.summary,
                choice=handoff.reason,
                facts=handoff.facts,
                visible=False,
            )
        )
        if self.record is not None:
            body = {"reason": handoff.reason, "message": item.key}
            self.journal.append(line(self.record, "handed_off", item.message.at, BOT, body))

    def wait_for_person(self) -> None:
        """The bot has nothing to do here: whoever owns it answers, or the queue if nobody does."""
        self.status = "waiting_agent"
        self.owner = NOBODY if self.owner == BOT else self.owner

    def show(self, item: WorkItem) -> None:
        """Something came that nobody could read, or that may not be answered by itself: a person looks at it."""
        if self.owner == BOT:
            self.hand_off(item, Handoff(reason="failure", summary=item.message.placeholder))
        self.status = "waiting_agent"

    def _reopen(self, item: WorkItem) -> None:
        self.status = "waiting_bot"
        self.notices.append(Entry(seq=0, kind="notice", at=item.message.at, notice="reopened", author=BOT))
        if self.record is not None:
            self.record = standing(self.record, disposition="", outcome="")
            self.journal.append(line(self.record, "reopened", item.message.at, BOT, {"message": item.key}))

    def _changes(self, decision: Decision) -> dict[str, object]:
        changes: dict[str, object] = {"status": self.status, "owner": self.owner}
        if decision.handoff is not None:
            changes |= {"skills": decision.handoff.skills, "handoff_reason": decision.handoff.reason}
        if decision.disposition:
            changes["disposition"] = decision.disposition
        if decision.satisfaction is not None:
            changes["satisfaction"] = decision.satisfaction
        if decision.state.opted_out != (self.record is not None and self.record.standing.opted_out):
            changes["opted_out"] = decision.state.opted_out
        return changes


def standing(record: ComplaintRecord, **changes: object) -> ComplaintRecord:
    """The record with fields of its standing changed."""
    changed: Standing = msgspec.structs.replace(record.standing, **changes)
    return msgspec.structs.replace(record, standing=changed)


def line(record: ComplaintRecord, what: str, at: datetime, by: str, body: Mapping[str, object]) -> JournalLine:
    """A line of the record's journal."""
    return JournalLine(number=record.number, what=what, at=at, by=by, body=body)
