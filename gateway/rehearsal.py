"""Talks with the bot without a server: the same normalizer and the same decision, with a company and a clock that stand still."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from bot.decide import decide
from bot.decision import ActionResult, ActionStatus, Asked, Company, Context, Decision, State, Turn
from bot.knowledge import Knowledge
from bot.skills.survey import invite
from channels.base import Inbound, Sender
from normalizer.normalize import normalize
from normalizer.record import ComplaintRecord
from normalizer.rules import Rules

#: A working Friday afternoon in Shanghai.
START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


#: Nine to six in Shanghai, today, Monday and Tuesday.
_OPEN = tuple((START.replace(day=day, hour=1), START.replace(day=day, hour=10)) for day in (20, 23, 24, 25))
_DECIDED = ("approved", "declined")


@dataclass
class Rehearsal:
    """One conversation with the bot. ``context`` may be changed between turns to stand for what people do."""

    knowledge: Knowledge
    rules: Rules
    context: Context = field(
        default_factory=lambda: Context(
            company=Company(name="Allears", timezone="Asia/Shanghai"),
            number="AE-2026-0001",
            status_url="https://shop.example/status/AE-2026-0001",
            respond_by=START + timedelta(hours=3),
            open_spans=_OPEN,
        )
    )
    state: State = field(default_factory=State)
    record: ComplaintRecord | None = None
    turns: int = 0

    def say(self, text: str, *, choice: str = "", attachments: int = 0, language: str = "") -> Decision:
        """One customer turn: normalized, decided, and the conversation moved on."""
        self.turns += 1
        at = START + timedelta(minutes=self.turns)
        key = f"turn-{self.turns}"
        self.record = self._normalized(text, key, at, language)
        turn = Turn(key=key, text=text, at=at, choice=choice, attachments=attachments, language=language)
        return self._moved_on(turn, self.record)

    def _moved_on(self, turn: Turn, record: ComplaintRecord) -> Decision:
        decision = decide(Asked(turn=turn, state=self.state, record=record, context=self.context), self.knowledge)
        self.state = decision.state
        if decision.disposition:
            status = "withdrawn" if decision.disposition == "withdrawn" else "resolved"
            self.context = replace(self.context, owner="bot", status=status)
        if decision.handoff is not None:
            self.context = replace(self.context, owner="", status="waiting_agent")
        return decision

    def hear(self, status: ActionStatus, values: dict[str, str]) -> Decision:
        """What became of the action under way, as the company's system or a person tells it."""
        self.turns += 1
        key = self.state.action.key if self.state.action else ""
        result = ActionResult(key=key, status=status, values=values, by="desk" if status in _DECIDED else "")
        at = START + timedelta(minutes=self.turns)
        turn = Turn(key=f"turn-{self.turns}", text="", at=at, language=self.state.language, result=result)
        self.record = self.record or self._normalized("", turn.key, at, "")
        return self._moved_on(turn, self.record)

    def invite(self) -> Decision:
        """What the gateway does when an agent closes the case: the survey goes out."""
        at = START + timedelta(minutes=self.turns)
        turn = Turn(key=f"close-{self.turns}", text="", at=at)
        record = self.record or self._normalized("", turn.key, at, "")
        self.context = replace(self.context, owner="bot", status="closed")
        decision = invite(Asked(turn=turn, state=self.state, record=record, context=self.context), self.knowledge)
        self.state = decision.state
        return decision

    def _normalized(self, text: str, key: str, at: datetime, language: str) -> ComplaintRecord:
        message = Inbound(
            channel="webchat",
            account="rehearsal",
            external_id=key,
            thread="rehearsal",
            sender=Sender(id="customer"),
            at=at,
            text=text,
            language=language,
        )
        return normalize(
            message,
            key=key,
            rules=self.rules,
            received_at=at,
            processed_at=at,
            conversation="rehearsal",
            so_far=self.record,
            timezone=self.context.company.timezone,
        )
