"""Attachment files wherever they may lie; what a test wants of all of them, it asks by the fixture ``blobs``."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from channels.base import Secret
from gateway.blobs import Blobs
from gateway.keys import Keys
from tests.servers import s3  # first: it skips where the libraries are missing

from gateway.blobs.s3 import S3  # isort: skip
from gateway.blobs.sealing import Sealing  # isort: skip

#: A second server of the kind is asked where there is one.
KINDS = tuple(
    kind + sealed for kind in ("disk", "moto", *(("s3rver",) if s3.second() else ())) for sealed in ("", "-sealed")
)


def keys(secret: str = "x" * 40) -> Callable[[], Sealing]:
    return lambda: Sealing(Keys(Secret(secret)))


def made(kind: str, folder: Path, *, prefix: str = "", url: str = "", secret: str = "x" * 40) -> Blobs:
    """The files of a kind of place. What is made with one folder and prefix finds the same files."""
    where, _, sealed = kind.partition("-")
    place = None
    if where != "disk":
        place = S3(s3.server(where).settings(url=url, prefix=prefix))
    return Blobs(folder, place=place, sealing=keys(secret), sealed=bool(sealed))


@pytest.fixture(params=KINDS)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    it = made(request.param, tmp_path / "data" / "blobs", prefix=f"t/{secrets.token_hex(8)}")
    yield it
    await it.close()


async def names(blobs: Blobs) -> list[str]:
    """What lies in the place, but for the mark of the keys."""
    return sorted([name async for name in blobs._place.names() if name != "sealed-with"])


def torn(blobs: Blobs) -> list[Path]:
    """What is left of files on their way in, on this machine."""
    return [path for path in (blobs.folder / "tmp").glob("*") if path.is_file()]
