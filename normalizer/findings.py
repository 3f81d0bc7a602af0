"""Everything found in one source, as fields with evidence, before it joins the record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from normalizer import kind, matters, summary, tone
from normalizer.entities.entity import Entity
from normalizer.entities.extract import extract
from normalizer.record import Complainant, Found, Gravity, What
from normalizer.rules import Rules
from normalizer.source import Source
from normalizer.verdict import Verdict, found

#: Record fields by the kind of entity that fills them.
_WHAT = {
    "order_numbers": "order_numbers",
    "tracking_numbers": "tracking_numbers",
    "products": "products",
    "amount": "amounts",
    "date": "dates",
    "place": "places",
    "person": "people",
    "url": "urls",
}
_WHO = {"name": "names", "phone": "phones", "email": "emails"}


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says."""

    who: Complainant = Complainant()
    what: What = What()
    gravity: Gravity = Gravity()
    language: Found[str] | None = None


def find(
    source: Source, rules: Rules, *, country: str, at: datetime, language: str, prior: str, opened: bool
) -> Findings:
    """Look at a source. ``at`` is its time in the customer's zone, ``opened`` whether there is a matter already."""
    plain, hits = source.text.plain, source.hits
    if not plain.strip():
        return Findings()
    around = tone.Around(plain, hits)
    balance = tone.weigh(hits, around)
    category = _learnt(rules, plain, matters.category(hits, around))
    demands = matters.demands(hits, around)
    dangers = matters.risks(hits, around, balance)
    balance = tone.darkened(balance, matters.harm(dangers))
    signs = kind.Signs(hits, around, balance, demands, dangers, category, plain, opened)
    judged = kind.kind(signs)
    tongue = rules.detector.tell(source.text.raw, prior=language or prior)
    entities = extract(source.text, hits, rules, country=country, at=at)
    mood = tone.emotion(hits, around, balance)
    matters_named = len({hit.label.partition("/")[0] for hit in hits.get("categories", ())})
    return Findings(
        who=_who(source, entities),
        what=_what(source, entities, judged, category, demands),
        gravity=Gravity(
            sentiment=_as(source, tone.sentiment(balance, plain)),
            emotion=_as(source, mood),
            urgency=_as(source, matters.urgency(hits, around, dangers)),
            difficulty=_as(
                source,
                matters.difficulty(
                    len(plain), sum(d.value != "information" for d in demands), matters_named, dangers, balance
                ),
            ),
            risks=_all(source, dangers),
        ),
        language=_as(source, Verdict(tongue.tag, tongue.confidence, (), tongue.rule)),
    )


def _learnt(rules: Rules, plain: str, by_rules: Verdict | None) -> Verdict | None:
    """The user's own category where what was learnt is sure, else the rules' one."""
    if rules.brain is None:
        return by_rules
    label, ahead = rules.brain.tell(plain, by_rules.value if by_rules else "")
    if not label or ahead < rules.brain.threshold:
        return by_rules
    quality = rules.brain.quality
    return Verdict(
        label, round(quality.precision if quality else 0.7, 2), by_rules.hits if by_rules else (), "category.learnt"
    )


def _what(
    source: Source, entities: Sequence[Entity], judged: Verdict, category: Verdict | None, demands: Sequence[Verdict]
) -> What:
    return What(
        kind=_as(source, judged),
        category=_as(source, category),
        demands=_all(source, demands),
        summary=summary.summarise(source),
        **_gathered(source, entities, _WHAT),
    )


def _who(source: Source, entities: Sequence[Entity]) -> Complainant:
    return Complainant(**_gathered(source, entities, _WHO))


def _gathered(source: Source, entities: Sequence[Entity], fields: dict[str, str]) -> dict[str, Any]:
    """Entities by field; a value said twice is one value with two pieces of evidence."""
    gathered: dict[str, dict[Any, list[Any]]] = {}
    for entity in entities:
        if field := fields.get(entity.kind):
            said = source.evidence(entity.start, entity.end, entity.rule, entity.confidence)
            gathered.setdefault(field, {}).setdefault(entity.value, []).append(said)
    return {
        field: tuple(Found(value=value, evidence=tuple(said)) for value, said in values.items())
        for field, values in gathered.items()
    }


def _as(source: Source, verdict: Verdict | None) -> Any:
    return None if verdict is None else found(source, verdict)


def _all(source: Source, verdicts: Sequence[Verdict]) -> Any:
    return tuple(found(source, verdict) for verdict in verdicts)
