"""Actions: asked for, confirmed by the customer, approved by a person where they must be, and their results told."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from msgspec.structs import replace

from bot.action import Action
from bot.decision import ActionCall, ActionResult, Reply
from bot.knowledge import Entry, pick
from bot.skills import slots
from bot.skills.handoff import hand_off
from bot.template import fill, lacks
from bot.view import Outcome, View

#: What a person has to hear of in every case; a refusal of theirs is their own.
_TROUBLE = ("refused", "failed", "unknown")

#: After these nothing has been paid.
_NOT_PAID = ("refused", "failed", "declined")


def begin(view: View, entry: Entry, action: Action, *, why: str, confidence: float) -> Outcome:
    """All values are there: the customer confirms it, or it is done at once where nothing can be spoilt."""
    call = _call(view, entry, action)
    before = view.state.acted.get(call.key)
    if before is not None:
        return _again(view, entry, before)
    if not action.asks_first:
        return _go(view, entry, action, call, why=why)
    text = fill(pick(action.confirm, view.language), {**view.variables, **call.values})
    options = (view.option("option.yes", f"action:{call.key}"), view.option("option.no", "action:no"))
    reply = Reply(text=text, kind="question", language=view.language, options=options, entry=entry.id)
    changes = {"entry": entry.id, "asking": "action", "asked": 1, "action": call, "offered": (), "misses": 0}
    return Outcome(why=why, replies=(reply,), changes=changes, entry=entry.id, confidence=confidence)


def _call(view: View, entry: Entry, action: Action) -> ActionCall:
    values = {name: view.variables.get(name, "") for name in action.send}
    # The same payment of the same case is one payment, however often it is asked for; a change may be made again.
    what = sorted(values.items()) if action.effect == "money" else view.turn.key
    digest = hashlib.sha256(f"{view.context.number}\n{what}".encode()).hexdigest()[:24]
    alone = action.effect != "money" or not _paid_before(view)
    return ActionCall(
        key=f"{action.name}-{digest}", name=action.name, system=action.system, values=values, entry=entry.id,
        approval=action.wants_approval(values) or not alone, summary=_summary(view, entry, values),
    )  # fmt: skip


def _paid_before(view: View) -> bool:
    """A limit holds for a person's first payment: many small ones are one large one, and a person agrees to that."""
    moved = {key.rpartition("-")[0] for key, what in view.state.acted.items() if what not in _NOT_PAID}
    return any(view.knowledge.actions[name].effect == "money" for name in moved if name in view.knowledge.actions)


def _summary(view: View, entry: Entry, values: dict[str, str]) -> str:
    """``Refund · order_number 123456 · amount 80.00 CNY``, in the company's language."""
    title = pick(entry.title, view.context.company.default_language)
    return " · ".join((title, *(value for value in values.values() if value)))


def confirmed(view: View) -> Outcome | None:
    """Only a plain yes carries it out. Another value is a correction; anything else is heard as what it is."""
    call = view.state.action
    if view.state.asking != "action" or call is None:
        return None
    entry, action = view.knowledge.entries.get(call.entry), view.knowledge.actions.get(call.name)
    if entry is None or action is None:
        return hand_off(view, "failure", why=f"{call.name} is no longer known")
    if view.choice == "action:no" or view.said("no"):
        return _kept(view, entry)
    if corrected := slots.corrected(view, entry, call.values):
        view.variables.update({**call.values, **corrected})
        outcome = begin(view, entry, action, why="another value", confidence=1.0)
        return slots.with_changes(outcome, slots={**view.state.slots, **corrected})
    if view.choice == f"action:{call.key}" or view.said("confirm"):
        return _go(view, entry, action, call, why="confirmed by the customer")
    if view.state.asked < slots.MOST_TRIES and _says_nothing(view):
        view.variables.update(call.values)
        outcome = begin(view, entry, action, why="neither yes nor no", confidence=1.0)
        return slots.with_changes(outcome, asked=view.state.asked + 1)
    return None


def _says_nothing(view: View) -> bool:
    """A few words that are no wish, question or complaint: money is not moved on a guess of what they mean."""
    social = any(view.said(skill) for skill in ("thanks", "goodbye", "greeting", "human"))
    return view.utterance.units < slots.SHORT and view.match.verdict == "none" and not (social or view.is_grievance)


def _kept(view: View, entry: Entry) -> Outcome:
    reply = Reply(text=view.phrase("action.kept"), kind="status", language=view.language, entry=entry.id)
    changes = {"asking": "", "asked": 0, "action": None, "entry": "@action"}
    return Outcome(why="not confirmed: nothing is done", replies=(reply,), changes=changes)


