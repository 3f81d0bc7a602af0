"""Numbers that were said and not heard well: questions, never facts.

A doubtful number stands in the record as far as it was heard, with its seconds and with the field it would belong to (in the
evidence's rule, ``doubt.order_numbers``; ``doubt.number`` where nothing says what it is). It goes when the customer, or
somebody at the desk, has said what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from normalizer import merge
from normalizer.findings import find
from normalizer.mask import mask
from normalizer.record import BY_AGENT, ComplaintRecord, Evidence, Found, Moment, Money
from normalizer.rules import Rules
from normalizer.source import MIN_HEARD, spoken
from transcription.base import UNHEARD, Transcript, Word

RULE = "doubt."
#: What is known only to be a number.
NUMBER = "number"
#: Fields that a number that was said may belong to, the surest first.
FIELDS = ("order_numbers", "tracking_numbers", "phones", "amounts", "dates")
#: A number that fits no field is asked about when it has so many digits.
MIN_DIGITS = 4
#: How sure a number is that the customer has confirmed.
CONFIRMED = 0.9

_YES = re.compile(
    r"(?:yes|yeah|yep|yes,? (?:please|it is|that is (?:right|correct)|that's (?:right|correct))|correct|right|exactly|ok|"
    r"that's (?:right|correct|it)|对|对的|是|是的|没错|正确|嗯|對|對的|沒錯|正確)[.!。！ ]*",
    re.IGNORECASE,
)

#: A message that is a number and no more: the answer to "please write the right number".
_BARE = re.compile(
    r"\s*(?:no|nope|不|不是|不对|不對)?[,，.。!！\s]*(?:it is|it's|it was|是|应该是|應該是)?[:：\s]*"
    r"(?P<number>[A-Za-z]{0,4}[ -]?\d(?:[ -]?\d){1,23})[.。!！\s]*",
    re.IGNORECASE,
)


def in_doubt(
    transcript: Transcript, rules: Rules, *, country: str, at: datetime, language: str
) -> tuple[Found[str], ...]:
    """The customer's doubtful numbers, each with what it would be if it had been heard so."""
    words = [w for s in transcript.segments if s.speaker != "agent" for w in s.words if _is_doubtful(w)]
    if not words:
        return ()
    source = spoken(transcript, rules, trusting=True)
    found = find(source, rules, country=country, at=at, language=language, prior=language, opened=True)
    parts: dict[str, tuple[Found[Any], ...]] = {
        name: getattr(found.who if name == "phones" else found.what, name) for name in FIELDS
    }
    made = (_doubt(word, parts, transcript.recording) for word in words)
    return tuple(one for one in made if one is not None)


def _is_doubtful(word: Word) -> bool:
    return word.confidence < MIN_HEARD and any(char.isdigit() for char in word.text)


def _doubt(word: Word, parts: dict[str, tuple[Found[Any], ...]], recording: str) -> Found[str] | None:
    field, value = next(
        ((name, _text(one.value)) for name in FIELDS for one in parts[name] if _is_at(one, word)), (NUMBER, word.text)
    )
    if field == NUMBER and sum(char.isdigit() for char in word.text) < MIN_DIGITS:
        return None
    if UNHEARD in word.text:
        value = word.text
    evidence = Evidence(
        message=recording,
        rule=RULE + field,
        quote=word.text,
        from_second=word.start,
        to_second=word.end,
        confidence=word.confidence,
    )
    return Found(value=value, evidence=(evidence,))


def _is_at(found: Found[Any], word: Word) -> bool:
    return any(
        e.from_second is not None and e.to_second is not None and e.from_second < word.end and word.start < e.to_second
        for e in found.evidence
    )


def _text(value: Any) -> str:
    if isinstance(value, Money):
        return f"{value.amount} {value.currency}".strip()
    return value.iso if isinstance(value, Moment) else str(value)


def field_of(doubt: Found[str]) -> str:
    """The record's field that the number would belong to; :data:`NUMBER` when nothing says."""
    return doubt.evidence[0].rule.removeprefix(RULE)


