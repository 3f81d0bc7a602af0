from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.store.postgres import PostgresStore
from tests.store.scene import HOMES, Clock, Home, PostgresHome


@pytest.fixture
def home(tmp_path: Path, clock: Clock) -> Home:
    """PostgreSQL alone."""
    return HOMES["postgres"](tmp_path, clock)


@pytest.fixture
async def nodes(home: PostgresHome) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two nodes on one database."""
    async with AsyncExitStack() as stack:
        opened = home.store(), home.store()
        for store in opened:
            await store.open()
            stack.push_async_callback(store.close)
        yield opened
