"""``allears bot`` as a person types it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from gateway.cli.main import main


def test_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bot", "ask", "怎么开发票"]) == 0
    out = capsys.readouterr().out
    assert "申请发票" in out
    assert "answer: decides" in out


def test_ask_reads_lines(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    lines = b'{"text": "how do I pay?"}\n\n{"text": "\xe8\xbd\xac\xe4\xba\xba\xe5\xb7\xa5"}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert main(["bot", "ask", "--jsonl"]) == 0
    first, second = map(json.loads, capsysbinary.readouterr().out.splitlines())
    assert (first["decision"], first["entry"]) == ("answer", "payment-methods")
    assert first["confidence"] > 0
    assert first["trace"]
    assert (second["decision"], second["handoff"]["reason"]) == ("handoff", "request")


@pytest.mark.parametrize("line", [b"hello", b'{"txt": 1}', b'{"text": 5}'])
def test_a_bad_line_is_named(line: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line)))
    assert main(["bot", "ask", "--jsonl"]) == 1
    assert "standard input:1" in capsys.readouterr().err


def test_chat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = iter(["how long does delivery take", "/why", "2", "/quit"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(said))
    assert main(["bot", "chat"]) == 0
    out = capsys.readouterr().out
    assert "1. Yes" in out
    assert "answer: decides" in out
    assert "! not_helped" in out


def test_a_failing_conversation_is_shown_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "a.txt"
    script.write_text("> how do I pay?\n< [invoice]\n", encoding="utf-8")
    assert main(["bot", "test", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"{script}:2: wanted [invoice]" in out
    assert "1 of " in out


def test_a_broken_conversation_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("how do I pay?\n", encoding="utf-8")
    assert main(["bot", "test", str(tmp_path)]) == 1
    assert "a.txt:1" in capsys.readouterr().err


def test_own_knowledge_with_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("entries:\n  - id: X\n  - id: Y\n", encoding="utf-8")
    assert main(["bot", "check", "--knowledge", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "mine.yaml:2" in err
    assert "mine.yaml:3" in err


def test_own_knowledge_takes_the_samples_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("phrases: {en: {thanks: Any time!}}\n", encoding="utf-8")
    assert main(["bot", "ask", "--knowledge", str(tmp_path), "thanks"]) == 0
    assert "Any time!" in capsys.readouterr().out


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bot", "check", "--knowledge", str(tmp_path / "gone")]) == 1
    assert "gone" in capsys.readouterr().err


def test_check_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bot", "check", "--strict"]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
