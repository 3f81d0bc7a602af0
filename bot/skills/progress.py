"""How a case stands: chasers, withdrawal, and what is said while the customer waits for a person."""

from __future__ import annotations

from bot.decision import Handoff, Reply
from bot.knowledge import Entry
from bot.skills import slots
from bot.skills.handoff import called, hand_off
from bot.skills.receipt import promise
from bot.view import Outcome, View

_STATUSES = ("waiting_agent", "waiting_customer", "resolved", "closed", "withdrawn")


def chaser(view: View) -> Outcome | None:
    """Asking where the case stands is answered with where it stands, and with an apology where we are late."""
    if not (view.has_case and (view.kind == "chaser" or view.said("chaser") or view.choice == "status")):
        return None
    late = view.context.respond_by is not None and view.context.respond_by < view.turn.at and not view.is_closed
    lines = [_standing(view), view.phrase("status.late") if late else "", "" if late else _until(view)]
    if view.context.status_url:
        lines.append(view.phrase("receipt.status"))
    reply = Reply(
        text="\n".join(line for line in lines if line), kind="status", language=view.language, entry="@chaser"
    )
    if view.is_waiting or view.is_closed:
        return Outcome(why="asks how the case stands", replies=(reply,), changes={"entry": "@chaser"})
    handoff = called(view, "request")
    return Outcome(why="asks how the case stands", replies=(reply,), handoff=handoff, changes={"handed_off": True})


def _standing(view: View) -> str:
    status = view.context.status if view.context.status in _STATUSES else "waiting_agent"
    return view.phrase(f"status.{status}")


def _until(view: View) -> str:
    return "" if view.is_closed else promise(view)


def withdrawal(view: View) -> Outcome | None:
    """Taken back only after a "yes": a case must not be lost to a misread word."""
    if view.state.asking == "withdraw":
        if view.choice == "withdraw:yes" or view.said("yes"):
            reply = Reply(text=view.phrase("withdraw.done"), kind="status", language=view.language, entry="@withdraw")
            changes = {"asking": "", "asked": 0, "entry": "@withdraw"}
            return Outcome(why="confirmed", replies=(reply,), disposition="withdrawn", changes=changes)
        if view.choice == "withdraw:no" or view.said("no"):
            reply = Reply(text=view.phrase("withdraw.kept"), kind="status", language=view.language, entry="@withdraw")
            return Outcome(why="keeps the case", replies=(reply,), changes={"asking": "", "asked": 0})
    if not view.has_case and view.kind == "withdrawal" and view.utterance.is_remark and not view.is_grievance:
        reply = Reply(text=view.phrase("helped.yes"), kind="status", language=view.language, entry="@helped")
        changes = {"asking": "", "asked": 0, "entry": "@thanks"}
        return Outcome(why="solved, and no case is open", replies=(reply,), disposition="solved", changes=changes)
    if (
        not view.has_case
        or view.is_closed
        or not (view.kind == "withdrawal" or view.said("withdraw") or view.choice == "end")
    ):
        return None
    if view.state.asking == "withdraw":
        return None
    options = (view.option("option.yes", "withdraw:yes"), view.option("option.no", "withdraw:no"))
    reply = Reply(
        text=view.phrase("withdraw.ask"), kind="question", language=view.language, options=options, entry="@withdraw"
    )
    return Outcome(why="wants to take the case back", replies=(reply,), changes={"asking": "withdraw", "asked": 1})


def waiting(view: View) -> Outcome | None:
    """Between hand-off and the agent's first word: what comes is noted, said once, and never answered by a guess."""
    if not view.is_waiting:
        return None
    if view.risks and view.state.entry != "@risk":
        handoff = called(view, "risk")
        return _noted(view, "risk while waiting", "@risk", handoff)
    if view.choice == "human" or view.said("human"):
        return _reassured(view)
    if (entry := _simple(view)) is not None:
        text = "\n".join(filter(None, (view.answer(entry), view.phrase("waiting.also"))))
        reply = Reply(text=text, language=view.language, entry=entry.id)
        return Outcome(
            why="a simple question while waiting", replies=(reply,), entry=entry.id, confidence=view.match.confidence
        )
    if view.said("thanks") or view.said("goodbye") or view.said("yes") or view.state.entry in ("@noted", "@risk"):
        return Outcome(why="noted for the agent")
    return _noted(view, "noted for the agent", "@noted", None)


def _reassured(view: View) -> Outcome:
    """Asked for again: nothing is called twice, and nobody is told that their wish was "added"."""
    if view.state.entry == "@reassured":
        return Outcome(why="asks for a person again")
    text = view.phrase("waiting.human", promise=promise(view))
    reply = Reply(text=text, kind="status", language=view.language, entry="@human")
    return Outcome(why="a person has been called already", replies=(reply,), changes={"entry": "@reassured"})


def _simple(view: View) -> Entry | None:
    """An entry that answers with a text alone, where the turn is a question and no part of the complaint."""
    chosen = (
        view.knowledge.entries.get(view.choice.removeprefix("entry:")) if view.choice.startswith("entry:") else None
    )
    entry = chosen or (view.match.entry if view.match.verdict == "answer" and not view.is_grievance else None)
    if entry is None or entry.action or entry.then == "handoff" or entry.covers == "complaint":
        return None
    return entry if slots.missing(view, entry) is None and view.answer(entry) else None


def _noted(view: View, why: str, memory: str, handoff: Handoff | None) -> Outcome:
    danger = next((f"safety.{name}" for name in view.risks if view.phrase(f"safety.{name}")), "")
    text = view.phrase(danger) if danger else view.phrase("waiting.files" if _files_only(view) else "waiting.noted")
    reply = Reply(text=text, kind="status", language=view.language, entry=memory)
    return Outcome(why=why, replies=(reply,), handoff=handoff, changes={"entry": memory})


def _files_only(view: View) -> bool:
    return bool(view.turn.attachments) and not view.turn.text.strip()


def after_close(view: View) -> Outcome | None:
    """A message on a case that people have closed, and no thanks: a person looks again."""
    if (
        not view.is_closed
        or not view.state.receipt_for
        or view.said("thanks")
        or view.said("goodbye")
        or view.match.verdict == "answer"
    ):
        return None
    because = "handoff.reopened" if view.context.status == "withdrawn" else ""
    return hand_off(view, "not_helped", why="writes on a closed case", because=because)
