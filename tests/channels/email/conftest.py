from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

pytest.importorskip("aioimaplib", reason="the extra `email` is not installed")
pytest.importorskip("aiosmtplib", reason="the extra `email` is not installed")

from gateway.library import read_knowledge, read_rules
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


@pytest.fixture(autouse=True, scope="session")
def read_once() -> Iterator[None]:
    """Knowledge and rules are files that do not change while the tests run: reading them anew took most of the time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gateway.app.read_rules", functools.cache(read_rules))
        patched.setattr("gateway.app.read_knowledge", functools.cache(read_knowledge))
        yield
