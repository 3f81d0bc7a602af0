"""One thing that was said, as text to look at, with the way from a span back to evidence.

A message's text, its subject line and a recording's transcript are three sources of one message.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from normalizer.lexicon import Hit, Hits
from normalizer.mask import mask_plain
from normalizer.record import Evidence
from normalizer.rules import Rules
from normalizer.text import Text
from transcription.base import UNHEARD, Segment, Transcript, Word

#: A word heard with less confidence never becomes a fact.
MIN_HEARD = 0.6

#: Longest quote kept in evidence, in characters.
MAX_QUOTE = 200

_UNHEARD = " … "
_SENTENCE = re.compile(r"[^。！？!?；;\n…]+[。！？!?；;…]*")
_ENGLISH_STOP = re.compile(r"(?<=[a-z\d)])\.\s+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Source:
    """A text with its lexicon hits. ``moments`` gives (text offset, from second, to second) for speech.

    ``shown`` is the raw text with identity and card numbers covered, place by place: all that leaves is quoted from it.
    """

    __slots__ = ("_moments", "_offsets", "_sentences", "hits", "is_subject", "message", "shown", "text")

    def __init__(
        self,
        raw: str,
        message: str,
        rules: Rules,
        *,
        is_subject: bool = False,
        moments: list[tuple[int, float, float]] | None = None,
    ) -> None:
        self.text = Text(raw, rules.fold)
        self.shown = mask_plain(self.text.raw, self.text.plain)
        self.message, self.is_subject = message, is_subject
        self.hits: Hits = rules.automaton.scan(self.text.plain)
        self._moments = moments
        self._offsets = [at for at, _, _ in moments] if moments else []
        self._sentences: list[tuple[int, int]] | None = None

    def evidence(self, start: int, end: int, rule: str, confidence: float) -> Evidence:
        """Evidence for a span of the folded text (empty: the whole message says so)."""
        if start >= end:
            return Evidence(message=self.message, rule=rule, confidence=confidence)
        raw_start, raw_end = self.text.span(start, end)
        quote = readable(self.shown[raw_start : min(raw_end, raw_start + MAX_QUOTE)])
        if self._moments:
            first = self._moments[max(0, bisect_right(self._offsets, raw_start) - 1)]
            last = self._moments[max(0, bisect_right(self._offsets, raw_end - 1) - 1)]
            return Evidence(
                message=self.message,
                rule=rule,
                quote=quote,
                from_second=first[1],
                to_second=last[2],
                confidence=confidence,
            )
        if self.is_subject:
            return Evidence(message=self.message, rule=f"subject:{rule}", quote=quote, confidence=confidence)
        end = raw_start + len(quote)
        return Evidence(message=self.message, rule=rule, start=raw_start, end=end, quote=quote, confidence=confidence)

    def of_hit(self, hit: Hit, confidence: float) -> Evidence:
        """Evidence from a word of a lexicon."""
        return self.evidence(hit.start, hit.end, hit.rule, confidence)

    def sentences(self) -> list[tuple[int, int]]:
        """Spans of the sentences of the folded text."""
        if self._sentences is None:
            self._sentences = list(_sentences(self.text.plain))
        return self._sentences


def readable(quote: str) -> str:
    """A quote that any encoding takes: half a surrogate pair becomes the replacement character."""
    try:
        quote.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", quote)
    return quote


def _sentences(plain: str) -> list[tuple[int, int]]:
    spans = []
    for match in _SENTENCE.finditer(plain):
        start = match.start()
        for stop in _ENGLISH_STOP.finditer(plain, start, match.end()):
            spans.append((start, stop.start() + 1))
            start = stop.end()
        if start < match.end():
            spans.append((start, match.end()))
    return spans


def spoken(transcript: Transcript, rules: Rules, *, trusting: bool = False) -> Source:
    """What the customer said in a recording; words that were not heard well are left out.

    ``trusting`` keeps doubtful numbers, with a nought for a digit that was not understood: to see what they would be.
    """
    parts: list[str] = []
    moments: list[tuple[int, float, float]] = []
    length = 0
    for segment in transcript.segments:
        if segment.speaker == "agent":
            continue
        for word in segment.words or (_whole(segment),):
            heard = word.text if word.confidence >= MIN_HEARD else _UNHEARD
            if trusting and any(char.isdigit() for char in word.text):
                heard = word.text.replace(UNHEARD, "0")
            glue = "" if not parts or (_han(parts[-1][-1:]) and _han(heard[:1])) else " "
            moments.append((length + len(glue), word.start, word.end))
            parts.append(glue + heard)
            length += len(glue) + len(heard)
        parts.append("\n")
        length += 1
    return Source("".join(parts), transcript.recording, rules, moments=moments or None)


def _whole(segment: Segment) -> Word:
    return Word(text=segment.text, start=segment.start, end=segment.end, confidence=1.0)


def _han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"
