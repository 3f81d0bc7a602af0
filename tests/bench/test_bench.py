"""The benchmarks run; what they measure is not judged here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("aioimaplib", reason="the extra `email` is not installed")

from tests.bench import mailbox, table
from tests.bench.__main__ import main
from tests.bench.peers.__main__ import run as beside_others
from tests.bench.rounds import Sizes
from tests.channels.email.servers import DOVECOT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux' /proc and CPU clocks")
@pytest.mark.skipif(not Path(DOVECOT).exists(), reason="Dovecot is not installed")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux' /proc and CPU clocks")
def test_a_short_run_of_the_mailbox_prints_its_rows(tmp_path: Path) -> None:
    sizes = Sizes(rounds=1, mails=40, deliveries=2)
    rows = table.text(list(table.mailbox(mailbox.measure(tmp_path, sizes, lambda _: None))))
    for line in ("bare aioimaplib", "ratio", "an inbound message", "25 MB"):
        assert line in rows


def test_a_short_run_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", "abfi", "--rounds", "1", "--messages", "64"]) == 0
    table = capsys.readouterr().out
    for line in (
        "(a) accept, durable, 64 connections",
        "(b) the full way",
        "ratio",
        "(f) together",
        "(i) normalize",
        "(i) together",
    ):
        assert line in table


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux' /proc and CPU clocks")
def test_a_killed_server_has_kept_the_message_and_a_bare_handler_has_not(tmp_path: Path) -> None:
    told = "\n".join(beside_others([], rounds=1, count=20, venvs=tmp_path, folder=tmp_path))
    assert "bare aiohttp   nothing of the message" in told
    assert "allears.db-wal" in told
    assert "the window shows it" in told
