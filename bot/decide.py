"""The bot's way through a turn, readable as a table: the first rule that answers decides."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from bot.decision import PARTED_BY, Asked, Decision, Reply, Step
from bot.failure import failed
from bot.knowledge import Knowledge
from bot.skills import (
    actions,
    answers,
    callback,
    consent,
    contact,
    handoff,
    progress,
    proof,
    quiet,
    slots,
    social,
    survey,
)
from bot.view import Outcome, View

Rule = Callable[[View], Outcome | None]

#: Silence first, then danger and the customer's plain wishes, then what the bot has asked, then what it knows.
RULES: tuple[tuple[str, Rule], ...] = (
    ("action-result", actions.result),
    ("person-owns", quiet.person_owns),
    ("machine", quiet.machine),
    ("spam", quiet.spam),
    ("edited", quiet.edited),
    ("circles", quiet.circles),
    ("opt-out", consent.opt_out),
    ("survey", survey.answered),
    ("elsewhere", proof.elsewhere),
    ("chaser", progress.chaser),
    ("withdrawal", progress.withdrawal),
    ("callback", callback.callback),
    ("contact", contact.corrected),
    ("slot-while-waiting", slots.answered_while_waiting),
    ("waiting", progress.waiting),
    ("risk", handoff.risk),
    ("request", handoff.requested),
    ("language", answers.language_switch),
    ("chosen", answers.chosen),
    ("action-confirmed", actions.confirmed),
    ("helped", answers.helped),
    ("slot", answers.slot_answer),
    ("anger", handoff.anger),
    ("urgency", handoff.urgency),
    ("greeting", social.greeting),
    ("complaint", answers.complaint),
    ("after-close", progress.after_close),
    ("thanks", social.thanks),
    ("goodbye", social.goodbye),
    ("feedback", social.feedback),
    ("answer", answers.answer),
    ("offer", answers.offer),
)


def decide(asked: Asked, knowledge: Knowledge) -> Decision:
    """What follows from a turn. Pure: the same turn, state, record, context and knowledge give the same decision."""
    view = View(asked, knowledge)
    name, outcome = _decided(view)
    steps = (*_PASSED_BEFORE[name], Step(rule=name, verdict="decides", detail=outcome.why))
    if not all(reply.text for reply in outcome.replies):
        return failed(view.language, view.state, f"no phrase for {name}")
    return _decision(view, outcome, steps)


def _decided(view: View) -> tuple[str, Outcome]:
    """The name of the first rule that answers, and its answer."""
    for name, rule in RULES:
        if (outcome := rule(view)) is not None:
            return name, outcome
    return "miss", answers.miss(view)


def _passed_before(count: int) -> tuple[Step, ...]:
    """One step for all: thirty of them would be most of what is stored of a turn."""
    names = [name for name, _ in RULES[:count]]
    return (Step(rule=PARTED_BY.join(names), verdict="passes"),) if names else ()


#: What a trace says before the step of the rule that decides.
_PASSED_BEFORE = {name: _passed_before(n) for n, name in enumerate([*(name for name, _ in RULES), "miss"])}


def _decision(view: View, outcome: Outcome, steps: tuple[Step, ...]) -> Decision:
    replies = _introduced(view, outcome)
    choices = tuple(option.value for reply in replies for option in reply.options)
    state = replace(
        view.state,
        **{
            "language": view.language,
            "turns": view.state.turns + 1,
            "handed_off": view.is_waiting,
            "greeted": view.state.greeted or bool(replies),
            "choices": choices or (view.state.choices if view.state.asking else ()),
            **outcome.changes,
        },
    )
    return Decision(
        state=state,
        replies=replies,
        handoff=outcome.handoff,
        disposition=outcome.disposition,
        reopen=outcome.reopen or (outcome.handoff is not None and view.is_closed),
        satisfaction=outcome.satisfaction,
        action=outcome.action,
        prove=outcome.prove,
        entry=outcome.entry,
        confidence=outcome.confidence,
        trace=(*steps, *view.match_steps),
    )


def _introduced(view: View, outcome: Outcome) -> tuple[Reply, ...]:
    """The first words of a conversation say that a machine speaks."""
    if view.state.greeted or not outcome.replies or outcome.changes.get("greeted"):
        return outcome.replies
    first, *rest = outcome.replies
    text = "\n".join(filter(None, (view.phrase("intro"), first.text)))
    return (replace(first, text=text), *rest)
