"""``allears normalize``: texts in, one record a line out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main


def test_a_stream_of_lines(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    stream = tmp_path / "in.jsonl"
    said = {
        "text": "订单号 20261118004521 的电饭煲昨天到的，要求退款",
        "at": "2026-11-22T10:00:00+08:00",
        "channel": "api",
    }
    stream.write_text(json.dumps(said) + "\n" + json.dumps({"text": "Thank you!"}) + "\n", encoding="utf-8")
    assert main(["normalize", "--jsonl", str(stream)]) == 0
    first, second = map(json.loads, capsysbinary.readouterr().out.splitlines())
    assert [found["value"] for found in first["what"]["order_numbers"]] == ["20261118004521"]
    assert [found["value"] for found in first["what"]["dates"]] == [{"iso": "2026-11-21"}]
    assert first["what"]["kind"]["value"] == "complaint"
    assert second["what"]["kind"]["value"] != "complaint"


def test_a_text_file(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    text = tmp_path / "complaint.txt"
    text.write_text("My kettle arrived broken. I want a refund.", encoding="utf-8")
    assert main(["normalize", str(text)]) == 0
    record = json.loads(capsysbinary.readouterr().out)
    assert "refund" in [found["value"] for found in record["what"]["demands"]]