def is_whole(doubt: Found[str]) -> bool:
    """Whether each digit was heard, if not well: then a "yes" is an answer."""
    return UNHEARD not in doubt.value


def noted(record: ComplaintRecord, new: Iterable[Found[str]]) -> ComplaintRecord:
    """The record with doubts added; what it knows for a fact already is none."""
    open = tuple(doubt for doubt in new if doubt.value not in map(_text, _values(record)))
    what = msgspec.structs.replace(record.what, doubts=merge.join(record.what.doubts, open))
    return msgspec.structs.replace(record, what=what)


def settled(record: ComplaintRecord, key: str) -> ComplaintRecord:
    """The record without the doubts that the written message ``key`` has answered by naming such a number."""
    if not record.what.doubts:
        return record
    told = {name for name in FIELDS if any(_is_told(one, key) for one in _found(record, name))}
    if not told:
        return record
    return _left(record, [one for one in record.what.doubts if field_of(one) not in told | {NUMBER}])


def _is_told(found: Found[Any], key: str) -> bool:
    return any(evidence.message == key and not evidence.rule.startswith("sender.") for evidence in found.evidence)


def answered(record: ComplaintRecord, text: str, *, key: str) -> ComplaintRecord:
    """The record with its only doubt made a fact, where ``text`` is nothing but a yes or the number; else unchanged."""
    if len(record.what.doubts) != 1:
        return record
    (doubt,) = record.what.doubts
    if is_whole(doubt) and _YES.fullmatch(text.strip()):
        start, end, value = 0, len(text), doubt.value
    elif (bare := _BARE.fullmatch(text)) and field_of(doubt) != "dates" and mask(text) == text:
        start, end = bare.span("number")
        value = re.sub(r"[ -]", "", bare["number"])
        if field_of(doubt) == "amounts":
            value = f"{value} {doubt.value.partition(' ')[2]}".strip()
    else:
        return record
    evidence = Evidence(message=key, rule="answer", start=start, end=end, quote=text[start:end], confidence=CONFIRMED)
    return decided(record, doubt, value, evidence)


def by_agent(record: ComplaintRecord, doubt: Found[str], value: str) -> ComplaintRecord:
    """The record with a doubt decided by a person who listened; an empty ``value`` says that it was no such number."""
    heard = doubt.evidence[0]
    return decided(record, doubt, value, msgspec.structs.replace(heard, rule=BY_AGENT, confidence=1.0))


def decided(record: ComplaintRecord, doubt: Found[str], value: str, evidence: Evidence) -> ComplaintRecord:
    """The record with the doubt gone and ``value`` (unless empty) in its field; a bare number becomes an order number."""
    record = _left(record, [one for one in record.what.doubts if one != doubt])
    if not value:
        return record
    field = field_of(doubt) if field_of(doubt) in FIELDS else FIELDS[0]
    fact: Found[Any] = Found(value=_typed(field, value), evidence=(*doubt.evidence, evidence))
    part = "who" if field == "phones" else "what"
    joined = merge.join(_found(record, field), (fact,))
    return msgspec.structs.replace(record, **{part: msgspec.structs.replace(getattr(record, part), **{field: joined})})


def told(before: ComplaintRecord, after: ComplaintRecord) -> str:
    """The number that :func:`answered` made a fact, in words."""
    known = list(map(_text, _values(before)))
    return next((text for text in map(_text, _values(after)) if text not in known), "")


def _typed(field: str, value: str) -> Any:
    if field == "amounts":
        amount, _, currency = value.partition(" ")
        return Money(amount=amount, currency=currency)
    return Moment(iso=value) if field == "dates" else value


def _left(record: ComplaintRecord, doubts: list[Found[str]]) -> ComplaintRecord:
    return msgspec.structs.replace(record, what=msgspec.structs.replace(record.what, doubts=tuple(doubts)))


def _found(record: ComplaintRecord, field: str) -> tuple[Found[Any], ...]:
    found: tuple[Found[Any], ...] = getattr(record.who if field == "phones" else record.what, field)
    return found


def _values(record: ComplaintRecord) -> Iterable[Any]:
    return (one.value for name in FIELDS for one in _found(record, name))
