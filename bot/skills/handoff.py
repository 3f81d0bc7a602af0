"""To a person: on request, anger, risk, urgency, doubt, and at the end of every path the bot cannot walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.decision import Handoff, HandoffReason, Option, Reply
from bot.knowledge import Entry
from bot.skills.receipt import empathy, promise, receipt
from bot.template import fill
from bot.view import Outcome, View

#: Risks for which the customer is told at once what helps more than we do.
SAFETY = ("self_harm", "injury", "fire", "violence", "fraud")

#: Fewer content units say that there is a complaint, not which ("我要投诉").
BARE = 3.0
#: Categories where the agent's first question would be the order.
_ABOUT_AN_ORDER = ("logistics", "billing", "quality")


@dataclass(frozen=True)
class Question:
    """One thing still wanted of the customer while they wait: its slot, how it is asked, and buttons."""

    slot: str
    text: str
    options: tuple[Option, ...] = ()


def hand_off(
    view: View,
    reason: HandoffReason,
    *,
    why: str,
    lead: str = "",
    because: str = "",
    question: Question | None = None,
    entry: Entry | None = None,
    confidence: float = 0.0,
) -> Outcome:
    """The outcome of every hand-off: empathy, why a person (``because`` names another phrase), the receipt, what we need."""
    paper = receipt(view)
    text = "\n".join(
        part
        for part in (
            lead or empathy(view),
            view.phrase(because or f"handoff.{reason}"),
            paper or promise(view),
            question and question.text,
        )
        if part
    )
    changes: dict[str, Any] = {
        "handed_off": True, "receipt_for": view.context.number or view.state.receipt_for, "misses": 0, "offered": (),
        "asking": question.slot if question else "", "asked": 1 if question else 0, "entry": entry.id if entry else "",
    }  # fmt: skip
    reply = Reply(
        text=text,
        kind="receipt" if paper else "status",
        language=view.language,
        options=question.options if question else (),
        entry=entry.id if entry else f"@handoff-{reason}",
    )
    return Outcome(
        why=why,
        replies=(reply,),
        handoff=Handoff(reason=reason, summary=summary(view, reason), skills=skills(view, entry)),
        changes=changes,
        entry=entry.id if entry else "",
        confidence=confidence,
    )


def skills(view: View, entry: Entry | None) -> tuple[str, ...]:
    """Skill tags wanted of the agent: the language, the category, the entry's own, and ``risk`` where there is one."""
    category = view.record.what.category
    wanted = [
        f"language:{view.language}",
        category.value.split("/")[0] if category else "",
        *(entry.skills if entry else ()),
    ]
    wanted += ["risk"] if view.record.gravity.risks else []
    return tuple(dict.fromkeys(filter(None, wanted)))


def summary(view: View, reason: str) -> str:
    """A line or two for the agent, in the company's language: what is wanted, what was tried, mood, what is missing."""
    company, phrase = view.context.company.default_language, view.knowledge.phrase

    def say(key: str, value: str = "") -> str:
        return fill(phrase(key, company), {"value": value})

    what, gravity, state = view.record.what, view.record.gravity, view.state
    parts = [
        say(f"summary.reason.{reason}"),
        say(f"category.{what.category.value.split('/')[0]}") if what.category else "",
    ]
    if what.demands:
        wants = dict.fromkeys(phrase(f"demand.{found.value}", company) or found.value for found in what.demands)
        parts.append(say("summary.wants", ", ".join(wants)))
    if order := view.variables.get("order_number"):
        parts.append(say("summary.order", order))
    if gravity.emotion and gravity.emotion.value:
        parts.append(say("summary.mood", gravity.emotion.value))
    if gravity.risks:
        parts.append(say("summary.risk", ", ".join(dict.fromkeys(risk.value for risk in gravity.risks))))
    if state.entry and state.entry in view.knowledge.entries:
        parts.append(say("summary.tried", state.entry))
    return " · ".join(part for part in parts if part) or reason


def requested(view: View) -> Outcome | None:
    """The customer asks for a person: no argument, no further question."""
    if view.choice == "human" or view.said("human"):
        return hand_off(view, "request", why="asked for a person")
    return None


def risk(view: View) -> Outcome | None:
    """Injury, fire, law, press and the like are for people; a warning comes first where it may save someone."""
    if not view.risks or _allowed(view):
        return None
    danger = next((name for name in SAFETY if name in view.risks), "")
    lead = view.phrase(f"safety.{danger}") if danger else ""
    return hand_off(view, "risk", why=", ".join(view.risks), lead=lead)


def _allowed(view: View) -> bool:
    entry = view.match.entry
    return entry is not None and set(view.risks) <= set(entry.allow_risks)


def anger(view: View) -> Outcome | None:
    return hand_off(view, "anger", why="angry", question=complaint_question(view)) if view.is_angry else None


def urgency(view: View) -> Outcome | None:
    return hand_off(view, "urgency", why="urgent", question=complaint_question(view)) if view.is_urgent else None


def complaint_question(view: View) -> Question | None:
    """What a complaint still needs: the order, where it is about one. It never delays the hand-off."""
    category = view.record.what.category.value if view.record.what.category else ""
    demands = {found.value for found in view.record.what.demands}
    about = (
        category.startswith(_ABOUT_AN_ORDER) or demands & {"refund", "replacement", "delivery"} or view.said("order")
    )
    if about and not view.variables.get("order_number"):
        return Question("order_number", view.phrase("ask.order_number"), (view.option("option.no_number", "skip"),))
    if view.utterance.units < BARE and not view.has_case:
        return Question("story", view.phrase("ask.story"))
    return None
