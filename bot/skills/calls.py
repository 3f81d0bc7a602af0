"""What follows a call or a voice note: the receipt by another channel, and the question for a number not heard well."""

from __future__ import annotations

from msgspec.structs import replace

from bot.decision import Asked, Decision, Reply, Step
from bot.knowledge import Knowledge
from bot.skills.receipt import promise, understood
from bot.view import View
from normalizer import doubts

_ENTRY = "@call"


def receipt(asked: Asked, knowledge: Knowledge) -> Reply:
    """What a caller gets in writing: the number, what was understood, what is in doubt, and how to correct it."""
    view = View(asked, knowledge)
    lines = [view.phrase("call.receipt"), understood(view), *_questions(view), promise(view)]
    if view.context.status_url:
        lines.append(view.phrase("receipt.status"))
    lines.append(view.phrase("call.correct"))
    return Reply(text="\n".join(filter(None, lines)), kind="receipt", language=view.language, entry=_ENTRY)


def subject(asked: Asked, knowledge: Knowledge) -> str:
    """The receipt's subject line, where the channel has one."""
    return View(asked, knowledge).phrase("call.subject")


def asking(asked: Asked, decision: Decision, knowledge: Knowledge) -> Decision:
    """The decision on a voice note with the question for its doubtful number, unless the bot asks something already."""
    view = View(asked, knowledge)
    questions = _questions(view)
    if not questions or decision.state.asking:
        return decision
    reply = Reply(text=questions[0], kind="question", language=view.language, entry=_ENTRY)
    step = Step(rule="doubtful number", verdict="asked")
    return replace(decision, replies=(*decision.replies, reply), trace=(*decision.trace, step))


def thanks(asked: Asked, knowledge: Knowledge, number: str) -> Decision:
    """The answer to a yes, or to the number itself."""
    view = View(asked, knowledge)
    reply = Reply(text=view.phrase("doubt.thanks", value=number), kind="status", language=view.language, entry=_ENTRY)
    state = replace(asked.state, asking="", asked=0)
    return Decision(state=state, replies=(reply,), trace=(Step(rule="doubtful number", verdict="confirmed"),))


def _questions(view: View) -> list[str]:
    return [
        view.phrase("doubt.ask" if doubts.is_whole(doubt) else "doubt.gap", value=_read_out(doubt.value))
        for doubt in view.record.what.doubts
    ]


def _read_out(value: str) -> str:
    """Digit by digit, as one would ask on the telephone."""
    return " ".join(value) if all(char.isdigit() or char == "…" for char in value) else value
