from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.base import Store
from tests.store.scene import HOMES, Clock, Home


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(HOMES))
def home(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Home:
    return HOMES[request.param](tmp_path, clock)


@pytest.fixture
async def store(home: Home) -> AsyncIterator[Store]:
    opened = home.store()
    await opened.open()
    yield opened
    await opened.close()
