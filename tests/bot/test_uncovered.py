"""A thousand complaints in the style of real ones, written for this project: the sample shop has no answer to any of them."""

from __future__ import annotations

from importlib import resources

import pytest

from bot.decision import Decision
from bot.knowledge import Knowledge
from gateway.rehearsal import Rehearsal
from normalizer.rules import Rules

FOLDER = resources.files("bot").joinpath("sample").joinpath("uncovered")
LANGUAGES = {"zh-Hans": 400, "zh-Hant": 200, "en": 350}
#: What may be said without a person being called: a question back.
_ASKS_BACK = {"@which", "@miss"}


def texts(language: str) -> list[str]:
    return FOLDER.joinpath(f"{language}.txt").read_text(encoding="utf-8").splitlines()


def _decided(language: str, knowledge: Knowledge, rules: Rules) -> dict[str, Decision]:
    return {text: Rehearsal(knowledge, rules).say(text) for text in texts(language)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_none_is_answered_by_an_entry(language: str, knowledge: Knowledge, rules: Rules) -> None:
    answered = {text: made.entry for text, made in _decided(language, knowledge, rules).items() if made.entry}
    assert answered == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_gets_a_person_or_a_question_back(language: str, knowledge: Knowledge, rules: Rules) -> None:
    decided = _decided(language, knowledge, rules)
    odd = {
        text: [reply.entry for reply in made.replies]
        for text, made in decided.items()
        if made.handoff is None and not {reply.entry for reply in made.replies} & _ASKS_BACK
    }
    assert odd == {}


@pytest.mark.parametrize(("language", "fewest"), LANGUAGES.items())
def test_there_are_enough_and_each_is_its_own(language: str, fewest: int) -> None:
    found = texts(language)
    assert len(found) >= fewest
    assert len(set(found)) == len(found)
    assert sum(len(texts(each)) for each in LANGUAGES) >= 1000
