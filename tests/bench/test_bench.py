"""The benchmarks run; what they measure is not judged here."""

from __future__ import annotations

import sys

import pytest

from tests.bench.__main__ import main


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux' /proc and CPU clocks")
def test_a_short_run_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", "abf", "--rounds", "1", "--messages", "64"]) == 0
    table = capsys.readouterr().out
    for line in ("(a) accept, durable, 64 connections", "(b) the full way", "ratio", "(f) normalize", "(f) together"):
        assert line in table
