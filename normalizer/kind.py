"""What kind of message it is: a complaint, a question, a word of thanks, a chaser, advertising."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from normalizer.lexicon import Hit, Hits, find
from normalizer.tone import Around, Tone
from normalizer.verdict import Verdict

#: From here down the tone alone makes a complaint.
BAD = -1.5
#: From here down a wish makes a complaint.
SORE = -0.8
VERY_BAD = -3.0
GOOD = 1.0

#: Longer messages tell a story: a word of thanks or of taking back in them is a part of it.
STORY = 160

#: Wishes that nobody has who is content.
_SORE = frozenset({"refund", "compensation", "apology", "replacement", "repair"})


class Signs(NamedTuple):
    """What the decision is made from."""

    hits: Hits
    around: Around
    tone: Tone
    demands: Sequence[Verdict]
    risks: Sequence[Verdict]
    category: Verdict | None
    plain: str
    opened: bool
    """Whether there is a matter already that a chaser may chase."""


def kind(signs: Signs) -> Verdict:
    """The kind, the surest signs first."""
    for judge in (_withdrawal, _spam, _chaser, _complaint, _suggestion, _praise, _enquiry, _request, _by_matter):
        if verdict := judge(signs):
            return verdict
    return Verdict("other", 0.3, (), "kind.default")


def _said(signs: Signs, label: str) -> tuple[tuple[Hit, ...], float]:
    hits = tuple(hit for hit in find(signs.hits, "kinds", label) if not signs.around.negated(hit))
    return hits, sum(hit.weight for hit in hits)


def _withdrawal(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "withdrawal")
    asked = "?" in signs.plain or "吗" in signs.plain
    if asked or not weight or len(signs.plain) > STORY or (weight < 1 and not signs.opened):
        return None
    return Verdict("withdrawal", 0.9 if weight >= 1 else 0.7, hits, "kind.words")


def _spam(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "spam")
    sore = any(demand.value in _SORE for demand in signs.demands) or find(signs.hits, "kinds", "complaint")
    if sore or len(signs.plain) > 2 * STORY or (signs.category and signs.category.confidence > 0.6):
        return None
    return Verdict("spam", min(0.95, 0.4 + 0.2 * weight), hits, "kind.words") if weight >= 1 else None


def _chaser(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "chaser")
    sore = signs.tone.score <= VERY_BAD or any(demand.value in _SORE for demand in signs.demands)
    if not weight or (not signs.opened and (sore or signs.risks or weight < 1 or len(signs.plain) > 160)):
        return None
    return Verdict("chaser", 0.85 if signs.opened else 0.65, hits, "kind.words")


def _complaint(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "complaint")
    if weight:
        return Verdict("complaint", min(0.95, 0.75 + 0.1 * weight), hits, "kind.words")
    suggests = _said(signs, "suggestion")[1] >= 1
    if signs.tone.score <= (VERY_BAD if suggests else BAD):
        return Verdict("complaint", round(min(0.9, 0.55 - signs.tone.score * 0.05), 2), signs.tone.bad[:4], "kind.tone")
    grave = [risk for risk in signs.risks if risk.value != "vulnerable" and risk.confidence >= 0.6]
    if grave and signs.tone.score < GOOD and not (_asks(signs) and signs.tone.score >= 0):
        return Verdict("complaint", 0.7, grave[0].hits, "kind.risk")
    if signs.tone.score <= SORE and signs.demands and not suggests and not _asks(signs):
        return Verdict("complaint", 0.55, signs.tone.bad[:4], "kind.tone")
    matter = signs.category
    if matter and "/" in matter.value and not _asks(signs) and not suggests:
        said = sum(hit.weight for hit in matter.hits if hit.label == matter.value)
        if signs.tone.score < 0 or (said >= 1 and signs.tone.score < GOOD):
            return Verdict("complaint", 0.6, matter.hits, "kind.matter")
    return None


def _asks(signs: Signs) -> bool:
    """A question mark, or a question word: in English only where a clause begins ("what I paid for" asks nothing)."""
    if "?" in signs.plain:
        return True
    for hit in find(signs.hits, "modifiers", "question"):
        before = signs.plain[: hit.start].rstrip(" ")
        if signs.plain[hit.start] > "\u2e80" or not before or before[-1] in ".!,;:\n":
            return True
    return False


def _suggestion(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "suggestion")
    return Verdict("suggestion", min(0.9, 0.6 + 0.1 * weight), hits, "kind.words") if weight else None


def _praise(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "praise")
    if signs.tone.score < 0.4 or _asks(signs) or (weight < 2 and len(signs.plain) > STORY):
        return None
    if weight:
        return Verdict("praise", min(0.9, 0.6 + 0.1 * weight), hits, "kind.words")
    if signs.tone.score >= 2 and not signs.demands:
        return Verdict("praise", 0.6, signs.tone.good[:4], "kind.tone")
    return None


def _enquiry(signs: Signs) -> Verdict | None:
    hits, weight = _said(signs, "enquiry")
    sore = [demand for demand in signs.demands if demand.value in _SORE]
    if sore and "?" not in signs.plain and weight < 1:
        return None
    if _asks(signs) or weight >= 1:
        return Verdict("enquiry", min(0.9, 0.6 + 0.1 * weight), hits, "kind.words")
    return None


def _request(signs: Signs) -> Verdict | None:
    wants = [demand for demand in signs.demands if demand.value != "information"]
    if wants:
        return Verdict("request", 0.7, wants[0].hits, "kind.demand")
    hits, weight = _said(signs, "request")
    return Verdict("request", min(0.8, 0.5 + 0.1 * weight), hits, "kind.words") if weight >= 1 else None


def _by_matter(signs: Signs) -> Verdict | None:
    if signs.category is not None and "/" in signs.category.value and signs.tone.score < GOOD:
        return Verdict("complaint", 0.55, signs.category.hits, "kind.matter")
    if signs.tone.score <= -0.8:
        return Verdict("complaint", 0.5, signs.tone.bad[:4], "kind.tone")
    return None
