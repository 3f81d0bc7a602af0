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

#: A question of more characters than this, in letters or in Chinese, tells a story too.
QUESTION = 160
HAN_QUESTION = 60

#: A heading or an opening: what kind of message it is stands here.
HEAD = 40

#: Wishes that nobody has who is content.
_SORE = frozenset({"refund", "compensation", "apology", "replacement", "repair"})
_ASKING = frozenset({"question", "reproach", "helpless"})
#: Wishes that follow one's own slip as well as ours.
_MILD = frozenset({"correction", "invoice", "information", "cancellation"})


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
    score, plainly = signs.tone.score, _only_asks(signs)
    if weight >= (2 if plainly else 1) or (weight and score < 0 and not plainly):
        return Verdict("complaint", round(min(0.95, 0.65 + 0.1 * weight), 2), hits, "kind.words")
    suggests = _suggests(signs)
    if score <= (VERY_BAD if suggests or plainly else BAD):
        return Verdict("complaint", round(min(0.9, 0.55 - score * 0.05), 2), signs.tone.bad[:4], "kind.tone")
    if verdict := _by_risk(signs, plainly):
        return verdict
    if suggests or plainly:
        return None
    asks = _asks(signs) and len(signs.plain) <= STORY
    if weight and not asks:
        return Verdict("complaint", 0.6, hits, "kind.words")
    if score <= SORE and not asks and (any(d.value not in _MILD for d in signs.demands) or len(signs.plain) > STORY):
        return Verdict("complaint", 0.55, signs.tone.bad[:4], "kind.tone")
    return _by_trouble(signs) if not asks or _accuses(signs) else None


def _by_risk(signs: Signs, plainly: bool) -> Verdict | None:
    """Danger is a complaint where it is told; a question whether fire is insured is none."""
    grave = [risk for risk in signs.risks if risk.value != "vulnerable" and risk.confidence >= 0.6]
    if not grave or signs.tone.score >= (0 if _asks(signs) else GOOD):
        return None
    if plainly and not (find(signs.hits, "modifiers", "oneself") or find(signs.hits, "modifiers", "helpless")):
        return None
    return Verdict("complaint", 0.7, grave[0].hits, "kind.risk")


def _by_trouble(signs: Signs) -> Verdict | None:
    """A sub-category is a trouble by itself (broken, late, charged twice)."""
    matter = signs.category
    if not matter or "/" not in matter.value:
        return None
    if signs.demands and all(demand.value in _MILD for demand in signs.demands) and signs.tone.score > BAD:
        return None
    said = sum(hit.weight for hit in matter.hits if hit.label == matter.value)
    if signs.tone.score < 0 or (said >= 1 and signs.tone.score < GOOD):
        return Verdict("complaint", 0.6, matter.hits, "kind.matter")
    return None


def _only_asks(signs: Signs) -> bool:
    """A short question that accuses nobody: how, when, how much ("退款多久到账", "怎么投诉")."""
    plain = signs.plain
    if len(plain) > (QUESTION if plain.isascii() else HAN_QUESTION) or not _asks(signs):
        return False
    return not _accuses(signs) and not any(hit.weight >= 2 for hit in signs.tone.bad)


def _accuses(signs: Signs) -> bool:
    """凭什么, why, how come: a question that is a reproach; or 我的…怎么办, what should I do."""
    if find(signs.hits, "modifiers", "reproach"):
        return True
    return bool(find(signs.hits, "modifiers", "helpless") and find(signs.hits, "modifiers", "oneself"))


def _suggests(signs: Signs) -> bool:
    """A suggestion, and no complaint that ends with one: its word stands at the head, or in a short message."""
    hits, weight = _said(signs, "suggestion")
    return weight >= 1 and (len(signs.plain) <= STORY or hits[0].start < HEAD)


def _asks(signs: Signs) -> bool:
    """A question mark, or a question word: in English only where a clause begins ("what I paid for" asks nothing)."""
    if "?" in signs.plain:
        return True
    for hit in signs.hits.get("modifiers", ()):
        if hit.label not in _ASKING:
            continue
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
