"""What it is about and what is wanted: category, demands, risks, urgency, difficulty."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from normalizer.lexicon import Hit, Hits, find
from normalizer.tone import Around, Tone
from normalizer.verdict import Verdict

#: A condition for `unless` words: as near as this, in characters.
NEAR = 24

#: A message from this length on is long: several matters, or a story.
LONG = 500

_GRAVE = frozenset({"injury", "fire", "self_harm", "violence"})
_HARM = _GRAVE | {"fraud"}
_HARD = frozenset({"legal", "regulator", "media", "injury", "self_harm", "violence", "fraud"})


#: A word of slowness belongs to what it is said of as near as this, in characters.
LAG = 12
#: What is late when a thing is slow, where its category has a name for that; else the word stays with the thing.
_LATE = {"logistics": "logistics/late"}


def category(hits: Hits, around: Around) -> Verdict | None:
    """The category with the most weight; a sub-category's words count for its parent, and more.

    The thing that is at fault counts more than the manner: between equals, service comes after it.
    """
    scores: dict[str, float] = {}
    found: dict[str, list[Hit]] = {}
    for hit in _of_things(hits, around):
        parent = hit.label.partition("/")[0]
        weight = hit.weight if parent == hit.label else hit.weight * 1.5
        scores[parent] = scores.get(parent, 0.0) + weight
        found.setdefault(hit.label, []).append(hit)
    if not scores:
        return None
    order = list(scores)
    parent = max(order, key=lambda name: (scores[name], name != "service", -order.index(name)))
    subs = {label: sum(h.weight for h in hs) for label, hs in found.items() if label.startswith(parent + "/")}
    label = max(subs, key=subs.__getitem__) if subs else parent
    share = scores[parent] / sum(scores.values())
    confidence = round(min(0.95, 0.3 + 0.35 * share + 0.1 * min(3.0, scores[parent])), 2)
    reasons = found.get(label, []) + [h for h in found.get(parent, []) if label != parent]
    return Verdict(label, confidence, tuple(reasons), "category.words")


def _of_things(hits: Hits, around: Around) -> list[Hit]:
    """The words of categories; slowness (迟迟不到) is the fault of the thing it is said of, if one is named beside it."""
    named = hits.get("categories", ())
    starts = [hit.start for hit in named]
    manner: set[Hit] = set()
    late: list[Hit] = []
    for lag in find(hits, "modifiers", "lag"):
        beside = named[bisect_left(starts, lag.start - 2 * LAG) : bisect_left(starts, lag.end + LAG + 1)]
        apart = [hit for hit in beside if hit.end <= lag.start or hit.start >= lag.end]
        things = [hit for hit in apart if around.near(hit, lag, LAG)]
        if not things:
            continue
        thing = max(things, key=lambda hit: (hit.start < lag.start, hit.start))
        parent = thing.label.partition("/")[0]
        if parent != "service":
            manner.update(hit for hit in beside if hit not in apart)
            late.append(lag._replace(label=_LATE.get(parent, thing.label)))
    return [*(hit for hit in named if hit not in manner), *late]


def demands(hits: Hits, around: Around) -> list[Verdict]:
    """Everything the person wants done."""
    votes: dict[str, list[Hit]] = {}
    for hit in hits.get("demands", ()):
        if not around.negated(hit) or hit.label in ("refund", "repair", "delivery"):
            votes.setdefault(hit.label, []).append(hit)
    return [
        Verdict(label, round(min(0.95, 0.6 + 0.15 * sum(h.weight for h in found)), 2), tuple(found), "demand.words")
        for label, found in votes.items()
    ]


def risks(hits: Hits, around: Around, tone: Tone) -> list[Verdict]:
    """Risks in context: not where the word is denied or another sense stands beside it.

    That a child or an old person is named counts where something is wrong.
    """
    unless = hits.get("risks.unless", ())
    votes: dict[str, list[Hit]] = {}
    for hit in hits.get("risks", ()):
        if not around.negated(hit) and not _spared(hit, unless):
            votes.setdefault(hit.label, []).append(hit)
    verdicts = []
    for label, found in votes.items():
        weight = sum(hit.weight for hit in found)
        supposed = all(around.supposed(hit) for hit in found)
        if weight < 1 and label != "legal":
            continue
        confidence = round(min(0.95, 0.5 + 0.25 * min(weight, 1.6)) * (0.75 if supposed else 1.0), 2)
        verdicts.append(Verdict(label, confidence, tuple(found), "risk.words"))
    if tone.score >= 0 and len(verdicts) == 1 and verdicts[0].value == "vulnerable":
        return []
    return verdicts


def harm(dangers: Sequence[Verdict]) -> int:
    """How many of the risks are harm that was done."""
    return sum(danger.value in _HARM and danger.confidence >= 0.6 for danger in dangers)


def _spared(hit: Hit, unless: Sequence[Hit]) -> bool:
    return any(
        other.label == hit.label and other.start - hit.end <= NEAR and hit.start - other.end <= NEAR for other in unless
    )


def urgency(hits: Hits, around: Around, dangers: Sequence[Verdict]) -> Verdict:
    """Urgent, normal or low, as the trade does it: danger to people first, then what is said."""
    for danger in dangers:
        if danger.value in _GRAVE and danger.confidence >= 0.6:
            return Verdict("urgent", 0.9, danger.hits, f"urgency.{danger.value}")
    urgent = [h for h in hits.get("urgency", ()) if h.label == "urgent" and not around.negated(h)]
    low = [h for h in hits.get("urgency", ()) if h.label == "low"]
    weight = sum(h.weight for h in urgent)
    if low and sum(h.weight for h in low) >= weight:
        return Verdict("low", 0.8, tuple(low), "urgency.words")
    if weight >= 1:
        return Verdict("urgent", round(min(0.9, 0.5 + 0.15 * weight), 2), tuple(urgent), "urgency.words")
    return Verdict("normal", 0.3, (), "urgency.default")


def difficulty(length: int, wanted: int, categories: int, dangers: Sequence[Verdict], tone: Tone) -> Verdict:
    """How hard it will be: by the risks, the number of wishes and matters, the length and the mood."""
    hard = [d for d in dangers if d.value in _HARD and d.confidence >= 0.6]
    points = (
        2 * len(hard)
        + (1 if dangers and not hard else 0)
        + max(0, wanted - 1)
        + max(0, categories - 2)
        + (length > LONG)
        + (tone.score < -5)
    )
    reasons = tuple(hit for danger in hard or dangers for hit in danger.hits[:1])
    if points >= 3:
        return Verdict("complex", 0.7, reasons, "difficulty.points")
    if points >= 1:
        return Verdict("medium", 0.6, reasons, "difficulty.points")
    return Verdict("simple", 0.6, (), "difficulty.points")
