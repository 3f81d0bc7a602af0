"""What ``bot check`` tells the author."""

from __future__ import annotations

import pytest

from bot.check import check
from bot.knowledge import Knowledge, parse

ENTRY = """\
  - id: {id}
    title: {{en: {id}}}
    patterns: [{{any: [{word}]}}]
    examples: {{en: [{word} one, {word} two, {word} three, {word} four, {word} five, {word} six, {word} seven, {word} eight]}}
    answer: {{en: {answer}}}
    {more}
"""


def _kinds(*entries: str) -> set[str]:
    return {finding.kind for finding in check(parse({"a.yaml": "entries:\n" + "".join(entries)}))}


def _entry(id: str = "a", word: str = "apple", answer: str = "Yes.", more: str = "") -> str:
    return ENTRY.format(id=id, word=word, answer=answer, more=more)


ACTION = """
actions:
  pay:
    system: shop
    effect: money
    send: [order_number, amount]
    amount: amount
    limit: 100 CNY
    confirm: {en: "Pay {amount} for {order_number}?"}
"""
PAYS = _entry(
    more="""action: pay
    slots:
      - {name: order_number, type: order_number, ask: {en: Which?}}
      - {name: amount, type: amount, ask: {en: How much?}}"""
)


def test_an_action_within_a_limit_that_the_customer_confirms_is_safe() -> None:
    assert check(parse({"a.yaml": f"{ACTION}\nentries:\n{PAYS}"})) == []


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("limit: 100 CNY", "", "unsafe"),
        ("limit: 100 CNY", "limit: 100 CNY\n    approve: never", "unsafe"),
        ("amount: amount", "", "unsafe"),
        ('confirm: {en: "Pay {amount} for {order_number}?"}', "", "unsafe"),
        ("type: amount", "type: text", "unsafe"),
        ("send: [order_number, amount]", "send: [order_number, amount, email]", "stranding"),
        ("action: pay\n", "then: nothing\n", "unreachable"),
    ],
)
def test_an_unsafe_action_is_refused(old: str, new: str, kind: str) -> None:
    text = f"{ACTION}\nentries:\n{PAYS}"
    assert old in text
    found = check(parse({"a.yaml": text.replace(old, new)}))
    assert kind in {finding.kind for finding in found}


def test_the_sample_is_clean(knowledge: Knowledge) -> None:
    assert not [str(finding) for finding in check(knowledge)]


def test_a_clean_entry_has_no_finding() -> None:
    assert _kinds(_entry()) == set()


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ([_entry().replace("[apple]", "[pear]")], "unreachable"),
        ([_entry().replace("apple one", "banana")], "rule"),
        ([_entry(), _entry("b")], "conflict"),
        ([_entry("a"), _entry("b", "pear").replace("any: [pear]", "any: [apple, pear]")], "shadowed"),
        ([_entry("a", more="then: b"), _entry("b", "pear", more="then: a")], "loop"),
        ([_entry(more="covers: complaint")], "stranding"),
        ([_entry(answer="[{when: open, say: Yes}]")], "stranding"),
        ([_entry(answer='"Order {order_number} is fine."')], "stranding"),
        ([_entry(answer="We refund you 50 yuan.")], "promise"),
        ([_entry(), _entry("b", "pear").replace("en: Yes.", "zh-Hans: 是")], "translation"),
        ([_entry().replace("apple one, ", "")], "examples"),
        ([_entry(word="human please")], "shadowed"),
    ],
)
def test_findings(entries: list[str], kind: str) -> None:
    text = "entries:\n" + "".join(entries)
    words = "words: {human: [{any: [human please]}]}"
    found = check(parse({"a.yaml": text, "w.yaml": words}))
    assert kind in {finding.kind for finding in found}, found
    assert all(finding.line for finding in found if finding.kind == kind)
