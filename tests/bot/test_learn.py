"""When the bot may answer is learned from the author's own examples, and only promised where it was shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot import calibration as files
from bot import learn
from bot.acceptor import Calibration
from bot.knowledge import Knowledge, KnowledgeError, parse
from bot.learn import Practice
from bot.report import lines, report
from bot.signals import Signals
from gateway.cli.main import main
from gateway.library import knowledge_files

THINGS = "bicycle kettle carpet mirror lantern curtain pillow ladder basket hammer helmet guitar violin pencil saddle".split()
FORMS = (
    "how do I clean a {}", "what is the best way to clean my {}", "can you clean the {}", "my {} is dirty what can I do",
    "cleaning a {} at home", "is there a way of cleaning the {}", "please tell me how to clean this {}",
    "the {} needs cleaning how do I do that", "dirt on my {}", "which soap cleans a {}",
)  # fmt: skip


def _shop(things: list[str] = THINGS, forms: tuple[str, ...] = FORMS, strict: str = "false") -> dict[str, str]:
    entries = "".join(
        f"  - id: {thing}\n    title: {{en: The {thing}}}\n    strict: {strict}\n    patterns: [{{all: [[{thing}], [clean*]]}}]\n"
        f"    examples: {{en: {[form.format(thing) for form in forms]!r}}}\n    answer: {{en: Use a cloth for the {thing}.}}\n"
        for thing in things
    )
    return {
        **{k: v for k, v in knowledge_files(None).items() if not k.startswith("sample/")},
        "shop.yaml": "entries:\n" + entries,
    }


def _practice(knowledge: Knowledge) -> Practice:
    practice = learn.practise(knowledge.questions, knowledge.table, {})
    assert practice is not None
    return practice


def _calibration(knowledge: Knowledge, precision: float = 0.9) -> Calibration:
    digest = files.digest(knowledge.questions)
    return learn.calibrate(
        _practice(knowledge), digest=digest, fires=lambda entry, text: entry in text, precision=precision
    )


@pytest.fixture(scope="module")
def shop() -> Knowledge:
    return parse(_shop())


@pytest.fixture(scope="module")
def calibrated(shop: Knowledge) -> Knowledge:
    return parse({**_shop(), "calibration.yaml": files.write(_calibration(shop))})


def test_two_dozen_curves_at_most(shop: Knowledge) -> None:
    assert len(_calibration(shop).acceptor.curves) <= 24


def test_the_same_examples_give_the_same_calibration_in_any_order(shop: Knowledge) -> None:
    turned = {entry: texts[::-1] for entry, texts in reversed(shop.questions.items())}
    one, two = (learn.practise(each, shop.table, {}) for each in (shop.questions, turned))
    assert one is not None
    assert two is not None
    said = [learn.calibrate(each, digest="", fires=lambda e, t: False, precision=0.9) for each in (one, two)]
    assert said[0] == said[1]


def test_entries_are_left_out_and_their_questions_have_no_right_answer(shop: Knowledge) -> None:
    trials = _practice(shop).trials
    assert {each.of for each in trials if not each.entry} == set(THINGS)
    assert not any(each.right for each in trials if not each.entry)
    assert all(each.found != each.of for each in trials if not each.entry)


def test_it_is_read_back_as_written(shop: Knowledge) -> None:
    learned = _calibration(shop)
    again = parse({**_shop(), "calibration.yaml": files.write(learned)}).acceptance
    assert again is not None
    assert again.alone == pytest.approx(learned.alone, abs=1e-5)
    signals = Signals(*[0.5] * len(Signals._fields))
    assert again.acceptor.confidence(signals) == pytest.approx(learned.acceptor.confidence(signals), abs=1e-4)


def test_a_changed_example_makes_it_out_of_date(shop: Knowledge) -> None:
    written = files.write(_calibration(shop))
    changed = _shop(forms=(*FORMS[:-1], "soap for a {}"))
    knowledge = parse({**changed, "calibration.yaml": written})
    assert knowledge.calibration is not None
    assert knowledge.acceptance is None


@pytest.mark.parametrize("table", ["{weights: {head: [1, 2, 3]}}", "{curves: {head: [0, 0, 1, 1]}}"])
def test_one_of_an_earlier_version_is_as_good_as_none(table: str) -> None:
    assert parse({**_shop(), "calibration.yaml": f"calibration: {table}"}).acceptance is None


@pytest.mark.parametrize(
    ("things", "forms", "why"),
    [
        (THINGS[:5], FORMS, "too few"),
        (THINGS, FORMS[:4], "fewer than"),
        (THINGS, ("{0} x", *["help with it please"] * 9), ""),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(things: list[str], forms: tuple[str, ...], why: str) -> None:
    refused = _calibration(parse(_shop(things, forms)), 0.98)
    assert refused.alone is None
    assert refused.refused
    assert why in refused.refused


def test_a_refused_calibration_never_answers_without_the_rule(say: Callable[..., object]) -> None:
    knowledge = parse(_shop(THINGS[:5]))
    refused = parse({**_shop(THINGS[:5]), "calibration.yaml": files.write(_calibration(knowledge))})
    text = "is there dirt on my kettle"  # the rule wants `clean`
    assert say(text, knowledge=knowledge).entry == "kettle"  # type: ignore[attr-defined]
    decision = say(text, knowledge=refused)
    assert decision.entry == ""  # type: ignore[attr-defined]
    assert any("never answers" in step.detail for step in decision.trace)  # type: ignore[attr-defined]


def test_a_sure_question_is_answered_without_the_rule_a_strange_one_is_not(
    calibrated: Knowledge, say: Callable[..., object]
) -> None:
    assert calibrated.acceptance is not None
    assert calibrated.acceptance.alone is not None
    assert say("is there dirt on my kettle", knowledge=calibrated).entry == "kettle"  # type: ignore[attr-defined]
    assert say("how do I clean a spaceship", knowledge=calibrated).entry == ""  # type: ignore[attr-defined]


def test_the_report_names_what_is_confused() -> None:
    knowledge = parse(_shop())
    parcels = {
        "one": [f"parcel to {thing} town" for thing in THINGS[::2]],
        "two": [f"parcel to {x} town" for x in THINGS[1::2]],
    }
    practice = learn.practise({**knowledge.questions, **parcels}, knowledge.table, {})
    assert practice is not None
    learned = learn.calibrate(practice, digest="", fires=lambda e, t: False, precision=0.9)
    found = report(practice, learned)
    assert {("one", "two"), ("two", "one")} & {(each.entry, each.other) for each in found.confused}
    assert any("held-out" in line for line in lines(found, learned))


@pytest.mark.parametrize(
    "table",
    [
        "{precision: much}",
        "{unknown: 1}",
        "[]",
        "{curves: {" + ", ".join(f"{name}: [1, 0.5, 1, 2]" for name in Signals._fields) + "}}",
        "{curves: {" + ", ".join(f"{name}: [1, 2, 3]" for name in Signals._fields) + "}}",
    ],
)
def test_a_spoilt_file_is_a_problem(table: str) -> None:
    with pytest.raises(KnowledgeError):
        parse({"calibration.yaml": f"calibration: {table}"})


def test_calibrate_writes_the_file_and_why_shows_the_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.yaml").write_text(_shop()["shop.yaml"], encoding="utf-8")
    assert main(["bot", "calibrate", "--knowledge", str(tmp_path), "--precision", "0.9"]) == 0
    assert "held-out questions" in capsys.readouterr().out
    assert main(["bot", "why", "--knowledge", str(tmp_path), "how do I clean my kettle"]) == 0
    out = capsys.readouterr().out
    assert "kettle (its rule fires)" in out
    assert "confidence" in out
    (tmp_path / "more.yaml").write_text(_shop(["zeppelin"])["shop.yaml"], encoding="utf-8")
    main(["bot", "check", "--knowledge", str(tmp_path)])
    assert "calibrate` again" in capsys.readouterr().out


def test_the_sample_is_not_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bot", "calibrate"]) == 1
    assert "--dry-run" in capsys.readouterr().err
