"""Asking for what is missing: at most twice, then a person goes on without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.decision import Reply
from bot.knowledge import Entry, Slot, pick
from bot.skills.handoff import hand_off
from bot.view import Outcome, View, said

MOST_TRIES = 2
#: A message of fewer content units with a number in it is about the number.
SHORT = 6.0
#: A message of fewer is its value alone.
BARE = 1.5
#: What may be an order number when we have asked for one: five characters at least, a digit among them.
_REFERENCE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9-]*\d)[A-Za-z0-9][A-Za-z0-9-]{4,29}(?![A-Za-z0-9])")

#: A sum alone, where one was asked for.
_BARE_SUM = re.compile(r"(?<![\w.,-])(\d{1,7}(?:\.\d{1,2})?)(?![\w.,-]*\d)")


def value(view: View, type: str, *, asked: bool) -> str:
    """What this turn says for a slot, or an empty text. ``asked`` reads it from the bare text where the record has none."""
    what, who = view.record.what, view.record.who
    found = {
        "order_number": what.order_numbers, "tracking_number": what.tracking_numbers, "phone": who.phones,
        "email": who.emails, "product": what.products,
    }.get(type, ())  # fmt: skip
    fresh = [each.value for each in found if view.is_fresh(each.evidence)]
    if fresh:
        return fresh[-1]
    if type == "amount":
        return _sum(view, asked=asked)
    if type in ("order_number", "tracking_number") and asked:
        contacts = {quote for kind, quote in view.values_said if kind in ("phone", "email")}
        references = (match.group() for match in _REFERENCE.finditer(view.turn.text))
        return next((each for each in references if not any(each in quote for quote in contacts)), "")
    if type in ("text", "product", "date") and asked:
        return view.turn.text.strip()[:200]
    return ""


def with_changes(outcome: Outcome, **changes: Any) -> Outcome:
    """The outcome with more fields of the next state changed."""
    return replace(outcome, changes={**outcome.changes, **changes})


def _sum(view: View, *, asked: bool) -> str:
    fresh = [each.value for each in view.record.what.amounts if view.is_fresh(each.evidence)]
    if fresh:
        return said(fresh[-1])
    bare = _BARE_SUM.search(view.utterance.folded) if asked else None
    return bare.group(1) if bare else ""


def corrected(view: View, entry: Entry, values: Mapping[str, str]) -> dict[str, str]:
    """Values of the entry's slots that this turn says otherwise ("no, the other order", with its number)."""
    short = view.utterance.units < SHORT
    found: dict[str, str] = {}
    for slot in entry.slots:
        if slot.name in values and slot.type not in ("text", "product", "date"):
            new = value(view, slot.type, asked=short)
            if new and new != values[slot.name]:
                found[slot.name] = new
    return found


def missing(view: View, entry: Entry) -> Slot | None:
    return next((slot for slot in entry.slots if slot.required and not view.variables.get(slot.name)), None)


def answered_while_waiting(view: View) -> Outcome | None:
    """The answer to the receipt's question, or a correction of it ("no, the other order")."""
    if not view.is_waiting or not view.turn.text.strip():
        return None
    if view.risks and view.state.entry != "@risk":
        return None  # a danger comes before any number: the rule for waiting speaks of it
    before = view.state.slots.get("order_number", "")
    asked = view.state.asking == "order_number"
    given = value(view, "order_number", asked=asked or view.utterance.units < (SHORT if before else BARE))
    if view.choice == "skip" or (asked and not given and view.said("no")):
        return _say(view, "slot.skipped", {"asking": "", "asked": 0})
    if given and given != before:
        key = "slot.corrected" if before else "slot.noted"
        slots = {**view.state.slots, "order_number": given}
        return _say(view, key, {"slots": slots, "asking": "", "asked": 0}, value=given)
    return None


def _say(view: View, key: str, changes: dict[str, object], **more: str) -> Outcome:
    reply = Reply(text=view.phrase(key, **more), kind="status", language=view.language, entry="@slot")
    return Outcome(why=key, replies=(reply,), changes=changes)


def ask(view: View, entry: Entry, slot: Slot, *, again: bool, why: str) -> Outcome:
    tries = view.state.asked + 1 if again else 1
    question = pick(slot.ask, view.language)
    text = f"{view.phrase('ask.again')} {question}".strip() if again else question
    options = (view.option("option.no_number", "skip"), view.human_option())
    reply = Reply(text=text, kind="question", language=view.language, options=options, entry=entry.id)
    changes = {"entry": entry.id, "asking": slot.name, "asked": tries, "offered": ()}
    return Outcome(why=why, replies=(reply,), changes=changes, entry=entry.id)


def given_up(view: View, entry: Entry) -> Outcome:
    return hand_off(view, "misses", why="the missing detail was not given", entry=entry)


def pending(view: View) -> tuple[Entry, Slot] | None:
    """The entry and slot that the bot has asked for."""
    entry = view.knowledge.entries.get(view.state.entry)
    slot = next((each for each in entry.slots if each.name == view.state.asking), None) if entry else None
    return (entry, slot) if entry and slot else None
