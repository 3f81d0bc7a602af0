"""Both keys and the guards: the author's questions are answered, complaints are not."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from bot.knowledge import Knowledge, parse
from bot.patterns import GAP, PatternError, word
from gateway.rehearsal import Rehearsal
from normalizer.rules import Rules

DATA = Path(__file__).parents[3] / "shared" / "data"


def test_every_example_of_the_sample_reaches_its_entry(knowledge: Knowledge, rules: Rules) -> None:
    """With the record that the normalizer makes of it: a question that names a refund is no complaint."""
    lost = [
        (entry.id, text)
        for entry in knowledge.entries.values()
        for texts in entry.examples.values()
        for text in texts
        if (decision := Rehearsal(knowledge, rules).say(text)).state.entry != entry.id and decision.entry != entry.id
    ]
    assert not lost


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("hi, could you tell me which payment methods you accept?", "payment-methods"),
        ("请问一下退款一般要几天才能到账呀", "refund-time"),
        ("想問一下運費是怎麼算的呢", "shipping-cost"),
        ("我的 refund 几天能到账", "refund-time"),
    ],
)
def test_other_words_for_the_same_are_answered(text: str, entry: str, knowledge: Knowledge, rules: Rules) -> None:
    assert Rehearsal(knowledge, rules).say(text).entry == entry


@pytest.mark.parametrize(
    "text",
    [
        "I can not pay, your page fails every time",
        "why was my order cancelled",
        "退款都一个月了还没到账",
        "你们一直不发货到底什么时候发货",
        "I want to return it but nobody answers",
        "my account was deleted without asking me",
        "优惠券用不了",
        "积分少了一千分，怎么查",
        "快递员把包裹摔坏了还骂人",
        "how much is the fish",
        "when does the delivery of the baby start",
    ],
)
def test_what_no_entry_covers_is_not_answered(text: str, knowledge: Knowledge, rules: Rules) -> None:
    decision = Rehearsal(knowledge, rules).say(text)
    assert not decision.entry, [step for step in decision.trace if step.rule.startswith("match")]


@pytest.mark.parametrize("simplified", ["怎么退货", "多久能送到", "忘记密码怎么办"])
def test_traditional_and_simplified_are_one(simplified: str, knowledge: Knowledge, rules: Rules) -> None:
    traditional = simplified.translate(str.maketrans("么货时记办", "麼貨時記辦"))
    here, there = (Rehearsal(knowledge, rules).say(text) for text in (simplified, traditional))
    assert here.entry == there.entry != ""


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("refund", "a refund please", True),
        ("refund", "refunded", False),
        ("refund*", "refunded", True),
        ("退货", "我要退货", True),
        ("什么时候*到", "什么时候才能到", True),
        ("什么时候*到", "什么时候" + "啊" * (GAP + 1) + "到", False),
        ("when*arrive", "when will it arrive", True),
    ],
)
def test_words(source: str, text: str, found: bool) -> None:
    knowledge = parse({"a.yaml": f"words: {{x: [{{any: ['{source}']}}]}}"})
    assert ("@x" in knowledge.matcher.scan(knowledge.utterance(text)).fired) is found


def test_a_forbidden_word_stops_a_pattern_wherever_it_stands() -> None:
    knowledge = parse({"a.yaml": "words: {x: [{all: [[pay], [how]], none: [twice]}]}"})
    for text, fires in (("how to pay", True), ("twice how to pay", False), ("how to pay twice", False)):
        assert ("@x" in knowledge.matcher.scan(knowledge.utterance(text)).fired) is fires


@pytest.mark.parametrize("source", ["", "*", "**", "a", "x" * 61, "ab*cd*ef*gh*ij"])
def test_words_that_cannot_be_used(source: str, knowledge: Knowledge) -> None:
    with pytest.raises(PatternError):
        word(source, knowledge.table)


def _texts(path: Path) -> list[str]:
    if not path.exists():
        pytest.skip(f"evaluation data {path} is not here")
    if path.suffix == ".csv":
        with path.open(encoding="utf-8") as file:
            return [row["sentence"] for row in csv.DictReader(file)]
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "name",
    [
        "complaints/citizen-messages-zh/messages.jsonl",
        "complaints/comcast-fcc-en/comcast.jsonl",
        "complaints/cfpb-1000-en/cfpb.jsonl",
    ],
)
def test_real_complaints_are_not_answered_by_the_sample(name: str, knowledge: Knowledge, rules: Rules) -> None:
    """Nobody here wrote them; at most two in a thousand may be taken for one of the shop's questions."""
    texts = _texts(DATA / name)
    answered = [(d.entry, text[:80]) for text in texts if (d := Rehearsal(knowledge, rules).say(text)).entry]
    assert len(answered) <= len(texts) // 500, Counter(entry for entry, _ in answered)
