"""A judgement with its reasons, before it becomes a field of the record."""

from __future__ import annotations

from typing import NamedTuple

from normalizer.lexicon import Hit
from normalizer.record import Evidence, Found
from normalizer.source import Source

#: Reasons kept for one value from one message.
MAX_REASONS = 4


class Verdict(NamedTuple):
    """A value, how sure, and the words that say so (none: the rule alone)."""

    value: str
    confidence: float
    hits: tuple[Hit, ...]
    rule: str


def evidence(source: Source, verdict: Verdict) -> tuple[Evidence, ...]:
    """The evidence for a verdict."""
    if not verdict.hits:
        return (source.evidence(0, 0, verdict.rule, verdict.confidence),)
    return tuple(source.of_hit(hit, verdict.confidence) for hit in verdict.hits[:MAX_REASONS])


def found(source: Source, verdict: Verdict) -> Found[str]:
    """A verdict as a field."""
    return Found(value=verdict.value, evidence=evidence(source, verdict))
