"""Opting out of automatic answers, and back in."""

from __future__ import annotations

from bot.decision import Reply
from bot.skills.handoff import called
from bot.view import Outcome, View


def opt_out(view: View) -> Outcome | None:
    if view.state.opted_out:
        return _opted_out(view)
    if not view.said("stop"):
        return None
    reply = Reply(text=view.phrase("consent.out"), kind="status", language=view.language, entry="@consent")
    changes = {"opted_out": True, "asking": "", "asked": 0}
    return Outcome(why="wants no automatic answers", replies=(reply,), changes=changes)


def _opted_out(view: View) -> Outcome:
    if view.said("start"):
        reply = Reply(text=view.phrase("consent.in"), kind="status", language=view.language, entry="@consent")
        return Outcome(why="wants automatic answers again", replies=(reply,), changes={"opted_out": False})
    if view.is_waiting:
        return Outcome(why="opted out, a person has been called")
    handoff = called(view, "request")
    return Outcome(why="opted out: people answer, the bot is silent", handoff=handoff, changes={"handed_off": True})
