"""Unanswered questions become proposals that a person completes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cluster import draft, propose
from bot.knowledge import Knowledge, KnowledgeError, parse
from gateway.cli.main import main

ASKED = [
    "do you sell rental bicycles", "do you sell a rental bicycle", "Do you sell rental bicycles?", "rental bicycles for sale?",
    "可以到店试穿吗", "能到店试穿吗", "到店试穿可以吗",
    "what is the meaning of life", "", "???",
]  # fmt: skip


def test_alike_questions_come_together_in_any_order(knowledge: Knowledge) -> None:
    found = propose(ASKED, knowledge)
    assert sorted(each.count for each in found) == [3, 4]
    assert found == propose(ASKED[::-1], knowledge)


def test_what_an_entry_nearly_has_is_said_to_be_its(knowledge: Knowledge) -> None:
    texts = ["how can I pay for the stuff", "how can I pay for stuff", "how can I pay the stuff"]
    assert [each.entry for each in propose(texts, knowledge)] == ["payment-methods"]


def test_the_draft_is_a_knowledge_file_once_answers_are_written(knowledge: Knowledge) -> None:
    text = draft(propose([*ASKED, *["what's 'this': {a} #b"] * 3], knowledge))
    with pytest.raises(KnowledgeError):
        parse({"draft.yaml": text.replace("answer:", "# answer:")})
    answered = parse({"draft.yaml": text.replace(": ''}", ": Yes.}")})
    assert any("rental" in id for id in answered.entries)


def test_suggest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "asked.jsonl"
    lines = [*ASKED, "how do I pay?"]
    file.write_text("\n".join(json.dumps({"text": text, "more": 1}) for text in lines), encoding="utf-8")
    assert main(["bot", "suggest", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "rental bicycles" in out
    assert "11 questions, 1 answered" in err
    file.write_text("{}\n", encoding="utf-8")
    assert main(["bot", "suggest", str(file)]) == 1
    assert "asked.jsonl:1" in capsys.readouterr().err
