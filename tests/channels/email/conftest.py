from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

pytest.importorskip("aioimaplib", reason="the extra `email` is not installed")
pytest.importorskip("aiosmtplib", reason="the extra `email` is not installed")

from tests.channels.email.office import Office, open_office, settings
from tests.channels.email.servers import Dovecot, Post, dovecot


@pytest.fixture
def imap() -> Iterator[Dovecot]:
    with dovecot() as server:
        yield server


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with Post(tmp_path / "post") as server:
        yield server


@pytest.fixture(params=["move", "leave"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def office(tmp_path: Path, imap: Dovecot, post: Post) -> AsyncIterator[Office]:
    async with open_office(tmp_path, {"main": settings(imap, post, tmp_path)}) as made:
        yield made
