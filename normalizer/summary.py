"""A complaint in a line or two, in the customer's own words, card and identity numbers covered."""

from __future__ import annotations

from normalizer.source import Source, readable

#: Longest summary, in characters, and most sentences looked at.
MAX_SUMMARY = 160
MAX_SENTENCES = 400

#: What makes a sentence worth keeping, per hit.
_WORTH = {
    "categories": 2.0,
    "demands": 2.0,
    "risks": 2.5,
    "kinds": 0.5,
    "sentiment": 0.4,
    "context": 0.5,
    "currencies": 0.7,
}


def summarise(source: Source) -> str:
    """The sentences that say most, in their order."""
    raw = source.text.raw.strip()
    if len(raw) <= MAX_SUMMARY:
        return _clean(source.shown)
    spans = source.sentences()[:MAX_SENTENCES]
    if not spans:
        return _clean(source.shown.strip()[:MAX_SUMMARY])
    worth = _worth(source, spans)
    chosen: list[int] = []
    room = MAX_SUMMARY
    for index in sorted(range(len(spans)), key=lambda i: (-worth[i], i)):
        length = spans[index][1] - spans[index][0]
        if length <= room and worth[index] > 0:
            chosen.append(index)
            room -= length + 1
    if not chosen:
        chosen = [max(range(len(spans)), key=lambda i: worth[i])]
    parts = []
    for index in sorted(chosen):
        start, end = spans[index]
        parts.append(_clean(source.shown[slice(*source.text.span(start, end))])[:MAX_SUMMARY])
    return " ".join(parts)[:MAX_SUMMARY]


def _worth(source: Source, spans: list[tuple[int, int]]) -> list[float]:
    worth = [0.0] * len(spans)
    for lexicon, gain in _WORTH.items():
        index = 0
        for hit in source.hits.get(lexicon, ()):
            while index + 1 < len(spans) and hit.start >= spans[index][1]:
                index += 1
            worth[index] += gain * hit.weight
    if worth:
        worth[0] += 0.5
    return [w / (1 + (end - start) / 60) for w, (start, end) in zip(worth, spans)]


def _clean(shown: str) -> str:
    return " ".join(readable(shown).split())
