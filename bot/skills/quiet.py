"""When the bot says nothing: a person has the conversation, a machine writes, the customer wants no bot."""

from __future__ import annotations

from bot.skills.handoff import hand_off
from bot.view import Outcome, View

#: After so many turns something goes in circles, and a person looks.
MOST_TURNS = 60


def person_owns(view: View) -> Outcome | None:
    if view.context.owner in ("bot", ""):
        return None
    return Outcome(why=f"the conversation belongs to {view.context.owner}")


def machine(view: View) -> Outcome | None:
    """Automatic mail gets no answer: two machines could answer each other for ever."""
    return Outcome(why="written by a machine") if view.kind == "machine" else None


def spam(view: View) -> Outcome | None:
    """Only where the normalizer is nearly sure; anything less is read like any message."""
    found = view.record.what.kind
    if view.kind != "spam" or found is None or found.confidence < 0.9:
        return None
    return Outcome(why="spam", disposition="not_a_complaint")


def edited(view: View) -> Outcome | None:
    """A changed message is noted, not answered again, unless the new words call for a person."""
    if not view.turn.edited or (view.state.turns == 0 and not view.is_waiting):
        return None
    if not view.is_waiting and (view.is_grievance or view.risks or view.said("human")):
        return None
    return Outcome(why="an edit is noted")


def circles(view: View) -> Outcome | None:
    if view.state.turns < MOST_TURNS:
        return None
    if view.is_waiting or view.state.turns > MOST_TURNS:
        return Outcome(why=f"more than {MOST_TURNS} turns")
    return hand_off(view, "misses", why=f"{MOST_TURNS} turns without an end")
