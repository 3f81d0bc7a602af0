"""One turn as the rules see it, and what a rule answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from bot import times
from bot.decision import ActionCall, Asked, Context, Handoff, Option, Reply, State, Step, Turn
from bot.kept import kept
from bot.knowledge import FALLBACKS, Entry, Knowledge
from bot.language import choose
from bot.match import Match, find
from bot.patterns import Scan
from bot.template import fill
from bot.words import Utterance
from normalizer.record import ComplaintRecord, Disposition, Evidence, Found, Money

#: From this confidence on, the record's word that it is a complaint stands even against the form of a question.
PLAIN = 0.72


@dataclass(frozen=True)
class Outcome:
    """What a rule decided. ``changes`` are fields of the next :class:`bot.decision.State`."""

    why: str
    replies: tuple[Reply, ...] = ()
    handoff: Handoff | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    disposition: Disposition = ""
    reopen: bool = False
    satisfaction: int | None = None
    action: ActionCall | None = None
    prove: str = ""
    entry: str = ""
    confidence: float = 0.0


def said(money: Money) -> str:
    """A sum as slots hold it: ``80.00 CNY``."""
    return f"{money.amount} {money.currency}".strip()


class View:
    """Everything asked of a turn, worked out when a rule first wants it."""

    def __init__(self, asked: Asked, knowledge: Knowledge) -> None:
        self._asked = asked
        self.knowledge = knowledge
        self.turn: Turn = asked.turn
        self.state: State = asked.state
        self.record: ComplaintRecord = asked.record
        self.context: Context = asked.context

    def part(self, text: str) -> View:
        """The same turn as if only this had been said; what the record found in the whole message still holds."""
        return View(replace(self._asked, turn=replace(self.turn, text=text)), self.knowledge)

    @kept
    def utterance(self) -> Utterance:
        return self.knowledge.utterance(self.turn.text)

    @kept
    def scan(self) -> Scan:
        return self.knowledge.matcher.scan(self.utterance)

    def said(self, skill: str) -> bool:
        """Whether the words of a skill (``words`` in the knowledge) are in the text."""
        return f"@{skill}" in self.scan.fired

    @kept
    def choice(self) -> str:
        """The pressed button; a bare number is the button with that number."""
        if self.turn.choice:
            return self.turn.choice
        number = self.utterance.compact if self.state.choices and len(self.turn.text) < 8 else ""
        if number.isascii() and number.isdigit() and 1 <= int(number) <= len(self.state.choices):
            return self.state.choices[int(number) - 1]
        return ""

    @kept
    def language(self) -> str:
        return choose(self.turn, self.state, self.record, self.context.company, self.scan, self.utterance)

    @kept
    def match(self) -> Match:
        """Which entry answers, worked out when a rule first asks."""
        return find(self)

    @property
    def match_steps(self) -> tuple[Step, ...]:
        """The matching's part of the trace; empty where no rule asked for it."""
        match = self.__dict__.get("match")
        return match.steps if isinstance(match, Match) else ()

    # --- the record, as far as this turn added to it ---

    def is_fresh(self, evidence: Iterable[Evidence]) -> bool:
        """Whether something was said in this turn, not in an earlier one."""
        keys = [each.message for each in evidence]
        return not keys or self.turn.key in keys

    def fresh(self, found: Found[Any] | None) -> Any:
        """The value if it was found in this turn, else None."""
        return found.value if found is not None and self.is_fresh(found.evidence) else None

    @kept
    def values_said(self) -> tuple[tuple[str, str], ...]:
        """(type, words) of the values in this turn that a slot may take."""
        what, who, key = self.record.what, self.record.who, self.turn.key
        groups: tuple[tuple[str, tuple[Found[Any], ...]], ...] = (
            ("order_number", what.order_numbers), ("tracking_number", what.tracking_numbers), ("amount", what.amounts),
            ("phone", who.phones), ("email", who.emails),
        )  # fmt: skip
        return tuple(
            (type, each.quote)
            for type, found in groups
            for value in found
            for each in value.evidence
            if each.message == key and each.quote
        )

    @kept
    def kind(self) -> str:
        return self.fresh(self.record.what.kind) or ""

    @kept
    def risks(self) -> tuple[str, ...]:
        return tuple(risk.value for risk in self.record.gravity.risks if self.is_fresh(risk.evidence))

    @property
    def is_urgent(self) -> bool:
        return bool(self.fresh(self.record.gravity.urgency) == "urgent")

    @property
    def emotion(self) -> str:
        return self.fresh(self.record.gravity.emotion) or ""

    @property
    def is_angry(self) -> bool:
        return self.emotion == "anger" or self.said("anger")

    @kept
    def complains_plainly(self) -> bool:
        """Whether words or a clear tone say that this is a complaint: the record's, or the bot's own."""
        found = self.record.what.kind
        return self.said("grievance") or (self.kind == "complaint" and found is not None and found.confidence >= PLAIN)

    @kept
    def is_grievance(self) -> bool:
        """Whether the customer complains; a complaint that is only inferred does not make a complaint of a question."""
        if self.complains_plainly:
            return True
        words = self.utterance
        return self.kind == "complaint" and not (words.is_question or words.is_request or words.units < 2)

    # --- where the case stands ---

    @property
    def is_waiting(self) -> bool:
        """Handed over, and nobody has taken it yet."""
        return self.context.owner == ""

    @property
    def is_closed(self) -> bool:
        return self.context.status in ("resolved", "closed", "withdrawn")

    @property
    def has_case(self) -> bool:
        """Whether the customer has been told of a case."""
        return bool(self.state.receipt_for) or self.is_waiting or self.is_closed

    # --- words ---

    @kept
    def variables(self) -> dict[str, str]:
        """What ``{name}`` stands for: facts, then the record, then what the customer told the bot, then the case."""
        context, company = self.context, self.context.company
        values = dict(self.knowledge.facts_in(self.language))
        what, who = self.record.what, self.record.who
        for name, found in (
            ("order_number", what.order_numbers), ("tracking_number", what.tracking_numbers), ("phone", who.phones),
            ("email", who.emails), ("product", what.products), ("customer", who.names),
        ):  # fmt: skip
            if found:
                values[name] = found[-1].value
        if len(sums := {said(each.value) for each in what.amounts}) == 1:
            values["amount"] = sums.pop()
        values.update(self.state.slots)
        values.update(
            company=company.called(self.language), bot=company.bot_name, number=context.number, status_url=context.status_url,
            respond_by=times.deadline(context.respond_by, self.turn.at, company.timezone, self.language),
        )  # fmt: skip
        return values

    def phrase(self, key: str, **more: str) -> str:
        """A built-in phrase with its variables filled in; empty where the knowledge has none."""
        text = self.knowledge.phrase(key, self.language)
        return fill(text, {**self.variables, **more} if more else self.variables)

    def answer(self, entry: Entry) -> str:
        """The entry's answer in the nearest language that has one whose condition holds."""
        return fill(self.template(entry), self.variables)

    def template(self, entry: Entry) -> str:
        """The same with its variables still open."""
        texts = (entry.answer.get(language) for language in FALLBACKS.get(self.language, ("en",)))
        chosen = (text.chosen(self.variables, self.context.open_now) for text in texts if text)
        return next(filter(None, chosen), "")

    def option(self, key: str, value: str) -> Option:
        return Option(label=self.phrase(key), value=value)

    def human_option(self) -> Option:
        return self.option("option.human", "human")
