"""The same matter again, and one matter of many: what counts, what does not, and how long it takes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from normalizer import likeness
from normalizer.likeness import Print

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
BLENDER = "The blender arrived broken and nobody answers my letters, I want my money back"
PARCEL = "快递三天没更新了，客服一直说在路上，到底什么时候送到"


def told(
    number: str,
    text: str = "",
    *,
    person: str = "ann",
    minutes: float = 0,
    order: str = "",
    category: str = "",
    root: str = "",
) -> Print:
    return Print(
        number=number,
        at=AT + timedelta(minutes=minutes),
        people=frozenset([person]),
        numbers=frozenset([order] if order else []),
        category=category,
        products=frozenset(),
        grams=likeness.grams(text),
        root=root,
    )


def test_the_same_words_of_the_same_person() -> None:
    found = likeness.repeat(told("B", BLENDER + "!", minutes=60), [told("A", BLENDER)])
    assert found is not None
    assert (found.of, found.times) == ("A", 1)
    assert found.because[0] == "same customer"
    assert found.because[1].startswith("words alike")


def test_of_another_person_they_prove_nothing() -> None:
    assert likeness.repeat(told("B", BLENDER, person="bob"), [told("A", BLENDER)]) is None


def test_the_same_number_in_other_words() -> None:
    found = likeness.repeat(told("B", "还没修好", order="4471", minutes=9), [told("A", BLENDER, order="4471")])
    assert found is not None
    assert found.because == ("same customer", "same number 4471")


def test_another_order_is_another_matter() -> None:
    assert likeness.repeat(told("B", BLENDER, order="2"), [told("A", BLENDER, order="1")]) is None


def test_another_matter_of_the_same_person() -> None:
    assert likeness.repeat(told("B", PARCEL), [told("A", BLENDER)]) is None


def test_long_ago_is_a_new_matter() -> None:
    late = told("B", BLENDER, minutes=likeness.REPEATS_WITHIN.total_seconds() / 60 + 1)
    assert likeness.repeat(late, [told("A", BLENDER)]) is None


def test_the_third_time_names_the_first_case() -> None:
    second = told("B", BLENDER, minutes=1, root="A")._replace(times=1)
    found = likeness.repeat(told("C", BLENDER, minutes=2), [told("A", BLENDER), second])
    assert found is not None
    assert (found.of, found.times) == ("A", 2)


@pytest.mark.parametrize("text", [BLENDER, PARCEL])
def test_a_shortened_or_extended_text_is_alike(text: str) -> None:
    whole = likeness.grams(text)
    for other in (text[: len(text) * 2 // 3], text + " please hurry", text[len(text) // 2 :] + text[: len(text) // 2]):
        assert likeness.alike(whole, likeness.grams(other)) > likeness.ALIKE


OUTAGE = (
    "断网两小时了，上不了网",
    "家里断网了，一直上不了网",
    "网络断了，上不了网怎么办公",
    "小区断网，上不了网",
    "断网！上不了网！",
)


def many(people: int, *, every: float = 10) -> list[Print]:
    return [
        told(f"N{n}", OUTAGE[n % 5], person=f"p{n}", minutes=n * every, category="quality/connection")
        for n in range(people)
    ]


def test_many_people_at_once_are_an_incident() -> None:
    cases = many(5)
    found = likeness.incident(cases[-1], reversed(cases[:-1]), usual=lambda: 0)
    assert found is not None
    assert found.id == "I-N0"
    assert found.cases == ("N0", "N1", "N2", "N3")
    assert found.because[0] == "5 customers"


def test_one_person_five_times_is_none() -> None:
    cases = [case._replace(people=frozenset(["ann"])) for case in many(5)]
    assert likeness.incident(cases[-1], reversed(cases[:-1]), usual=lambda: 0) is None


def test_nor_are_as_many_as_usual() -> None:
    cases = many(6)
    assert likeness.incident(cases[-1], reversed(cases[:-1]), usual=lambda: 1.5) is None


def test_nor_over_a_whole_day() -> None:
    cases = many(6, every=60)
    assert likeness.incident(cases[-1], reversed(cases[:-1]), usual=lambda: 0) is None


def test_nor_different_matters_of_one_category() -> None:
    words = ("alpha router", "cable torn by dog", "modem smokes", "signal gone upstairs", "speed below contract")
    cases = [told(f"N{n}", w, person=f"p{n}", minutes=n, category="quality/connection") for n, w in enumerate(words)]
    assert likeness.incident(cases[-1], reversed(cases[:-1]), usual=lambda: 0) is None


def test_a_later_one_joins_the_known_incident() -> None:
    cases = [case._replace(incident="I-N0") for case in many(5)][1:]
    later = told("Z", OUTAGE[0], person="late", minutes=55, category="quality/connection")
    found = likeness.incident(later, reversed(cases), usual=lambda: 0)
    assert found is not None
    assert found.id == "I-N0"


def test_it_takes_less_than_a_millisecond() -> None:
    cases = many(200, every=0.1)
    mine = [told(f"M{n}", BLENDER + str(n), minutes=n) for n in range(40)]
    new = told("X", OUTAGE[0], person="new", minutes=25, category="quality/connection")
    own = told("Y", PARCEL, minutes=60)
    spent = []
    for _ in range(20):
        before = time.process_time()
        likeness.grams(PARCEL)
        likeness.incident(new, reversed(cases), usual=lambda: 0)
        likeness.repeat(own, mine)
        spent.append(time.process_time() - before)
    assert sorted(spent)[10] < 0.001