def _again(view: View, entry: Entry, before: str) -> Outcome:
    """It was asked for before: what has gone wrong is with a person, what is under way or done is said."""
    if before in (*_TROUBLE, "declined"):
        return hand_off(view, "action", why=f"it was {before} before", entry=entry)
    key = "action.already" if before == "done" else "action.running"
    reply = Reply(text=view.phrase(key), kind="status", language=view.language, entry=entry.id)
    return Outcome(
        why=f"asked for before: {before}", replies=(reply,), changes={"asking": "", "asked": 0}, entry=entry.id
    )


def _go(view: View, entry: Entry, action: Action, call: ActionCall, *, why: str) -> Outcome:
    acted = {**view.state.acted, call.key: "approval" if call.approval else "running"}
    changes = {"asking": "", "asked": 0, "action": call, "acted": acted, "entry": "@action"}
    if call.approval:
        outcome = hand_off(view, "approval", why=f"{why}; a person has to agree", entry=entry)
        return slots.with_changes(dataclasses.replace(outcome, action=call), **changes)
    text = view.phrase("action.looking" if action.effect == "read" else "action.doing")
    reply = Reply(text=text, kind="status", language=view.language, entry=entry.id)
    return Outcome(why=why, replies=(reply,), action=call, changes=changes, entry=entry.id)


# --- what became of it --------------------------------------------------------------------------------


def result(view: View) -> Outcome | None:
    """No turn of the customer's. What does not belong to the action that is waited for is old news."""
    found = view.turn.result
    if found is None:
        return None
    stage = view.state.acted.get(found.key, "")
    call = view.state.action
    if call is None or call.key != found.key:
        return Outcome(why="an old action", changes=_kept_state(view, {found.key: found.status} if stage else {}))
    if found.status in ("approved", "declined"):
        return _decided(view, call, found) if stage == "approval" else _nothing(view, "decided before")
    return _done(view, call, found) if stage == "running" else _nothing(view, "told before")


def _nothing(view: View, why: str) -> Outcome:
    return Outcome(why=why, changes=_kept_state(view, {}))


def _kept_state(view: View, acted: dict[str, str], **changes: Any) -> dict[str, Any]:
    """Nobody has spoken, so the turn counts for nothing and a question that was asked stays asked."""
    return {
        "language": view.state.language or view.language, "turns": view.state.turns, "choices": view.state.choices,
        "acted": {**view.state.acted, **acted}, **changes,
    }  # fmt: skip


def _decided(view: View, call: ActionCall, found: ActionResult) -> Outcome:
    """A person has agreed, or not."""
    if found.status == "declined":
        return _told(view, "action.declined", "declined", found, changes={"action": None})
    agreed = replace(call, approval=False, by=found.by)
    changes = _kept_state(view, {found.key: "running"}, action=agreed)
    return Outcome(why=f"approved by {found.by}", action=agreed, changes=changes, entry=call.entry)


def _done(view: View, call: ActionCall, found: ActionResult) -> Outcome:
    entry, action = view.knowledge.entries.get(call.entry), view.knowledge.actions.get(call.name)
    if entry is None or action is None:
        return _told(view, "handoff.action", "no longer known", found, changes={"action": None})
    if found.status != "done":
        text = pick(action.refused, view.language) if found.status == "refused" else ""
        return _told(view, "handoff.action", found.status, found, text=text, changes={"action": None})
    view.variables.update(call.values)
    view.variables.update(found.values)
    missing = lacks(view.template(entry), action.returns, found.values)
    answer = view.answer(entry)
    if missing or not answer:
        return _told(
            view, "handoff.action", f"it gave no {', '.join(missing) or 'answer'}", found, changes={"action": None}
        )
    return _told(view, "", "done", found, text=answer, changes={"action": None})


def _told(view: View, key: str, why: str, found: ActionResult, *, changes: dict[str, Any], text: str = "") -> Outcome:
    """Said to the customer unless a person talks to them; what went wrong calls one where nobody has been called yet."""
    changes = _kept_state(view, {found.key: found.status}, **changes)
    if view.context.owner not in ("bot", ""):
        return Outcome(why=f"{why}; the conversation belongs to {view.context.owner}", changes=changes)
    good = found.status == "done" and not key
    call = view.state.action
    named = view.knowledge.entries.get(call.entry) if call else None
    if not good and not view.is_waiting:
        because = "handoff.entry" if text else key
        outcome = hand_off(view, "action", why=why, because=because, lead=text, entry=named)
        return slots.with_changes(outcome, **changes)
    asks = good and not view.is_waiting
    text = "\n".join(filter(None, (text or view.phrase(key), view.phrase("helped.ask") if asks else "")))
    options = (view.option("option.yes", "helped:yes"), view.option("option.no", "helped:no")) if asks else ()
    entry = named.id if named else "@action"
    reply = Reply(text=text, kind="answer" if good else "status", language=view.language, options=options, entry=entry)
    if asks:
        changes |= {"asking": "helped", "asked": 1, "entry": entry, "choices": tuple(o.value for o in options)}
    return Outcome(why=why, replies=(reply,), changes=changes, entry=entry)
