"""Satisfaction after the close: asked once, taken as a number or a word, never argued about."""

from __future__ import annotations

from msgspec.structs import replace

from bot.decision import Asked, Decision, Option, Reply, Step
from bot.knowledge import Knowledge
from bot.view import Outcome, View

_SCORES = ("1", "2", "3", "4", "5")


def invite(asked: Asked, knowledge: Knowledge) -> Decision:
    """What the gateway sends when a case is closed (``asked.turn`` is the customer's last)."""
    view = View(asked, knowledge)
    options = tuple(
        Option(label=view.phrase(f"survey.{score}") or score, value=f"survey:{score}") for score in _SCORES[::-1]
    )
    reply = Reply(
        text=view.phrase("survey.ask"), kind="survey", language=view.language, options=options, entry="@survey"
    )
    state = replace(asked.state, asking="survey", asked=1, choices=())
    return Decision(state=state, replies=(reply,), trace=(Step(rule="survey", verdict="asked"),))


def answered(view: View) -> Outcome | None:
    """A score counts once the case is closed: the invitation goes out with the closing, outside of any turn."""
    if view.state.asking != "survey" and not view.is_closed:
        return None
    score = _score(view)
    if score is None:
        return None
    text = view.phrase("survey.low" if score <= 2 else "survey.thanks")
    reply = Reply(text=text, kind="status", language=view.language, entry="@survey")
    changes = {"asking": "", "asked": 0, "entry": "@survey"}
    return Outcome(why=f"satisfaction {score}", replies=(reply,), changes=changes, satisfaction=score)


def _score(view: View) -> int | None:
    said = view.turn.choice.removeprefix("survey:") or view.utterance.compact.removesuffix("分")
    if said in _SCORES:
        return int(said)
    return next((int(score) for score in _SCORES if view.said(f"survey-{score}")), None)
