"""Answers from the knowledge, "did you mean", "did that help?", and what is done when nothing is known."""

from __future__ import annotations

from dataclasses import replace

from bot.decision import Option, Reply
from bot.knowledge import Entry, pick
from bot.language import ASKED_FOR
from bot.skills import actions, slots
from bot.skills.handoff import complaint_question, hand_off
from bot.skills.receipt import empathy
from bot.view import Outcome, View

MOST_MISSES = 2
#: A text of so many content units that asks nothing is a report: it is taken in, not sent back.
STATEMENT = 4.0
#: A question of so many content units was put with care: its writer is not asked to say it again.
LONG_QUESTION = 12.0
#: A wish for another language with more content units beside it says something else too.
LANGUAGE_WISH = 4.0


def slot_answer(view: View) -> Outcome | None:
    """The utterance after a slot question. A different question is a digression and is heard as one."""
    pending = slots.pending(view)
    if pending is None or view.is_waiting:
        return None
    entry, slot = pending
    said = slots.value(view, slot.type, asked=True)
    if view.choice == "skip":
        return slots.given_up(view, entry)
    if said:
        return _with_slot(view, entry, slot.name, said)
    if view.match.verdict == "answer" and view.match.entry != entry:
        return None
    if view.state.asked >= slots.MOST_TRIES or view.is_grievance:
        return slots.given_up(view, entry)
    return slots.ask(view, entry, slot, again=True, why=f"{slot.name} not understood")


def _with_slot(view: View, entry: Entry, name: str, said: str) -> Outcome:
    filled = {**view.state.slots, name: said}
    view.variables[name] = said
    outcome = give(view, entry, why=f"{name} given", confidence=1.0)
    return replace(outcome, changes={**outcome.changes, "slots": filled})


def language_switch(view: View) -> Outcome | None:
    """ "English please": what was said last is said again in the language asked for."""
    if not any(view.said(skill) for skill in ASKED_FOR) or view.utterance.units > LANGUAGE_WISH:
        return None
    if (entry := view.knowledge.entries.get(view.state.entry)) is not None:
        return give(view, entry, why="another language", confidence=1.0)
    reply = Reply(text=view.phrase("language.switched"), kind="status", language=view.language, entry="@language")
    return Outcome(why="another language", replies=(reply,))


def chosen(view: View) -> Outcome | None:
    """A pressed button that names an entry, or "none of these"."""
    if view.choice.startswith("entry:") and (entry := view.knowledge.entries.get(view.choice[6:])):
        return give(view, entry, why="chosen by the customer", confidence=1.0)
    if (meant := _meant(view)) is not None:
        return give(view, meant, why="it was meant", confidence=1.0)
    if view.state.asking == "which" and (view.choice == "none" or view.said("no")):
        return hand_off(view, "doubt", why="none of the offered questions")
    return None


def _meant(view: View) -> Entry | None:
    """The one entry that was offered, when the customer says yes to it."""
    if view.state.asking != "which" or len(view.state.offered) != 1 or not (view.said("yes") or view.said("confirm")):
        return None
    return view.knowledge.entries.get(view.state.offered[0])


def helped(view: View) -> Outcome | None:
    """Yes ends the matter, no brings a person; anything else is heard as a new question."""
    if view.state.asking != "helped":
        return None
    if view.choice == "helped:no" or view.said("no") or view.said("not-helped"):
        return hand_off(view, "not_helped", why="the answer did not help")
    if view.is_grievance or not (view.choice == "helped:yes" or view.said("yes") or view.said("thanks")):
        return None
    reply = Reply(text=view.phrase("helped.yes"), kind="status", language=view.language, entry="@helped")
    changes = {"asking": "", "asked": 0, "entry": "@thanks", "misses": 0}
    return Outcome(why="the answer helped", replies=(reply,), changes=changes, disposition="solved")


def complaint(view: View) -> Outcome | None:
    """A complaint gets a receipt and a person; where an entry covers it, its answer besides."""
    entry = view.match.entry if view.match.verdict == "answer" else None
    if not _complains(view, entry):
        return None
    lead = ""
    if entry and not entry.action and slots.missing(view, entry) is None:
        lead = "\n".join(part for part in (empathy(view), view.answer(entry)) if part)
    return hand_off(
        view, "complaint", why="a complaint", lead=lead, entry=entry, question=complaint_question(view),
        confidence=view.match.confidence if entry else 0.0,
    )  # fmt: skip


def _complains(view: View, entry: Entry | None) -> bool:
    """With an answer at hand, what the entry covers decides; an entry for both takes the plain ones as complaints."""
    if entry is None:
        return view.is_grievance
    return entry.covers == "complaint" or (entry.covers == "both" and view.complains_plainly)


def answer(view: View) -> Outcome | None:
    match = view.match
    if match.verdict != "answer" or match.entry is None:
        return None
    if view.state.entry == match.entry.id and view.state.asking == "helped":
        return hand_off(view, "not_helped", why="asks the same again", entry=match.entry)
    if match.also:
        return _several(view, (match.entry, *match.also), match.confidence)
    return give(view, match.entry, why="both keys agree", confidence=match.confidence)


