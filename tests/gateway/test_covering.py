"""Which seconds of a recording nobody may hear: card and identity numbers, also those that were heard badly."""

from __future__ import annotations

import pytest

from gateway.covering import MARGIN, covered, spans
from transcription.base import Segment, Transcript, Word

CARD = "four five three two zero one five one one two eight three zero three six six".split()


def heard(*parts: str, speaker: str = "customer", pause: float = 1.0, doubtful: tuple[str, ...] = ()) -> Transcript:
    """One segment a part, each word half a second long, with a pause between the parts."""
    segments, at = [], 0.0
    for part in parts:
        words = []
        for text in part.split():
            sure = 0.3 if text in doubtful or text == "…" else 1.0
            words.append(Word(text=text, start=at, end=at + 0.5, confidence=sure))
            at += 0.5
        who, _, _ = speaker.partition("|")
        segments.append(Segment(speaker=who, start=words[0].start, end=words[-1].end, text=part, words=tuple(words)))
        at += pause
    return Transcript(recording="r", language="en", model="m", duration=at, segments=tuple(segments))


@pytest.mark.parametrize("speaker", ["customer", "agent", ""])
@pytest.mark.parametrize("pause", [0.5, 9.0])
def test_a_card_number_is_one_span_whoever_reads_it_out(speaker: str, pause: float) -> None:
    groups = [" ".join(CARD[n : n + 4]) for n in range(0, 16, 4)]
    transcript = heard("my card is", *groups, "thank you", speaker=speaker, pause=pause)
    said = transcript.segments
    assert spans(transcript) == ((said[1].start - MARGIN, said[4].end + MARGIN),)


@pytest.mark.parametrize(
    "text",
    [
        "我 的 身份证 是 一一零一零一一九九零零三零七四五一四 谢谢",
        "我 的 卡 号 是 四五三二零一五一一二八三零三六六",
        "number " + " ".join([*CARD[:-1], "nine"]),  # one digit wrong: no checksum fits, and still a card's
        "number " + " ".join([*CARD[:7], "…", *CARD[8:]]),
        "number " + " ".join([*CARD[:7], *CARD[8:]]),
    ],
)
def test_numbers_that_are_or_may_be_guarded(text: str) -> None:
    assert len(spans(heard(text))) == 1
    for segment in covered(heard(text)).segments:
        assert not any(sum(c.isdigit() for c in word.text) > 4 for word in segment.words)


@pytest.mark.parametrize(
    "text",
    [
        "my order number is two zero two six one one two two zero zero three three one seven",
        "订单 号 是 二零二六一一二二零零三三一七九九",
        "call me at one three eight zero zero one three eight zero zero zero",
        "it cost one hundred and twenty dollars",
        "i want a refund",
        "my tracking number is four four four four four four four four four four four four four four",
    ],
)
def test_numbers_that_everybody_may_hear(text: str) -> None:
    assert spans(heard(text)) == ()


def test_a_doubtful_digit_does_not_uncover_a_card() -> None:
    assert len(spans(heard("number " + " ".join(CARD), doubtful=("eight",)))) == 1


def test_the_transcript_keeps_the_last_digits() -> None:
    (segment,) = covered(heard("my card " + " ".join(CARD) + " please")).segments
    assert segment.text == "my card ****0366 please"


def test_two_numbers_are_two_spans() -> None:
    text = " ".join(CARD)
    transcript = heard(f"card {text}", "no wait that is my old one", f"it is {text}", pause=2.0)
    assert len(spans(transcript)) == 2
