"""Identity and card numbers in what was said: when nobody may hear them, and the transcript with them covered.

A number that was heard with one digit wrong fails every checksum and is still somebody's card. So speech is covered more
freely than writing: besides what :mod:`normalizer.mask` covers also each long number that no word names as an order's or a
parcel's, and each long one with a digit in it that was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from normalizer.entities.identity import suspect
from normalizer.mask import SHOWN
from transcription.base import SURE, Segment, Transcript, Word, readable
from transcription.numbers import Number, numbers, with_digits

#: A spoken number with so many digits may be a card or an identity number, whatever its checksum.
LONG = range(14, 20)
#: One with a doubtful digit, or with a gap inside, may be longer or shorter than it was heard.
LONG_IN_DOUBT = range(12, 24)
#: Words that may stand between two parts of such a number without being understood.
GAP = 2
#: What a number is said to be shortly before it: these alone are not a card's or a person's.
_OTHERS = re.compile(r"订单|运单|单号|工单|流水|快递|order|tracking|parcel|invoice|ticket|reference")
_GUARDED = re.compile(r"卡|身份|证|card|identity|passport|account")
#: Characters in which such a word is looked for.
_BEFORE = 30
#: Seconds around a number that are covered too: word times are off by up to a tenth of a second.
MARGIN = 0.3

Span = tuple[float, float]


def spans(transcript: Transcript) -> tuple[Span, ...]:
    """The seconds (from, to) in which a guarded number is said by anybody, in order; they do not overlap."""
    found = sorted(
        (max(0.0, start - MARGIN), end + MARGIN)
        for speaker in {segment.speaker for segment in transcript.segments}
        for start, end in _guarded([w for s in transcript.segments if s.speaker == speaker for w in s.words])
    )
    joined: list[Span] = []
    for start, end in found:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple((round(start, 2), round(end, 2)) for start, end in joined)


def covered(transcript: Transcript) -> Transcript:
    """The transcript with spoken numbers as digits, guarded ones covered but for their last digits."""
    hidden, read = spans(transcript), with_digits(transcript)
    if not hidden:
        return read
    return msgspec.structs.replace(read, segments=tuple(_covered(segment, hidden) for segment in read.segments))


def _covered(segment: Segment, hidden: Sequence[Span]) -> Segment:
    words = tuple(
        msgspec.structs.replace(word, text=_stars(word.text))
        if any(start < word.end and word.start < end and _says_number(word) for start, end in hidden)
        else word
        for word in segment.words
    )
    return segment if words == segment.words else msgspec.structs.replace(segment, words=words, text=readable(words))


def _says_number(word: Word) -> bool:
    return any(char.isdigit() for char in word.text) or bool(numbers((word, word)))


def _stars(text: str) -> str:
    return "*" * 4 + text[-SHOWN:] if text.isdigit() and len(text) > 2 * SHOWN else "*" * 4


def _guarded(words: Sequence[Word]) -> Iterator[Span]:
    """(from, to) seconds of one speaker's guarded numbers, whatever the pauses inside them."""
    said = numbers(words)
    line, places = _line(words, said)
    exact = list(suspect(line.lower()))
    for number, place in zip(said, places, strict=True):
        before = line[max(0, place - _BEFORE) : place].lower()
        named = _OTHERS.search(before) and not _GUARDED.search(before)
        if any(start < place + len(number.digits) and place < end for start, end in exact) or (
            not named and len(number.digits) in LONG
        ):
            yield number.start, number.end
    for run in _runs(said):
        in_doubt = len(run) > 1 or run[0].confidence < SURE
        if in_doubt and sum(len(number.digits) for number in run) in LONG_IN_DOUBT:
            yield run[0].start, run[-1].end


def _line(words: Sequence[Word], said: Sequence[Number]) -> tuple[str, list[int]]:
    """All words as a line with the numbers as digits, and where in it each number begins."""
    parts: list[str] = []
    places: list[int] = []
    at = length = 0
    for number in said:
        before = [word.text for word in words[at : number.first]]
        length += sum(len(text) + 1 for text in before)
        places.append(length)
        parts += [*before, number.digits]
        length += len(number.digits) + 1
        at = number.last
    parts += [word.text for word in words[at:]]
    return " ".join(parts), places


def _runs(said: Sequence[Number]) -> Iterator[list[Number]]:
    """Numbers with nothing but a word or two between them: parts of one, perhaps."""
    run: list[Number] = []
    for number in said:
        if run and number.first - run[-1].last > GAP:
            yield run
            run = []
        run.append(number)
    if run:
        yield run
