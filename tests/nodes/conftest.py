"""A town of nodes for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.nodes.town import Town
from tests.nodes.town import town as open_town
from tests.servers.postgres import new_database
from tests.servers.redis import Redis


@pytest.fixture
def database() -> str:
    return new_database(f"nodes_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def town(tmp_path: Path, database: str) -> AsyncIterator[Town]:
    async with open_town(tmp_path, database) as made:
        yield made
