"""All families of entities, in the order of who may claim a span first."""

from __future__ import annotations

from datetime import datetime

from normalizer.entities import amounts, dates, identifiers, identity, people, phones, places, web
from normalizer.entities.entity import Entity, View
from normalizer.lexicon import Hits
from normalizer.rules import Rules
from normalizer.text import Text

#: Links first (they contain anything), then what a checksum proves, then numbers with a name beside them.
_FAMILIES = (web.look, identity.look, places.look, identifiers.look, dates.look, phones.look, amounts.look, people.look)


def extract(text: Text, hits: Hits, rules: Rules, *, country: str, at: datetime) -> list[Entity]:
    """The entities of a message in the order they stand. ``at`` is its time in the customer's zone."""
    view = View(text, hits, rules, country, at)
    for look in _FAMILIES:
        look(view)
    for hit in hits.get("products", ()):
        view.take("products", text.quote(hit.start, hit.end), hit.start, hit.end, hit.rule, 0.9)
    return sorted(view.found, key=lambda entity: entity.start)
