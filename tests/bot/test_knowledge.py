"""Reading knowledge files: what is wrong is named with file and line, all of it together."""

from __future__ import annotations

import time

import pytest

from bot.knowledge import KnowledgeError, parse
from bot.template import condition, plain

GOOD = """\
entries:
  - id: hours
    title: {en: Hours}
    patterns:
      - any: [opening hours]
    examples: {en: [what are your opening hours]}
    answer: {en: Nine to five.}
"""


def _problems(text: str, **more: str) -> list[str]:
    with pytest.raises(KnowledgeError) as caught:
        parse({"a.yaml": text, **more})
    return [str(problem) for problem in caught.value.problems]


def test_a_good_file_is_read() -> None:
    knowledge = parse({"a.yaml": GOOD})
    assert knowledge.entries["hours"].answer["en"].say({}) == "Nine to five."
    assert knowledge.entries["hours"].line == 2
    assert "hours" in knowledge.matcher.scan(knowledge.utterance("your Opening Hours?")).fired


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("id: hours", "id: Hours!", 2, "cannot be an id"),
        ("    title", "    titel", 3, "unknown key `titel`"),
        ("any: [opening hours]", "any: []", 5, "group without words"),
        ("any: [opening hours]", "regex: (a+)+", 5, "unknown key `regex`"),
        ("opening hours]", "'*']", 5, "matches everything"),
        ("opening hours]", "a*]", 5, "one Latin letter"),
        ("opening hours]", "x" * 61 + "]", 5, "longer than"),
        ("answer: {en", "answer: {de", 7, "no language `de`"),
        ("Nine to five.", "'{secret}'", 2, "{secret}"),
        ("    answer", "    then: nowhere\n    answer", 2, "`nowhere`, which does not exist"),
        ("    answer", "    covers: all\n    answer", 7, "none of enquiry"),
        ("    answer", "    strict: maybe\n    answer", 7, "`true` or `false`"),
        ("    answer", "    allow_risks: [bear]\n    answer", 2, "no risk `bear`"),
        ("    answer", "    slots: [{name: number, ask: {en: x}}]\n    answer", 7, "cannot be the name of a slot"),
        ("{en: Nine to five.}", "{en: [{when: sunny, say: x}]}", 7, "is no condition"),
        ("id: hours", "id: [1", 3, "not YAML"),
        ("id: hours", "id: &a hours\n    quick_replies: [*a]", 3, "aliases"),
    ],
)
def test_a_fault_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    problems = _problems(GOOD.replace(old, new, 1))
    assert any(problem.startswith(f"a.yaml:{line}: ") and says in problem for problem in problems), problems


def test_all_faults_are_told_together() -> None:
    problems = _problems(GOOD + GOOD.split("\n", 1)[1].replace("patterns", "pattern"), **{"b.yaml": "enties: []"})
    assert any("already used in a.yaml:2" in problem for problem in problems)
    assert any("unknown key `pattern`" in problem for problem in problems)
    assert any(problem.startswith("b.yaml:1: ") for problem in problems)


def test_a_later_file_overrides_a_phrase() -> None:
    one, two = "phrases: {en: {thanks: You are welcome.}}", "phrases: {en: {thanks: Any time.}}"
    assert parse({"1.yaml": one, "2.yaml": two}).phrase("thanks", "en") == "Any time."


def test_a_missing_language_falls_back() -> None:
    knowledge = parse({"a.yaml": "phrases: {zh-Hans: {thanks: 不客气}}"})
    assert knowledge.phrase("thanks", "zh-Hant") == "不客气"
    assert knowledge.phrase("unknown", "en") == ""


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "a: " * 3000, "- " * 5000, "&a [*a, *a]", "\x00", "{" * 100_000, "? " * 1000],
    ids=lambda text: text[:6],
)
def test_hostile_yaml_is_refused_quickly(text: str) -> None:
    start = time.process_time()
    assert _problems(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("source", "variables", "open_now", "holds"),
    [
        ("", {}, True, True),
        ("open", {}, False, False),
        ("closed", {}, False, True),
        ("has order_number", {"order_number": "1"}, True, True),
        ("lacks order_number", {"order_number": "1"}, True, False),
        ("colour is Red", {"colour": "red"}, True, True),
    ],
)
def test_conditions(source: str, variables: dict[str, str], open_now: bool, holds: bool) -> None:
    assert condition(source).holds(variables, open_now) is holds


def test_a_value_is_not_filled_in_twice() -> None:
    assert plain("{a}").say({"a": "{b}", "b": "secret"}) == "{b}"
