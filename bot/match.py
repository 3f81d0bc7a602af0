"""Which entry answers a turn: only one that both keys open and no guard forbids.

Key one is the entry's rule (:mod:`bot.patterns`), key two its nearness (:mod:`bot.similarity`). An answer that is
wrong costs a complainant's trust; a question back or a person costs a minute. So every doubt counts against answering.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.acceptor import forbidden
from bot.decision import Step
from bot.knowledge import Entry
from bot.similarity import Near
from bot.words import Utterance

if TYPE_CHECKING:
    from bot.view import View

#: Nearness from which both keys together answer, and from which the second alone does (entries not strict).
ANSWER = 0.30
ANSWER_ALONE = 0.72
#: Nearness from which an entry is worth a "did you mean".
OFFER = 0.22
#: How much nearer than the next entry whose rule also fired; closer ones are both offered.
MARGIN = 0.07
#: Share of the message's weight that the entry has no word for.
UNMATCHED = 0.34
#: The same for a text that neither asks nor wishes: "60 days to close my account" is news, not a question.
UNMATCHED_STATED = 0.2
#: Fewer content units than this are a heading, not a question.
FEWEST_UNITS = 2.0
#: A lead of the linear model that leaves no doubt which entry a few words are about.
CLEAR = 0.6
MOST_OFFERED = 3
#: An entry that has no word for so much of the message is not worth an offer.
STRANGE = 0.6
#: A text that neither asks nor wishes is a heading up to so many content units, and a report beyond.
HEADING = 4.0
#: From here on a text says the same as an example, however short it is.
SAME = 0.75

#: Questions that are answered in one message.
MOST_PARTS = 3
_SENTENCE = re.compile(
    r"[?？!！。;；\n]+|，?另外|，?还有(?=.{3})|，?還有(?=.{3})|,? (?:and )?also |\band (?=how|what|when|where|can|do|is)"
)

#: What stands before a value and says what it is.
_LABEL = re.compile(
    r"(?:订单|訂單|运单|運單|快递|物流)?(?:编号|編號|单号|單號|号码|號碼|(?<=订单)号|(?<=訂單)號)\s*(?:是|为|為|[:：#])?|(?:金额|金額|一共|总共|總共)"
    r"|\b(?:for |of |my |the )*(?:order|tracking) (?:number|no\.?|id)\b[:#]?|#",
    re.IGNORECASE,
)

Verdict = Literal["answer", "offer", "none"]
#: Entry → the confidence that was learned for it; empty where nothing was.
Sure = Mapping[str, float]


@dataclass(frozen=True)
class Match:
    """``answer``: ``entry`` answers. ``offer``: ask which of ``offered`` was meant. ``none``: nothing known."""

    verdict: Verdict
    entry: Entry | None = None
    confidence: float = 0.0
    offered: tuple[str, ...] = ()
    also: tuple[Entry, ...] = ()
    """Entries that answer the message's other questions."""
    steps: tuple[Step, ...] = ()


def find(view: View) -> Match:
    """Several questions in one message are answered when each is sure by itself; else the message is taken as one."""
    parts = _parts(view)
    if len(parts) == 1:
        return _find(parts[0])
    if parts:
        found = [_find(part) for part in parts]
        entries = {match.entry.id: match.entry for match in found if match.verdict == "answer" and match.entry}
        if len(entries) > 1 and all(match.verdict == "answer" for match in found):
            first, *also = entries.values()
            steps = tuple(step for match in found for step in match.steps)
            return Match("answer", first, min(match.confidence for match in found), also=tuple(also), steps=steps)
    return _find(view)


def _parts(view: View) -> list[View]:
    """The message's two or three sentences, without those that are only polite; none if there is one, or a complaint."""
    if view.utterance.is_long or view.complains_plainly:
        return []
    texts = [text for text in _SENTENCE.split(view.turn.text)[: MOST_PARTS + 3] if text.strip()]
    if len(texts) < 2:
        return []
    parts = map(view.part, texts)
    saying = [part for part in parts if part.utterance.units and not (part.said("thanks") or part.said("greeting"))]
    return saying if 1 <= len(saying) <= MOST_PARTS else []


def _find(view: View) -> Match:
    """Ask both keys and the guards. Cheap where no pattern word is in the text and the text is long or a complaint."""
    entries = view.knowledge.entries
    fired = sorted(name for name in view.scan.fired if name in entries)
    whole = _is_whole(view, fired)
    if whole:
        return Match(
            "answer",
            entries[whole],
            1.0,
            steps=(Step(rule="match", verdict="answer", detail=f"{whole}: whole message"),),
        )
    if view.utterance.is_long or not view.turn.text.strip():
        return Match("none", steps=(Step(rule="match", verdict="none", detail="too long or empty for an answer"),))
    if not fired and (view.is_grievance or not view.scan.touched):
        return Match("none", steps=(Step(rule="match", verdict="none", detail="no rule fired"),))
    near = view.knowledge.index.nearest(_question(view, fired), fired)
    return _judge(view, fired, near)


def _question(view: View, fired: list[str]) -> Utterance:
    """The message without the values that an entry would ask for: "refund 80 yuan for order 123" asks for a refund."""
    types = {slot.type for name in fired for slot in view.knowledge.entries[name].slots}
    said = [quote for type, quote in view.values_said if type in types]
    if not said:
        return view.utterance
    text = view.turn.text
    for quote in sorted(said, key=len, reverse=True):
        text = text.replace(quote, " ")
    return view.knowledge.utterance(_LABEL.sub(" ", text))


