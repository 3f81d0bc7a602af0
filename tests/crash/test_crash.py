"""Killed at every commit, nothing is lost or doubled. `make crash` does the same 200 times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.run import COMMITS_OF, POINTS, Run

#: Kills in the ordinary test run: half of them at named commits, half at random moments.
KILLS = 12


@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", POINTS)
async def test_nothing_is_lost_or_doubled(tmp_path: Path, store: str) -> None:
    report = await Run(tmp_path, kills=KILLS, customers=6, store=store).carry_out()
    assert not report.verdict.faults
    assert report.kills == KILLS
    assert report.verdict.counts["accepted"] > 50
    assert sum(hits for point, hits in report.hit.items() if point != "at random") > 0


@pytest.mark.parametrize("store", COMMITS_OF)
def test_the_points_are_commits_of_the_store(store: str) -> None:
    source = "".join(
        path.read_text("utf-8") for path in (Path(__file__).parents[2] / "gateway/store" / store).glob("*.py")
    )
    unknown = {name for name in COMMITS_OF[store] if f'"{name}"' not in source}
    assert not unknown
