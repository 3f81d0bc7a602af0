"""Conversations written as customers write, played by the runner of ``allears bot test``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.check import check
from bot.knowledge import Knowledge, parse
from gateway.library import knowledge_files
from gateway.script import ScriptError, read, run
from normalizer.rules import Rules

EXAMPLE = Path(__file__).parents[2] / "bot" / "examples" / "actions.yaml"
ACTIONS = sorted((Path(__file__).parent / "actions").glob("*.txt"))
FILES = sorted((Path(__file__).parent / "conversations").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_goes_as_written(file: Path, knowledge: Knowledge, rules: Rules) -> None:
    result = run(file.read_text(encoding="utf-8"), file.name, knowledge, rules)
    assert not result.failures, "\n".join(map(str, result.failures))


@pytest.fixture(scope="session")
def shop_with_actions() -> Knowledge:
    """The example that comes with Allears, without the sample shop."""
    files = {name: text for name, text in knowledge_files(None).items() if not name.startswith("sample/")}
    return parse(files | {"actions.yaml": EXAMPLE.read_text(encoding="utf-8")})


def test_the_example_of_actions_is_clean(shop_with_actions: Knowledge) -> None:
    assert not [str(finding) for finding in check(shop_with_actions)]


@pytest.mark.parametrize("file", ACTIONS, ids=lambda file: file.stem)
def test_actions_go_as_written(file: Path, shop_with_actions: Knowledge, rules: Rules) -> None:
    result = run(file.read_text(encoding="utf-8"), file.name, shop_with_actions, rules)
    assert not result.failures, "\n".join(map(str, result.failures))


def test_every_entry_is_reached_by_some_conversation(knowledge: Knowledge, rules: Rules) -> None:
    reached = {
        entry for file in FILES for entry in run(file.read_text(encoding="utf-8"), file.name, knowledge, rules).entries
    }
    assert knowledge.entries.keys() - reached == set()


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("> 转人工\n< [opening-hours]\n! request", "[opening-hours]"),
        ("> 转人工", "! no hand-off"),
        ("> how do I pay?\n! anger", "! anger"),
        ("> how do I pay?\n< -", "-"),
        ("> how do I pay?\n= refund", "= refund"),
    ],
)
def test_a_wrong_expectation_fails(script: str, wanted: str, knowledge: Knowledge, rules: Rules) -> None:
    failures = run(script, "f.txt", knowledge, rules).failures
    assert wanted in [failure.wanted for failure in failures]


@pytest.mark.parametrize("script", ["< before anyone spoke", "hello", "@ colour red\n> hi", "> \n<", "* perhaps"])
def test_what_is_no_conversation_names_its_line(script: str) -> None:
    with pytest.raises(ScriptError, match=r"f\.txt:[12]: "):
        read(script, "f.txt")
