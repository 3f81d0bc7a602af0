"""The channel and its case for the tests beside this file."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from channels.webchat import Webchat

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def case() -> ModuleType:
    spec = importlib.util.spec_from_file_location("webchat_case", HERE / "case.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def chat(case: ModuleType) -> Webchat:
    channel: Webchat = case.channel()
    return channel


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
