"""Spoken numbers as digits: ``one double seven``, ``oh``, ``two hundred and five``, 幺三八, 两百五, 二零二六年.

Only words that are numbers are read ("to" and "for" are not); a number is as sure as its least sure word. A lone small word
stays a word, unless what follows makes it a number (``two dollars``, 三月).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from transcription.base import SURE, UNHEARD, Segment, Transcript, Word, readable

_UNITS = {word: n for n, word in enumerate("zero one two three four five six seven eight nine".split())} | {
    "oh": 0,
    "o": 0,
    "nought": 0,
    "naught": 0,
    "nil": 0,
}
_TEENS = {
    word: n
    for n, word in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(), 10
    )
}
_TENS = {word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_TIMES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
#: Words that are part of a number only inside one, or not the beginning of one.
_JOINS = {"and", "point"}
_HAN = {char: n for n, char in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "洞": 0,
    "幺": 1,
    "两": 2,
    "拐": 7,
    "勾": 9,
    "壹": 1,
    "贰": 2,
    "叁": 3,
    "肆": 4,
    "伍": 5,
    "陆": 6,
    "柒": 7,
    "捌": 8,
    "玖": 9,
}
_HAN_SCALES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000}
_HAN_MYRIADS = {"万": 10_000, "亿": 100_000_000}
_HAN_ALL = _HAN.keys() | _HAN_SCALES.keys() | _HAN_MYRIADS.keys()
#: What follows a number: then a single word counts as one too.
_COUNTED = ("dollar", "euro", "pound", "yuan", "rmb", "cent", "percent", "o'clock")
_COUNTED_HAN = "块元圆角毛分年月日号点时天个件次"
#: Longest pause inside a number that is read out in groups, in seconds.
PAUSE = 3.0
#: Words that may be missing inside a number, and the longest pause beside one at its edge, in seconds.
GAP, EDGE = 2, 0.3


@dataclass(frozen=True)
class Number:
    """``digits`` (with a dot for a fraction) said by ``words[first:last]``."""

    digits: str
    first: int
    last: int
    start: float
    end: float
    confidence: float


def numbers(words: Sequence[Word]) -> list[Number]:
    """The numbers in what somebody said."""
    found = []
    at = 0
    while at < len(words):
        end = _run(words, at)
        if end > at and (digits := _digits([word.text.lower() for word in words[at:end]])):
            said = words[at:end]
            if _counts(words, at, end):
                sure = min(word.confidence for word in said)
                found.append(Number(digits, at, end, said[0].start, said[-1].end, sure))
        at = max(end, at + 1)
    return found


def with_digits(transcript: Transcript) -> Transcript:
    """The transcript with each spoken number as one word of digits; a number read out with pauses is one segment."""
    by_speaker: dict[str, list[Segment]] = {}
    for segment in transcript.segments:
        mine = by_speaker.setdefault(segment.speaker, [])
        if mine and _goes_on(mine[-1], segment):
            mine[-1] = _joined(mine[-1], segment)
        else:
            mine.append(segment)
    segments = [_rewritten(segment) for mine in by_speaker.values() for segment in mine]
    segments.sort(key=lambda segment: (segment.start, segment.end))
    return msgspec.structs.replace(transcript, segments=tuple(segments))


def _goes_on(before: Segment, after: Segment) -> bool:
    if not before.words or not after.words or after.start - before.end > PAUSE:
        return False
    return _is_number(before.words[-1].text) and _is_number(after.words[0].text)


def _joined(before: Segment, after: Segment) -> Segment:
    words = (*before.words, *after.words)
    return msgspec.structs.replace(before, end=after.end, words=words, text=readable(words))


def _rewritten(segment: Segment) -> Segment:
    found = numbers(segment.words)
    if not found:
        return segment
    words = _with_gaps(_in_digits(segment, found))
    return msgspec.structs.replace(segment, words=words, text=readable(words))


def _in_digits(segment: Segment, found: Sequence[Number]) -> list[Word]:
    words: list[Word] = []
    at = 0
    for number in found:
        said = Word(text=number.digits, start=number.start, end=number.end, confidence=number.confidence)
        words += [*segment.words[at : number.first], said]
        at = number.last
    return [*words, *segment.words[at:]]


def _with_gaps(words: Sequence[Word]) -> tuple[Word, ...]:
    """Numbers with something inside or right beside them that was not understood: one doubtful number, ``47…1``."""
    made: list[Word] = []
    gap: list[Word] = []
    for word in words:
        if word.confidence < SURE and not word.text[0].isdigit():
            gap.append(word)
        elif gap and made and _is_digits(made[-1]) and _is_digits(word) and len(gap) <= GAP:
            made[-1] = _doubtful(made[-1], gap[0], word)
            gap = []
        else:
            _close(made, gap, word)
            gap = []
    _close(made, gap, None)
    return tuple(made)


def _close(made: list[Word], gap: list[Word], word: Word | None) -> None:
    """A gap that lies between no two numbers may still hide a first or last digit."""
    if gap and made and _is_digits(made[-1]) and gap[0].text == UNHEARD and gap[0].start - made[-1].end < EDGE:
        made[-1] = _doubtful(made[-1], gap.pop(0))
    if gap and word and _is_digits(word) and gap[-1].text == UNHEARD and word.start - gap[-1].end < EDGE:
        word = _doubtful(gap.pop(), word)
    made += gap
    if word is not None:
        made.append(word)


def _doubtful(*parts: Word) -> Word:
    text = "".join(UNHEARD if part.confidence < SURE and not part.text[0].isdigit() else part.text for part in parts)
    sure = min(part.confidence for part in parts)
    return Word(text=text, start=parts[0].start, end=parts[-1].end, confidence=min(sure, SURE / 2))


def _is_digits(word: Word) -> bool:
    return any(char.isdigit() for char in word.text)


def _is_number(text: str) -> bool:
    text = text.lower()
    return text in _UNITS or text in _TEENS or text in _TENS or text in _SCALES or _is_han(text)


def _is_han(text: str) -> bool:
    return bool(text) and all(char in _HAN_ALL for char in text)


def _run(words: Sequence[Word], at: int) -> int:
    """Where the number that begins at ``at`` ends; ``at`` when none begins."""
    end = at
    if _is_han(words[at].text):
        while end < len(words) and _is_han(words[end].text):
            end += 1
        return end
    while end < len(words):
        text = words[end].text.lower()
        if text not in _TIMES and (text not in _JOINS or end == at) and (_is_han(text) or not _is_number(text)):
            break
        end += 1
    while end > at and words[end - 1].text.lower() in _JOINS | _TIMES.keys():
        end -= 1
    return end


def _counts(words: Sequence[Word], at: int, end: int) -> bool:
    """Whether a run is a number and not a word that only looks like one ("one", 一, "oh")."""
    said = [word.text.lower() for word in words[at:end]]
    if not any(_is_number(text) and text not in ("oh", "o", "nil") for text in said):
        return len(said) > 2
    if len(said) > 1 or (len(said[0]) > 1 and _is_han(said[0])) or said[0] in _TEENS or said[0] in _TENS:
        return True
    after = words[end].text.lower() if end < len(words) else ""
    return after.startswith(_COUNTED) or after[:1] in tuple(_COUNTED_HAN)


def _digits(said: Sequence[str]) -> str:
    """The digits of a run; empty when it makes no number."""
    if _is_han(said[0]):
        return _han_digits("".join(said))
    if "point" in said:
        dot = said.index("point")
        whole, part = _english(said[:dot]), _english(said[dot + 1 :])
        return f"{whole}.{part}" if whole and part and "point" not in said[dot + 1 :] else ""
    return _english(said)


def _english(said: Sequence[str]) -> str:
    said = [text for text in said if text != "and"] if any(text in _SCALES for text in said) else list(said)
    if "and" in said:
        return ""
    return str(_cardinal(said)) if any(text in _SCALES for text in said) else _spelled(said)


def _spelled(said: Sequence[str]) -> str:
    """Digits one after the other, and pairs as people read them: ``twenty five double oh`` → 2500."""
    digits, at = "", 0
    while at < len(said):
        text = said[at]
        following = said[at + 1] if at + 1 < len(said) else ""
        if text in _TIMES and following in _UNITS:
            digits += str(_UNITS[following]) * _TIMES[text]
            at += 2
        elif text in _TENS and _UNITS.get(following, 0):
            digits += str(_TENS[text] + _UNITS[following])
            at += 2
        elif text in _TIMES:
            return ""
        else:
            digits += str(_UNITS.get(text, _TEENS.get(text, _TENS.get(text, ""))))
            at += 1
    return digits


def _cardinal(said: Sequence[str]) -> int:
    total, part = 0, 0
    for text in said:
        if text == "hundred":
            part = max(part, 1) * 100
        elif text in _SCALES:
            total, part = total + max(part, 1) * _SCALES[text], 0
        else:
            part += _UNITS.get(text, _TEENS.get(text, _TENS.get(text, 0)))
    return total + part


def _han_digits(said: str) -> str:
    if not any(char in _HAN_SCALES or char in _HAN_MYRIADS for char in said):
        return "".join(str(_HAN[char]) for char in said)
    total, section, digit, scale = 0, 0, 0, 0
    for char in said:
        if char in _HAN_MYRIADS:
            scale = _HAN_MYRIADS[char]
            part = section + digit
            total = (total + part) * scale if char == "亿" else total + part * scale
            section, digit = 0, 0
        elif char in _HAN_SCALES:
            scale = _HAN_SCALES[char]
            section += (digit or 1) * scale
            digit = 0
        else:
            if digit and scale <= 10:
                return ""  # two digits after another beside 十: nobody writes one number so
            digit = _HAN[char]
            scale = 0 if not digit else scale
    # 三百五 is 350 and 一万二 is 12000: the last digit stands one place below the scale before it.
    return str(total + section + digit * (scale // 10 if scale >= 100 else 1))
