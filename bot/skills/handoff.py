"""To a person: on request, anger, risk, urgency, doubt, and at the end of every path the bot cannot walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.decision import Handoff, HandoffReason, Option, Reply
from bot.knowledge import Entry, pick
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
    call: str = "",
    promised: bool = True,
) -> Outcome:
    """The outcome of every hand-off: empathy, why a person (``because`` names another phrase), the receipt, what we need.

    ``promised`` False: another time has been agreed on.
    """
    paper = receipt(view, promised=promised)
    text = "\n".join(
        part
        for part in (
            lead or empathy(view),
            view.phrase(because or f"handoff.{reason}"),
            paper or (promise(view) if promised else ""),
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
        handoff=called(view, reason, entry, call=call),
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


def called(view: View, reason: HandoffReason, entry: Entry | None = None, *, call: str = "") -> Handoff:
    """``call`` is a number and when to ring it. What the agent is told: the summary in the company's language, and the same as facts for a page of any language."""
    known = facts(view, reason) + ((("call", (call,)),) if call else ())
    return Handoff(reason=reason, summary=_summary(view, known), skills=skills(view, entry), facts=known)


Facts = tuple[tuple[str, tuple[str, ...]], ...]


def facts(view: View, reason: str) -> Facts:
    """What is wanted, what was tried, the mood, what is missing: (name, codes or words)."""
    what, gravity, state = view.record.what, view.record.gravity, view.state
    tried = view.knowledge.entries.get(state.entry)
    missing = view.state.asking if view.state.asking in ("order_number", "story") else ""
    found = (
        ("reason", [reason]),
        ("category", [what.category.value] if what.category else []),
        ("wants", [demand.value for demand in what.demands]),
        ("order", [view.variables.get("order_number", "")]),
        ("amount", [view.variables.get("amount", "")]),
        ("mood", [gravity.emotion.value if gravity.emotion else ""]),
        ("risk", [risk.value for risk in gravity.risks]),
        ("tried", [pick(tried.title, view.context.company.default_language) if tried else ""]),
        ("missing", [missing]),
    )
    return tuple((name, values) for name, each in found if (values := tuple(dict.fromkeys(filter(None, each)))))


def _summary(view: View, known: Facts) -> str:
    """A line or two for the agent, in the company's language."""
    language = view.context.company.default_language
    parts = [_in_words(view, name, values, language) for name, values in known]
    return " · ".join(filter(None, parts)) or dict(known)["reason"][0]


def _in_words(view: View, name: str, values: tuple[str, ...], language: str) -> str:
    phrase = view.knowledge.phrase
    if name == "reason":
        return phrase(f"summary.reason.{values[0]}", language)
    if name == "category":
        return phrase(f"category.{values[0].split('/')[0]}", language)
    said = (phrase(f"{_CODES[name]}.{value}", language) or value for value in values) if name in _CODES else values
    return fill(phrase(f"summary.{name}", language), {"value": phrase("list.comma", language).join(said)})


#: Facts whose values are codes, and the phrases that say them.
_CODES = {"wants": "demand", "mood": "mood", "risk": "risk", "missing": "missing"}


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
