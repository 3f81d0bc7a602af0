"""Every simulated platform at once, with faults and a kill: nothing said is missing, nothing stands there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.day import Day


@pytest.mark.timeout(300)
async def test_what_was_said_is_there_once(tmp_path: Path) -> None:
    books = await Day(tmp_path, messages=5, kills=1).carry_out()
    assert not books.faults
    assert books.kills == 1
    assert books.counts["recorded"] >= books.counts["said"] >= 5 * books.counts["platforms"]