def _is_whole(view: View, fired: list[str]) -> str:
    """The entry for which this very message was written down, as a whole phrase or as an example."""
    said = view.utterance.compact
    entries = view.knowledge.entries
    exact = [name for name in fired if any(said in pattern.whole for pattern in entries[name].patterns)]
    name = view.knowledge.index.exact(said) if not exact else exact[0] if len(exact) == 1 else ""
    return name if name and not _unfit(view, entries[name], exact=True) else ""


def _judge(view: View, fired: list[str], near: list[Near]) -> Match:
    steps: list[Step] = []
    open_: list[Near] = []
    learned = view.knowledge.acceptance
    sure = {each.entry: learned.acceptor.confidence(each.signals) for each in near} if learned else {}
    for each in near:
        why_not = _veto(view, each, each.entry in fired, sure)
        steps.append(
            Step(
                rule=f"match {each.entry}",
                verdict="no" if why_not else "yes",
                detail=f"{_measured(each, sure)}{'; ' + why_not if why_not else ''}",
            )
        )
        if not why_not:
            open_.append(each)
    best = open_[0] if open_ else None
    rival = next((each for each in near if best and each.entry != best.entry and each.entry in fired), None)
    if best and not (rival and _too_close(best, rival)) and not _stronger_stranger(best, near):
        return Match("answer", view.knowledge.entries[best.entry], best.score, steps=tuple(steps))
    return _offer(view, fired, near, sure, steps)


def _too_close(best: Near, rival: Near) -> bool:
    """Two rules fired: the second is nearly as near, or knows words of the message that the first does not."""
    return best.score - rival.score < MARGIN or rival.unmatched < best.unmatched


def _stronger_stranger(best: Near, near: list[Near]) -> bool:
    """Another entry is clearly nearer although its rule did not fire: the two keys disagree."""
    return near[0].entry != best.entry and near[0].score - best.score > MARGIN


def _offer(view: View, fired: list[str], near: list[Near], sure: Sure, steps: list[Step]) -> Match:
    """Middle band: name what it may be, unless the customer complains."""
    if view.is_grievance:
        return Match("none", steps=tuple(steps))
    said = view.utterance
    if not (said.is_question or said.is_request or said.units <= HEADING):
        return Match("none", steps=tuple(steps))
    maybe = [
        each
        for each in near
        if (each.entry in fired or _worth_asking(view, each, sure))
        and not _unfit(view, view.knowledge.entries[each.entry])
    ]
    if not maybe:
        return Match("none", steps=tuple(steps))
    best = sorted(maybe[:MOST_OFFERED], key=lambda each: -each.score)
    return Match("offer", offered=tuple(each.entry for each in best), confidence=best[0].score, steps=tuple(steps))


def _worth_asking(view: View, near: Near, sure: Sure) -> bool:
    """Without its rule: near by what was learned, or by the fixed levels where nothing was."""
    learned = view.knowledge.acceptance
    if learned is not None and not forbidden(near.signals) and sure[near.entry] >= learned.offer:
        return True
    return near.score >= OFFER and near.unmatched <= STRANGE


def _veto(view: View, near: Near, fired: bool, sure: Sure) -> str:
    """Why this entry may not answer by itself; empty when it may."""
    entry = view.knowledge.entries[near.entry]
    if unfit := _unfit(view, entry, exact=fired and near.best >= SAME):
        return unfit
    if not fired:
        return _doubt_alone(view, near, entry, sure)
    if near.score < ANSWER:
        return "not near enough"
    asks = view.utterance.is_question or view.utterance.is_request
    if near.unmatched > (UNMATCHED if asks else UNMATCHED_STATED):
        return "says something the entry knows nothing of"
    if view.utterance.units < FEWEST_UNITS and near.best < SAME and near.signals.head_margin < CLEAR:
        return "too short to be sure"
    learned = view.knowledge.acceptance
    if learned and learned.together is not None and sure[entry.id] < min(learned.together, learned.alone or 1.0):
        return f"not sure enough, {learned.together:.3f} is wanted of both keys"
    return ""


def _doubt_alone(view: View, near: Near, entry: Entry, sure: Sure) -> str:
    """Without its rule an entry answers only by a confidence that was shown to keep the stated precision."""
    if entry.strict:
        return "its rule did not fire"
    if view.utterance.units < FEWEST_UNITS and near.best < SAME:
        return "its rule did not fire, and too short to be sure"
    learned = view.knowledge.acceptance
    if learned is None:
        return "" if near.score >= ANSWER_ALONE and near.unmatched <= UNMATCHED else "its rule did not fire"
    if learned.alone is None:
        return f"its rule did not fire, and nearness alone never answers: {learned.refused}"
    if entry.id in learned.weak:
        return f"its rule did not fire, and it {learned.weak[entry.id]}"
    if why := forbidden(near.signals):
        return f"its rule did not fire, and the text {why}"
    if sure[entry.id] < learned.alone:
        return f"its rule did not fire, and {learned.alone:.3f} is wanted without it"
    return ""


def _measured(near: Near, sure: Sure) -> str:
    confidence = f"confidence {sure[near.entry]:.3f}, " if sure else ""
    return f"{confidence}near {near.score:.2f}, unmatched {near.unmatched:.2f}"


def _unfit(view: View, entry: Entry, *, exact: bool = False) -> str:
    """Guards that hold whatever the nearness; the author's own example is a complaint only where that is plain."""
    complains = view.complains_plainly if exact else view.is_grievance
    if complains and entry.covers == "enquiry":
        return "a complaint, the entry answers enquiries"
    if entry.covers == "complaint" and view.kind in ("praise", "suggestion"):
        return f"{view.kind}, the entry answers complaints"
    if set(view.risks) - set(entry.allow_risks):
        return "risk: " + ", ".join(view.risks)
    if view.is_urgent or view.is_angry:
        return "urgent or angry"
    return ""
