"""A user's own categories: learnt in seconds, measured on what was not seen, never silently worse."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cli.main import main
from gateway.library import BRAIN, read_rules
from normalizer import brain
from normalizer.brain import Brain, Labelled, Quality
from normalizer.likeness import grams

FRUIT = ("apples", "pears", "cherries", "plums", "grapes", "melons", "lemons", "peaches")
TOOLS = ("hammers", "chisels", "drills", "saws", "planes", "clamps", "files", "pliers")
TALK = ("the {} came late", "my {} are all wrong", "where have the {} gone", "these {} are too small")


#: Digits as letters, so that a hash is one long word.
LETTERS = str.maketrans("0123456789", "ghijklmnop")


def told() -> list[dict[str, str]]:
    return [
        {"text": frame.format(f"{thing} of the {label} counter"), "category": label}
        for label, things in (("orchard", FRUIT), ("workshop", TOOLS))
        for thing in things
        for frame in TALK
    ]


def labels(folder: Path, lines: list[dict[str, str]]) -> str:
    path = folder / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return str(path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    return folder


def test_what_was_learnt_is_used(tmp_path: Path, own: Path, capsys: pytest.CaptureFixture[str], say: Any) -> None:
    assert main(["brain", "train", labels(tmp_path, told()), "--rules", str(own)]) == 0
    assert "right with the model" in capsys.readouterr().out
    learnt = read_rules(own).brain
    assert learnt is not None
    assert learnt.labels == ("orchard", "workshop")
    assert learnt.tell("the cherries of the orchard counter", "")[0] == "orchard"
    assert learnt.quality is not None
    assert learnt.quality.accuracy > 0.9


def test_worse_is_not_kept(tmp_path: Path, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Words that teach nothing about each other, and a model that is there already and knows them all by heart."""
    words = [hashlib.sha256(str(n).encode()).hexdigest().translate(LETTERS) for n in range(20)]
    lines = [{"text": word, "category": "ab"[n % 2]} for n, word in enumerate(words)]
    by_heart: dict[str, tuple[float, ...]] = {
        group: (1.0, -1.0) if line["category"] == "a" else (-1.0, 1.0)
        for line in lines
        for group in grams(line["text"])
    }
    quality = Quality(messages=20, accuracy=1.0, macro_f1=1.0, rules_accuracy=0.0, answered=1.0, precision=1.0)
    kept = msgspec.json.encode(Brain(labels=("a", "b"), weights=by_heart, quality=quality))
    (own / BRAIN).write_bytes(kept)
    assert main(["brain", "train", labels(tmp_path, lines), "--rules", str(own), "--precision", "0.1"]) == 1
    assert (own / BRAIN).read_bytes() == kept
    assert "Not kept" in capsys.readouterr().out


def test_too_few_labels_are_refused(tmp_path: Path, own: Path) -> None:
    assert main(["brain", "train", labels(tmp_path, told()[:4]), "--rules", str(own)]) == 1
    assert not (own / BRAIN).exists()


def test_the_same_labels_give_the_same_model() -> None:
    lines = [Labelled(line["text"], "", line["category"]) for line in told()]
    assert brain.train(lines, precision=0.8) == brain.train(list(lines), precision=0.8)


def test_a_broken_file_is_named(own: Path) -> None:
    (own / BRAIN).write_text("{")
    with pytest.raises(ValueError, match=r"brain\.json:1: .*train it again"):
        read_rules(own)
