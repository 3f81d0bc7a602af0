"""What the tests of speech need: the speech extra."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SPEECH = Path(__file__).with_name("speech")


def speech() -> None:
    """Skip where the engine is not installed, unless everything has to be there."""
    if not os.environ.get("REQUIRE_TEST_SERVERS"):
        for name in ("vosk", "av", "numpy"):
            pytest.importorskip(name, reason=f"the speech extra is not installed: no {name}")
