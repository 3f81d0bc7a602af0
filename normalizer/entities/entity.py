"""What an entity is, and the view of a message that the families share while they look for theirs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from normalizer.lexicon import Hit, Hits
from normalizer.rules import Rules
from normalizer.text import Text

#: Entities kept of one message; a list of hundreds of numbers is a table, not a complaint.
MAX_ENTITIES = 60

#: How far before a value its context word may end, in characters.
CONTEXT_REACH = 16

_GAP = re.compile(
    r"[\s:#.\-=,_'\"(（【\[]*(?:(?:编号|号码|号|为|是|叫|尾号|number|num|no|nr|id|ref|is|was|of|my|the|n|°|º|code|at|on|me|to|->)[\s:#.\-=,'\"(]*){0,4}"
)


class Entity(NamedTuple):
    """A value found at ``plain[start:end]``. ``kind`` names the record's field or a guarded number."""

    kind: str
    value: Any
    start: int
    end: int
    rule: str
    confidence: float


class View:
    """One message while its entities are looked for; spans once taken are not given again."""

    __slots__ = ("at", "country", "found", "has_digit", "hits", "plain", "rules", "text")

    def __init__(self, text: Text, hits: Hits, rules: Rules, country: str, at: datetime) -> None:
        self.text, self.plain, self.hits, self.rules = text, text.plain, hits, rules
        self.country, self.at = country, at
        self.has_digit = any(map(self.plain.__contains__, "0123456789"))
        self.found: list[Entity] = []

    def free(self, start: int, end: int) -> bool:
        """Whether no entity has a part of this span yet."""
        return all(end <= e.start or start >= e.end for e in self.found)

    def take(self, kind: str, value: Any, start: int, end: int, rule: str, confidence: float) -> bool:
        """Keep an entity unless its span is taken."""
        if len(self.found) >= MAX_ENTITIES or not self.free(start, end):
            return False
        self.found.append(Entity(kind, value, start, end, rule, confidence))
        return True

    def context(self, start: int, *labels: str) -> Hit | None:
        """The context word with one of the labels that ends just before ``start``, with only filler between."""
        for hit in reversed(self.hits.get("context", ())):
            near = hit.end <= start <= hit.end + CONTEXT_REACH
            if near and hit.label in labels and _GAP.fullmatch(self.plain, hit.end, start):
                return hit
        return None
