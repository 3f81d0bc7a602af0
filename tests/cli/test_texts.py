"""normalize, parse and bot: texts in, JSON out, without a store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Shell = Any
ROOT = Path(__file__).parents[2]
CONVERSATIONS = ROOT / "tests" / "bot" / "conversations"


def test_a_text_from_standard_input(shell: Shell) -> None:
    said = shell.process("normalize", stdin="订单 20261102003317 收到是坏的，我要退款".encode(), config=False)
    (record,) = said.rows
    assert record["what"]["order_numbers"][0]["value"] == "20261102003317"
    assert record["what"]["demands"][0]["value"] == "refund"


def test_files_of_every_kind(shell: Shell) -> None:
    text, message, lines = (shell.folder / name for name in ("a.txt", "b.json", "c.jsonl"))
    text.write_text("I want a refund.")
    inbound = {"channel": "api", "account": "main", "external_id": "1", "thread": "t", "sender": {"id": "u"}}
    message.write_text(json.dumps({**inbound, "at": "2026-11-22T00:00:00Z", "text": "I want a refund."}))
    lines.write_text(
        '{"text": "我要退款", "channel": "webchat", "at": "2026-11-22T08:00:00+08:00"}\n{"text": "thanks"}\n'
    )
    assert len(shell.run("normalize", str(text), str(message), config=False).rows) == 2
    first, second = shell.run("normalize", "--jsonl", str(lines), config=False).rows
    assert first["arrival"]["channel"] == "webchat"
    assert first["arrival"]["provider_at"] == "2026-11-22T00:00:00Z"
    assert second["arrival"]["messages"] != first["arrival"]["messages"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("normalize", "/nope.txt"), "/nope.txt: No such file"),
        (("normalize", "/tmp"), "/tmp: Is a directory"),
        (("normalize", "--jsonl", "/nope"), "/nope: No such file"),
        (("normalize", "--rules", "/nope", "-"), "there is no folder /nope"),
        (("normalize", "BROKEN.json"), "not an inbound message"),
        (("normalize", "--jsonl", "BROKEN.json"), "BROKEN.json:1: "),
        (("bot", "ask", "--knowledge", "/nope", "hi"), "there is no folder /nope"),
        (("bot", "ask"), "TEXT"),
        (("bot", "test", "/nope"), "/nope"),
    ],
)
def test_what_cannot_be_read_is_named(shell: Shell, args: tuple[str, ...], told: str) -> None:
    broken = shell.folder / "BROKEN.json"
    broken.write_text('{"a": 1}\n')
    said = shell.run(*(str(broken) if arg == "BROKEN.json" else arg for arg in args), config=False)
    assert (said.status, said.out) == (1, "")
    assert told in said.err
    assert said.err.startswith("allears: ")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f'yes \'{{"text": "I want a refund"}}\' | {sys.executable} -m gateway.cli.main normalize --jsonl | head -1; echo ${{PIPESTATUS[1]}}'
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, timeout=150, check=True)
    first, status = done.stdout.decode().splitlines()
    assert json.loads(first)["what"]["demands"]
    assert (status, done.stderr) == ("0", b"")


def capture(shell: Shell, **more: Any) -> Path:
    file: Path = shell.folder / "capture.json"
    file.write_text(json.dumps(more))
    return file


def test_a_captured_request_becomes_messages(shell: Shell) -> None:
    body = json.dumps({"text": "hi", "external_id": "1", "sender": {"id": "u"}})
    headers = {"Authorization": f"Bearer aat_{shell.token}"}
    file = capture(shell, headers=headers, url="https://a.example/v1/messages", body=body, at="2026-11-22T00:00:00Z")
    for name in ("api", "api/main"):
        (message,) = shell.run("parse", name, str(file)).rows
        assert (message["text"], message["at"]) == ("hi", "2026-11-22T00:00:00Z")


def test_a_request_that_does_not_parse_says_why(shell: Shell) -> None:
    assert "there is no channel" in shell.run("parse", "nope", str(capture(shell, body="x"))).err
    assert "no channel `api/nope`" in shell.run("parse", "api/nope", str(capture(shell, body="x"))).err
    assert "BadSignature" in shell.run("parse", "api", str(capture(shell, body="x"))).err
    assert "not a capture" in shell.run("parse", "api", str(capture(shell, body="x", method=1))).err
    assert "needs the headers" in shell.run("parse", "api", str(capture(shell, nothing=1))).err
    assert "needs the headers" in shell.run("parse", "api", str(shell.config)).err
    assert "No such file" in shell.run("parse", "api", "/nope").err


def test_the_bot_answers_and_says_why(shell: Shell) -> None:
    said = shell.run("bot", "ask", "How do I get a refund?", config=False)
    assert said.status == 0
    assert "how-to-refund" in said.out
    (row,) = shell.run("bot", "ask", "--json", "转人工", config=False).rows
    assert row["decision"] == "handoff"
    said = shell.process("bot", "ask", "--jsonl", stdin=b'{"text": "hello"}\n{"text": "refund?"}\n', config=False)
    assert len(said.rows) == 2


def test_a_chat_in_the_terminal(shell: Shell) -> None:
    words = "怎么申请退款？\n/why\n1\n/new\n转人工\n/quit\n".encode()
    said = shell.process("bot", "chat", "--language", "zh-Hans", stdin=words, config=False)
    assert (said.status, said.err) == (0, "")
    assert "how-to-refund" in said.out


def test_conversations_are_played(shell: Shell) -> None:
    good = shell.run("bot", "test", str(CONVERSATIONS / "en-human.txt"), config=False)
    assert (good.status, "0 other than written" in good.out) == (0, True)
    wrong = shell.folder / "wrong.txt"
    wrong.write_text("> Let me talk to a human.\n< answer: how-to-refund\n")
    assert shell.run("bot", "test", str(wrong), config=False).status == 1


def test_a_mistake_in_the_knowledge_has_file_and_line(shell: Shell) -> None:
    (shell.folder / "k").mkdir()
    (shell.folder / "k" / "x.yaml").write_text("entries:\n - id: a\n  bad")
    said = shell.run("bot", "check", "--knowledge", str(shell.folder / "k"), config=False)
    assert said.status == 1
    assert "x.yaml:3:" in said.err
