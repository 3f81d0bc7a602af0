"""Data files: errors with file and line, and a user's own words."""

from __future__ import annotations

import pytest

from normalizer.lexicon import find
from normalizer.mask import mask
from normalizer.rules import Rules, RulesError, compile_rules
from normalizer.source import Source

BROKEN = [
    ("demands.yaml", "refund:\n  words: [退款]\nrefnd:\n  words: [x]\n", "demands.yaml:4: `refnd` is not known"),
    ("demands.yaml", "refund:\n  wrds: [退款]\n", "demands.yaml:2: `wrds` is not known"),
    ("demands.yaml", "refund: [退款\n", "demands.yaml:"),
    ("risks.yaml", "fire:\n  words:\n    - 起火\n    - {a: b}\n", "risks.yaml:4: expected one word"),
    (
        "risks.yaml",
        "fire:\n  words: [起火]\nfire:\n  words: [着火]\n",
        "risks.yaml:3: `fire` stands here for the second time",
    ),
    ("kinds.yaml", "", "kinds.yaml:1: the file is empty"),
    ("sentiment.yaml", "positive:\n  words: ['\u200b']\n", "sentiment.yaml:2: nothing is left"),
    (
        "identifiers.yaml",
        "order:\n  field: order_numbers\n  patterns: ['(a+)+b']\n",
        "identifiers.yaml:3: the pattern can take for ever",
    ),
    ("identifiers.yaml", "order:\n  field: order_numbers\n  patterns: ['(']\n", "identifiers.yaml:3: not a pattern"),
    ("identifiers.yaml", "order:\n  field: numbers\n", "identifiers.yaml:2: `field` is one of"),
    ("identifiers.yaml", "order:\n  digits: x\n  field: none\n", "identifiers.yaml:2: expected a number"),
    (
        "characters.yaml",
        "traditional: 麼么\nsimplified: 么幺\nsimplified_only: 么\ntraditional_only: 麼\n",
        "characters.yaml:2: 么 is folded to and folded itself",
    ),
    ("currencies.yaml", "XXX: {code: XXX}\n", "currencies.yaml:1: `words` is missing"),
    ("moments.yaml", 'holiday:\n  "13th": [feast]\n', "moments.yaml:2: `13th` is no feast day"),
]


@pytest.mark.parametrize(("name", "text", "message"), BROKEN)
def test_errors_name_file_and_line(files: dict[str, str], name: str, text: str, message: str) -> None:
    with pytest.raises(RulesError) as err:
        compile_rules({**files, name: text})
    assert message in str(err.value)


def test_a_missing_file_is_named(files: dict[str, str]) -> None:
    with pytest.raises(RulesError, match=r"risks\.yaml:1: the file is missing"):
        compile_rules({name: text for name, text in files.items() if name != "risks.yaml"})


def test_a_users_own_category(files: dict[str, str]) -> None:
    own = compile_rules(
        {**files, "folder/categories.yaml": "garden:\n  words: [lawn mower]\n  under:\n    blade: {words: [blade*]}\n"}
    )
    assert own.categories == ("garden", "garden/blade")
    assert [hit.label for hit in Source("the lawn mower blades", "k", own).hits["categories"]] == [
        "garden",
        "garden/blade",
    ]


def test_longest_word_wins_and_shields_hide(rules: Rules) -> None:
    hits = Source("非常不满意，不过不错", "k", rules).hits
    assert [h.rule.rsplit(":", 1)[1] for h in find(hits, "sentiment", "negative") if h.weight >= 1] == ["不满意"]


def test_latin_words_match_whole_words_only(rules: Rules) -> None:
    assert "risks" not in Source("a bonfire of the misfired", "k", rules).hits


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 4111 1111 1111 1111 please", "card **** **** **** 1111 please"),
        ("身份证110101199003070011", "身份证**************0011"),
        ("１１０１０１１９９００３０７００１１", "*" * 14 + "００１１"),
        ("卡4111\u200b1111\u200b1111\u200b1111", "卡****\u200b****\u200b****\u200b1111"),
        ("order 1234567890123456", "order 1234567890123456"),
        ("call 13812345678", "call 13812345678"),
        ("nothing here", "nothing here"),
        ("订单号4111111111111111", "订单号4111111111111111"),
        ("order no. 4111111111111111", "order no. 4111111111111111"),
        ("订单号110101199003070011", "订单号**************0011"),
        ("8432101234567897", "8432101234567897"),
        ("card 4\u200b1\u200b1\u200b1\u200b1111 1111 1111", "card *\u200b*\u200b*\u200b*\u200b**** **** 1111"),
        ("D\u200bE89370400440532013000", "*\u200b*****************3000"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN **** **** **** **** ***0 00"),
    ],
)
def test_mask(text: str, shown: str) -> None:
    assert mask(text) == shown
