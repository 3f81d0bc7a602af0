"""Spoken numbers become digits, and words that only sound like numbers do not."""

from __future__ import annotations

import pytest

from transcription.base import Segment, Transcript, Word, readable
from transcription.numbers import numbers, with_digits
from transcription.subtitles import srt, txt, vtt


def words(text: str, confidence: float = 0.9, at: float = 0.0) -> list[Word]:
    return [
        Word(text=word, start=at + n * 0.5, end=at + n * 0.5 + 0.4, confidence=confidence)
        for n, word in enumerate(text.split())
    ]


def segment(text: str, at: float = 0.0, speaker: str = "customer", confidence: float = 0.9) -> Segment:
    said = tuple(words(text, confidence, at))
    return Segment(speaker=speaker, start=said[0].start, end=said[-1].end, text=readable(said), words=said)


def transcript(*segments: Segment) -> Transcript:
    return Transcript(recording="r", language="en", model="m", duration=60.0, segments=segments)


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("my order number is one two three four", ["1234"]),
        ("one double seven oh", ["1770"]),
        ("triple nine one", ["9991"]),
        ("two hundred and five dollars", ["205"]),
        ("one thousand two hundred", ["1200"]),
        ("three million", ["3000000"]),
        ("twenty five dollars", ["25"]),
        ("twenty six eleven double oh", ["261100"]),
        ("two dollars", ["2"]),
        ("three point five", ["3.5"]),
        ("one of them", []),
        ("oh", []),
        ("double", []),
        ("oh no", []),
        ("for you to go", []),
        ("one two and then three four", ["12", "34"]),
        ("一 二 三", ["123"]),
        ("幺 三 八 零 零", ["13800"]),
        ("两 百 五", ["250"]),
        ("三百零五 块", ["305"]),
        ("一万二", ["12000"]),
        ("一万零二", ["10002"]),
        ("两千零二十 元", ["2020"]),
        ("十 块", ["10"]),
        ("二零二六 年 十一 月 二十 号", ["2026", "11", "20"]),
        ("二百 三十 五", ["235"]),
        ("三 月", ["3"]),
        ("一 起", []),
        ("三百 万", ["3000000"]),
        ("一亿 两千万", ["120000000"]),
    ],
)
def test_numbers(said: str, digits: list[str]) -> None:
    assert [number.digits for number in numbers(words(said))] == digits


def test_a_number_knows_its_words_and_seconds() -> None:
    (number,) = numbers(words("it is one two three"))
    assert (number.first, number.last, number.start, number.end) == (2, 5, 1.0, 2.4)


def test_a_number_is_as_sure_as_its_least_sure_word() -> None:
    said = [*words("one two"), Word(text="three", start=1.0, end=1.4, confidence=0.3)]
    assert numbers(said)[0].confidence == 0.3


def test_numbers_stand_in_the_transcript_as_digits() -> None:
    done = with_digits(transcript(segment("my order is one two three please")))
    assert done.segments[0].text == "my order is 123 please"
    assert [word.text for word in done.segments[0].words] == ["my", "order", "is", "123", "please"]


def test_a_doubtful_number_is_marked_and_not_guessed() -> None:
    said = (*words("number is one"), *words("two three", confidence=0.4, at=1.5))
    doubtful = Segment(speaker="", start=0.0, end=3.0, text=readable(said), words=said)
    assert with_digits(transcript(doubtful)).segments[0].text == "number is …"


def test_a_number_read_out_in_groups_is_one_number() -> None:
    done = with_digits(
        transcript(
            segment("it is one two three"),
            segment("yes", at=3.0, speaker="agent"),
            segment("four five", at=4.5),
            segment("six", at=20.0),
        )
    )
    assert [one.text for one in done.segments] == ["it is 12345", "yes", "six"]


def test_a_line_marks_what_was_not_understood_once() -> None:
    assert readable([*words("我 要"), *words("退款 现在", confidence=0.2), *words("please")]) == "我要 … please"


def test_subtitles() -> None:
    done = transcript(segment("hello there"), segment("my order is late", at=3700.0, speaker="agent"))
    assert srt(done).startswith("1\n00:00:00,000 --> 00:00:00,900\ncustomer: hello there\n")
    assert "01:01:40,000 --> 01:01:41,900\nagent: my order is late" in srt(done)
    assert vtt(done).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.900\n<v customer>hello there\n")
    assert txt(done) == "customer: hello there\nagent: my order is late\n"


def test_subtitles_fit_a_screen_and_cannot_carry_markup() -> None:
    done = transcript(segment(" ".join(["<b>word"] * 60)))
    cues = vtt(done).split("\n\n")[1:]
    assert len(cues) > 3
    assert all("<b>" not in cue and len(cue.splitlines()[-1]) < 300 for cue in cues)
