"""The goals on outside cases. They lie beside the checkout and are not part of it; without them this is skipped."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared/data/email"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="no evaluation data in ../shared/data/email")


@pytest.fixture(scope="module")
def board() -> Any:
    """All sources scored once."""
    script = runpy.run_path(str(ROOT / "tests/bench/score_email.py"))
    made = script["Board"]()
    for name, score in script["SOURCES"].items():
        score(DATA / name, made)
    return made


@pytest.mark.parametrize(
    ("source", "field", "misses"),
    [
        ("zammad-mail", "subject", 1),
        ("zammad-mail", "from_email", 0),
        ("zammad-mail", "from_display_name", 0),
        ("zammad-mail", "attachment md5", 0),
        ("zammad-process", "may answer", 0),
        ("people", "not machine", 0),
        ("sisimai-bounces", "kind bounce", 3),
        ("sisimai-bounces", "kind feedback_report", 0),
        ("cpython", "nothing lost", 0),
        ("talon", "reply from text", 1),
        ("talon", "html replies", 0),
        ("crisp", "reply text", 1),
        ("zapier", "reply text", 0),
    ],
)
def test_goal(board: Any, source: str, field: str, misses: int) -> None:
    right, total = board.counts[source, field]["allears"]
    assert total > 0
    assert total - right <= misses, [miss for miss in board.misses if miss.startswith(f"{source} · {field}")]
