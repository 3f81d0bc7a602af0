"""The normalizer against real-world data that nobody here wrote, where it lies beside the checkout; floors, not goals."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from normalizer.rules import Rules

SCRIPT = Path(__file__).resolve().parents[1] / "bench" / "score_normalizer.py"

FLOORS = [
    ("language sentences", "macro", 0.93),
    ("tone shopping", "accuracy", 0.84),
    ("tone hotel", "accuracy", 0.80),
    ("tone waimai", "accuracy", 0.85),
    ("phones zh", "P", 0.97),
    ("phones en", "P", 0.97),
    ("amounts zh", "P", 0.95),
    ("amounts en", "P", 0.95),
    ("dates zh", "P", 0.85),
    ("complaints citizens", "complaint", 0.65),
]


@pytest.fixture(scope="module")
def scores() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_normalizer", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not module.DATA.is_dir():
        pytest.skip(f"the evaluation data is not at {module.DATA}")
    return module


@pytest.fixture(scope="module")
def known(scores: ModuleType) -> Rules:
    rules: Rules = scores.rules()
    return rules


@pytest.mark.parametrize(("name", "figure", "floor"), FLOORS)
def test_floor(scores: ModuleType, known: Rules, name: str, figure: str, floor: float) -> None:
    result = scores.SCORES[name](known, [])
    assert result[figure] >= floor, result


def test_scripts_are_never_crossed(scores: ModuleType, known: Rules) -> None:
    assert scores.SCORES["scripts hans/hant"](known, [])["crossed"] == 0
