"""A number that was not heard well is a question: it is never a fact until somebody says what it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from channels.base import Inbound, Sender
from normalizer import doubts
from normalizer.normalize import normalize
from normalizer.record import BY_AGENT, ComplaintRecord
from normalizer.rules import Rules
from transcription.base import Segment, Transcript, Word
from transcription.numbers import with_digits

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def heard(*said: tuple[str, float], speaker: str = "customer") -> Transcript:
    """Words with their confidence, half a second each, without pauses."""
    words = tuple(Word(text=t, start=n / 2, end=n / 2 + 0.5, confidence=c) for n, (t, c) in enumerate(said))
    segment = Segment(speaker=speaker, start=0.0, end=len(said) / 2, text="", words=words)
    return with_digits(Transcript(recording="r" * 64, language="en", model="m", duration=9.0, segments=(segment,)))


def sure(text: str) -> list[tuple[str, float]]:
    return [(word, 1.0) for word in text.split()]


def say(rules: Rules, text: str = "", *, n: int = 1, so_far: Any = None, transcript: Any = None) -> ComplaintRecord:
    message = Inbound(
        channel="api", account="a", external_id=f"m{n}", thread="t", sender=Sender(id="x"), at=AT, text=text
    )
    return normalize(
        message, key=f"api/a/m{n}", rules=rules, received_at=AT, processed_at=AT, conversation="c",
        so_far=so_far, transcript=transcript,
    )  # fmt: skip


NUMBER = [*sure("my order number is four seven"), ("one", 0.4), *sure("one i want a refund")]
GAP = [*sure("my order number is four seven"), ("…", 0.0), *sure("one one i want a refund")]
EDGE = [*sure("my order number is four seven one one"), ("…", 0.0), *sure("i want a refund")]


def test_a_doubtful_number_is_no_fact_and_says_what_it_would_be(rules: Rules) -> None:
    record = say(rules, transcript=heard(*NUMBER))
    assert record.what.order_numbers == ()
    (doubt,) = record.what.doubts
    assert (doubt.value, doubts.field_of(doubt), doubts.is_whole(doubt)) == ("4711", "order_numbers", True)
    (evidence,) = doubt.evidence
    assert (evidence.message, evidence.from_second, evidence.to_second) == ("r" * 64, 2.0, 4.0)
    assert evidence.confidence == 0.4


@pytest.mark.parametrize(("said", "value"), [(GAP, "47…11"), (EDGE, "4711…")])
def test_a_number_with_something_missing_is_not_taken_for_a_shorter_one(rules: Rules, said: Any, value: str) -> None:
    record = say(rules, transcript=heard(*said))
    assert record.what.order_numbers == ()
    (doubt,) = record.what.doubts
    assert (doubt.value, doubts.field_of(doubt), doubts.is_whole(doubt)) == (value, "order_numbers", False)
    assert doubts.answered(record, "yes", key="k") == record, "there is nothing to say yes to"


def test_what_was_heard_well_leaves_no_doubt(rules: Rules) -> None:
    record = say(rules, transcript=heard(*sure("my order number is four seven one one")))
    assert [o.value for o in record.what.order_numbers] == ["4711"]
    assert record.what.doubts == ()
    assert say(rules, transcript=heard(*sure("i have"), ("two", 0.3), *sure("dogs"))).what.doubts == ()


def test_the_agents_doubtful_words_are_nobodys_question(rules: Rules) -> None:
    assert say(rules, transcript=heard(*NUMBER, speaker="agent")).what.doubts == ()


def test_a_written_number_settles_it(rules: Rules) -> None:
    record = say(rules, transcript=heard(*NUMBER))
    record = say(rules, "No, the order number is 4771", n=2, so_far=record)
    assert [o.value for o in record.what.order_numbers] == ["4771"]
    assert record.what.doubts == ()


def test_other_words_leave_it_open(rules: Rules) -> None:
    record = say(rules, transcript=heard(*NUMBER))
    assert say(rules, "Please hurry up.", n=2, so_far=record).what.doubts == record.what.doubts


@pytest.mark.parametrize("text", ["yes", "Yes.", "that's right", "对", "是的。", "沒錯"])
def test_a_yes_makes_it_a_fact_with_both_pieces_of_evidence(rules: Rules, text: str) -> None:
    record = doubts.answered(say(rules, transcript=heard(*NUMBER)), text, key="api/a/m2")
    (order,) = record.what.order_numbers
    assert order.value == "4711"
    assert [e.rule for e in order.evidence] == ["doubt.order_numbers", "answer"]
    assert record.what.doubts == ()


@pytest.mark.parametrize("text", ["no", "yes but it is late", "", "不对"])
def test_anything_else_does_not(rules: Rules, text: str) -> None:
    record = say(rules, transcript=heard(*NUMBER))
    assert doubts.answered(record, text, key="k") == record


@pytest.mark.parametrize("text", ["4771", " 4771. ", "No, 4 7 7 1", "不对，是4771"])
@pytest.mark.parametrize("said", [NUMBER, GAP])
def test_the_bare_number_is_an_answer(rules: Rules, text: str, said: Any) -> None:
    before = say(rules, transcript=heard(*said))
    record = doubts.answered(before, text, key="api/a/m2")
    (order,) = record.what.order_numbers
    assert order.value == doubts.told(before, record) == "4771"
    evidence = order.evidence[-1]
    assert (evidence.rule, text[evidence.start : evidence.end]) == ("answer", evidence.quote)
    assert record.what.doubts == ()


def test_a_card_number_is_no_answer(rules: Rules) -> None:
    record = say(rules, transcript=heard(*GAP))
    assert doubts.answered(record, "4111 1111 1111 1111", key="k") == record


def test_a_person_who_listened_decides(rules: Rules) -> None:
    record = say(rules, transcript=heard(*GAP))
    (doubt,) = record.what.doubts
    told = doubts.by_agent(record, doubt, "47311")
    assert [o.value for o in told.what.order_numbers] == ["47311"]
    assert told.what.order_numbers[0].evidence[-1].rule == BY_AGENT
    assert told.what.doubts == ()
    none = doubts.by_agent(record, doubt, "")
    assert (none.what.order_numbers, none.what.doubts) == ((), ())


def test_heard_again_it_is_not_doubled_and_a_clear_repeat_settles_it(rules: Rules) -> None:
    record = say(rules, transcript=heard(*NUMBER))
    assert say(rules, transcript=heard(*NUMBER), so_far=record).what.doubts == record.what.doubts
    twice = heard(*NUMBER, *sure("i repeat my order number is four seven one one"))
    record = say(rules, transcript=twice)
    assert [o.value for o in record.what.order_numbers] == ["4711"]
    assert record.what.doubts == ()


def test_it_survives_being_stored(rules: Rules) -> None:
    record = say(rules, transcript=heard(*NUMBER))
    assert msgspec.json.decode(msgspec.json.encode(record), type=ComplaintRecord) == record
