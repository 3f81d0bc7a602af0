"""Every simulated platform at once, with faults and a kill: nothing said is missing, nothing stands there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.base import load
from gateway.simulate.platforms import names
from tests.crash.day import Day
from tests.crash.day_books import Books


@pytest.mark.timeout(900)
async def test_what_was_said_is_there_once_and_what_is_not_is_found(tmp_path: Path) -> None:
    day = Day(tmp_path, customers=2, messages=2, kills=1, short=True)
    books = await day.carry_out()
    assert not books.faults
    assert books.disturbed == ["kill -9"]
    assert set(books.lines) == {*names(), "webchat", "api", "phone", "email"} - set(books.left_out)
    for name, line in books.lines.items():
        assert line.said >= 2, name
        assert line.recorded + line.given_up == line.said, name
        assert line.replies or name in ("api", "phone"), name
    assert books.notes["audit: recorded"] >= books.total().said
    await _planted(day)


async def _planted(day: Day) -> None:
    """The same books with a message more, one less, and a reply too many: the reckoning says so."""
    safe = next(name for name in day.watches if load(name).idempotent)
    sent = day.watches[safe].platform.sent
    sent.append(sent[-1])
    day.ledger.accepted[f"{safe}0"].append(f"{safe}0-99")
    day.ledger.accepted[f"{safe}1"].remove(f"{safe}1-1")
    day.books = Books()
    await day.reckon()
    line = day.books.lines[safe]
    assert (line.missing, line.twice) == (1, 1)
    assert f"nobody said {safe}1-1" in day.books.faults
