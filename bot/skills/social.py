"""Greeting, thanks, goodbye, praise and suggestions. Each is answered once in a row, so that no two bots can chat."""

from __future__ import annotations

import re

from bot.decision import Option, Reply
from bot.knowledge import pick
from bot.skills.handoff import hand_off
from bot.view import Outcome, View

MOST_SUGGESTED = 4
#: After these words comes what is really meant.
_TURNS = re.compile(r"结果|但|却|可是|不过|竟|居然|才怪|\b(?:but|however|except|yet|though|then)\b")


def greeting(view: View) -> Outcome | None:
    if view.choice != "start" and not view.said("greeting"):
        return None
    if view.choice != "start" and view.state.entry in ("@greeting", "@miss"):
        return None
    options = (*suggestions(view), view.human_option())
    reply = Reply(text=view.phrase("greeting"), language=view.language, options=options, entry="@greeting")
    return Outcome(why="greeted", replies=(reply,), changes={"greeted": True, "entry": "@greeting"})


def suggestions(view: View) -> tuple[Option, ...]:
    found = [entry for entry in view.knowledge.entries.values() if entry.suggest]
    return tuple(
        Option(label=pick(entry.title, view.language), value=f"entry:{entry.id}") for entry in found[:MOST_SUGGESTED]
    )


def thanks(view: View) -> Outcome | None:
    return _once(view, "thanks")


def goodbye(view: View) -> Outcome | None:
    return _once(view, "goodbye", chosen=view.choice == "end")


def _once(view: View, skill: str, *, chosen: bool = False) -> Outcome | None:
    if not (chosen or view.said(skill)):
        return None
    if view.state.entry in ("@thanks", "@goodbye"):
        return Outcome(why=f"{skill} again: enough said")
    reply = Reply(text=view.phrase(skill), kind="status", language=view.language, entry=f"@{skill}")
    disposition = "solved" if view.state.asking == "helped" else ""
    changes = {"entry": f"@{skill}", "asking": "", "asked": 0}
    return Outcome(why=skill, replies=(reply,), changes=changes, disposition="solved" if disposition else "")


def _is_meant(view: View) -> bool:
    """Said in words of praise and to its end: "five stars it said, but …" and a happy word in a sad story are none."""
    found = view.record.what.kind
    named = found is not None and any(each.rule.startswith("kinds:") for each in found.evidence)
    return named and view.utterance.is_remark and not view.is_grievance and not _TURNS.search(view.utterance.folded)


def feedback(view: View) -> Outcome | None:
    """Praise in a sentence is thanked for; a suggestion goes to people, with a receipt."""
    if view.kind == "praise" and _is_meant(view):
        reply = Reply(text=view.phrase("praise"), kind="status", language=view.language, entry="@praise")
        return Outcome(why="praise", replies=(reply,), disposition="not_a_complaint", changes={"entry": "@praise"})
    if view.kind == "suggestion" and view.match.verdict != "answer":
        return hand_off(view, "doubt", why="a suggestion", lead=view.phrase("suggestion"), because="handoff.suggestion")
    return None
