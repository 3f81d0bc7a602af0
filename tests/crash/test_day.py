"""Every simulated platform at once, with faults and a kill: nothing said is missing, nothing stands there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.simulate.platforms import names
from tests.crash.day import Day


@pytest.mark.timeout(300)
async def test_what_was_said_is_there_once(tmp_path: Path) -> None:
    books = await Day(tmp_path, customers=2, messages=2, kills=1).carry_out()
    assert not books.faults
    assert books.kills == 1
    assert set(books.lines) == {*names(), "webchat", "api"} - set(books.left_out)
    for name, line in books.lines.items():
        assert line.said >= 2, name
        assert line.recorded + line.given_up == line.said, name
        assert line.replies or name == "api", name
    assert books.notes["audit: recorded"] >= books.total().said