def _several(view: View, entries: tuple[Entry, ...], confidence: float) -> Outcome:
    """One answer after the other; where one needs more than a text, the customer chooses what comes first."""
    texts = [view.answer(entry) for entry in entries]
    if not all(texts) or any(
        entry.action or entry.then == "handoff" or slots.missing(view, entry) for entry in entries
    ):
        return _which(view, tuple(entry.id for entry in entries), confidence, why="several questions")
    *before, last = zip(entries, texts)
    outcome = _answered(view, last[0], last[1], "each question is sure", confidence)
    first = [Reply(text=text, language=view.language, entry=entry.id) for entry, text in before]
    return replace(outcome, replies=(*first, *outcome.replies), entry=entries[0].id)


def give(view: View, entry: Entry, *, why: str, confidence: float) -> Outcome:
    """Say an entry's answer, or ask for what it needs first."""
    if (slot := slots.missing(view, entry)) is not None:
        return replace(slots.ask(view, entry, slot, again=False, why=why), confidence=confidence)
    if action := view.knowledge.actions.get(entry.action):
        return actions.begin(view, entry, action, why=why, confidence=confidence)
    text = view.answer(entry)
    if not text:
        return hand_off(view, "failure", why=f"{entry.id} has nothing to say here", entry=entry)
    if entry.then == "handoff":
        return hand_off(view, "entry", why=why, lead=text, entry=entry, confidence=confidence)
    return _answered(view, entry, text, why, confidence)


def _answered(view: View, entry: Entry, text: str, why: str, confidence: float) -> Outcome:
    options = _buttons(view, entry)
    asks = entry.then == "helped"
    if asks:
        text = f"{text}\n{view.phrase('helped.ask')}"
        options = (view.option("option.yes", "helped:yes"), view.option("option.no", "helped:no"), *options)
    reply = Reply(text=text, language=view.language, options=options, entry=entry.id)
    changes = {
        "entry": entry.id, "asking": "helped" if asks else "", "asked": 1 if asks else 0, "offered": (), "misses": 0,
    }  # fmt: skip
    return Outcome(
        why=why, replies=(reply,), changes=changes, entry=entry.id, confidence=confidence,
        disposition="" if asks else "answered",
    )  # fmt: skip


def _buttons(view: View, entry: Entry) -> tuple[Option, ...]:
    named = [*entry.quick_replies, *([entry.next] if entry.then == "entry" else [])]
    found = [view.knowledge.entries[name] for name in named]
    return tuple(Option(label=pick(each.title, view.language), value=f"entry:{each.id}") for each in found)


def offer(view: View) -> Outcome | None:
    """Did you mean …? Offered once; a second doubt goes to a person."""
    match = view.match
    if match.verdict != "offer" or view.state.asking == "which":
        return None
    return _which(view, match.offered, match.confidence, why="not sure enough")


def _which(view: View, names: tuple[str, ...], confidence: float, *, why: str) -> Outcome:
    entries = [view.knowledge.entries[name] for name in names]
    options = tuple(Option(label=pick(each.title, view.language), value=f"entry:{each.id}") for each in entries)
    single = view.phrase("which.one", value=options[0].label) if len(options) == 1 else ""
    if single:
        options = (view.option("option.yes", options[0].value),)
    reply = Reply(
        text=single or view.phrase("which.ask"), kind="question", language=view.language,
        options=(*options, view.option("option.none", "none"), view.human_option()), entry="@which",
    )  # fmt: skip
    changes = {"asking": "which", "asked": 1, "offered": names, "misses": view.state.misses + 1}
    return Outcome(why=why, replies=(reply,), changes=changes, confidence=confidence)


def _report(view: View) -> Outcome:
    """A story that asks nothing: it is taken in. Who is unhappy is not told of wrong answers."""
    mood = view.record.gravity.sentiment
    unhappy = mood is not None and mood.value in ("negative", "very_negative")
    return hand_off(
        view, "doubt", why="a report", because="handoff.report", question=complaint_question(view),
        lead=view.phrase("empathy.plain") if unhappy else "",
    )  # fmt: skip


def miss(view: View) -> Outcome:
    """Nothing known: ask once to say it otherwise, then call a person. A long story is never sent back."""
    if view.utterance.is_long or view.kind in ("request", "withdrawal", "chaser"):
        why = "too much for a simple answer" if view.utterance.is_long else f"a {view.kind}"
        return hand_off(view, "doubt", why=why, question=complaint_question(view))
    if view.state.asking == "which":
        return hand_off(view, "doubt", why="none of the offered questions")
    if view.utterance.units >= (LONG_QUESTION if view.utterance.is_question else STATEMENT):
        if view.utterance.is_question:
            return hand_off(view, "doubt", why="a long question", question=complaint_question(view))
        return _report(view)
    misses = view.state.misses + 1
    if misses >= MOST_MISSES:
        return hand_off(view, "misses", why=f"{misses} misses")
    key = "miss.files" if view.turn.attachments and not view.turn.text.strip() else "miss.ask"
    reply = Reply(
        text=view.phrase(key), kind="question", language=view.language, options=(view.human_option(),), entry="@miss"
    )
    changes = {"misses": misses, "asking": "", "asked": 0, "entry": "@miss"}
    return Outcome(why="nothing known", replies=(reply,), changes=changes)
