"""What changed knowledge would have done in past conversations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main

SHOP = """\
entries:
  - id: pay
    title: {en: Paying}
    patterns: [{any: [pay, payment]}]
    examples: {en: [how can I pay, which payment do you take]}
    answer: {en: "%s"}
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    for name, answer in (("old", "By card."), ("new", "By card or <b>cash</b>.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.yaml").write_text(SHOP % answer, encoding="utf-8")
    return str(tmp_path / "old"), str(tmp_path / "new")


def _lines(path: Path, *turns: tuple[str, str]) -> str:
    path.write_text("\n".join(json.dumps({"conversation": c, "text": t}) for c, t in turns), encoding="utf-8")
    return str(path)


def test_only_what_differs_is_shown(
    folders: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = folders
    file = _lines(tmp_path / "past.jsonl", ("a", "how can I pay"), ("b", "hello"), ("b", "human please <script>"))
    page = tmp_path / "page.html"
    args = ["bot", "replay", file, "--before", old, "--knowledge", new, "--html", str(page)]
    assert main(args) == 0
    out = capsys.readouterr().out
    assert "a, turn 1: how can I pay" in out
    assert "1 of 3 turns differ" in out
    assert "hello" not in out
    assert "&lt;b&gt;cash" in page.read_text(encoding="utf-8")
    assert "<b>cash" not in page.read_text(encoding="utf-8")
    assert main([*args, "--strict"]) == 1


def test_the_same_knowledge_differs_in_nothing(folders: tuple[str, str], tmp_path: Path) -> None:
    file = _lines(tmp_path / "past.jsonl", ("a", "how can I pay"), ("a", "no"), ("b", "退款"))
    assert main(["bot", "replay", file, "--before", folders[1], "--knowledge", folders[1], "--strict"]) == 0


def test_a_bundle_is_read(folders: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "AE-1.json"
    timeline = [{"author": "bot", "text": "Hi"}, {"author": "customer", "text": "how can I pay"}]
    bundle.write_text(json.dumps({"number": "AE-1", "timeline": timeline}), encoding="utf-8")
    assert main(["bot", "replay", str(bundle), "--before", folders[0], "--knowledge", folders[1]]) == 0
    assert "AE-1, turn 1" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "text"), [("a.jsonl", "{}"), ("a.json", "[]"), ("a.json", "{"), ("b.jsonl", "hello")])
def test_a_file_that_is_neither_is_named(
    name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["bot", "replay", str(tmp_path / name)]) == 1
    assert name in capsys.readouterr().err
