"""Fetching a speech model: streamed, resumed where it stopped, checked, and only then unpacked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp

from transcription.base import ModelError
from transcription.model_folder import file_digest, install

PIECE = 256 * 1024
#: Largest archive, in bytes: the large official models are about 2 GB.
MAX_ARCHIVE = 6 * 1024**3
#: Seconds without a byte after which a mirror counts as gone.
SILENCE = 60.0
#: Bytes of a checksum file that are read.
_CHECKSUM = 4096

Tell = Callable[[int, int], None]


class Downloaded:
    """What :func:`pull` did: the model's ``folder``, the archive's ``sha256`` and whether anybody ``vouched`` for it."""

    def __init__(self, folder: Path, sha256: str, vouched: bool) -> None:
        self.folder, self.sha256, self.vouched = folder, sha256, vouched


async def pull(
    what: str,
    shelf: Path,
    mirrors: Sequence[str],
    *,
    sha256: str = "",
    languages: tuple[str, ...] = (),
    tell: Tell = lambda *_: None,
) -> Downloaded:
    """Fetch a model by its name (from the first mirror that has it) or URL into ``shelf``.

    What came of an earlier try is not fetched again. The archive must have ``sha256`` when it is given, else the one that
    the mirror publishes as ``<name>.zip.sha256``. ``tell`` is given bytes so far and in all (0: unknown).

    Raises:
        ModelError: no mirror has it, it is not what it should be, or it holds no model.
    """
    named = "://" not in what
    urls = [urljoin(mirror.rstrip("/") + "/", f"{what}.zip") for mirror in mirrors] if named else [what]
    name = what if named else Path(urlsplit(what).path).name.removesuffix(".zip")
    archive = _part(shelf, name)
    timeout = aiohttp.ClientTimeout(total=None, connect=SILENCE, sock_read=SILENCE)
    async with aiohttp.ClientSession(timeout=timeout, headers={"Accept-Encoding": "identity"}) as session:
        url = await _first(session, urls, archive, tell)
        wanted = sha256.lower() or await _published(session, f"{url}.sha256")
    found = await asyncio.to_thread(file_digest, archive)
    if wanted and found != wanted:
        _forget(archive)
        raise ModelError(f"{url} is damaged or was changed: its sha256 is {found}, not {wanted}")
    try:
        folder = await asyncio.to_thread(install, archive, shelf, name, languages=languages, source=url)
    finally:
        _forget(archive)
    return Downloaded(folder, found, bool(wanted))


async def _first(session: aiohttp.ClientSession, urls: Sequence[str], archive: Path, tell: Tell) -> str:
    """Download from the first mirror that has it; which one that was."""
    troubles = []
    for url in urls:
        try:
            await _download(session, url, archive, tell)
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            troubles.append(f"{url}: {_told(err, archive)}")
        else:
            return url
    raise ModelError("; ".join(troubles) or "there is no mirror; set [speech] mirrors")


def _told(err: Exception, archive: Path) -> str:
    """What went wrong, and that nothing of what came is lost."""
    got = archive.stat().st_size if archive.exists() else 0
    if not got or isinstance(err, aiohttp.ClientResponseError):
        return str(err) or type(err).__name__
    return f"the connection broke after {got / 1e6:.0f} MB; run the command again, it goes on from there"


async def _download(session: aiohttp.ClientSession, url: str, archive: Path, tell: Tell) -> None:
    """The rest of the archive, or all of it where the server cannot go on or has another file by now."""
    there, headers = _so_far(archive)
    async with session.get(url, headers=headers) as response:
        if response.status == 416:  # it was whole already; the checksum will tell
            return
        response.raise_for_status()
        there = there if response.status == 206 else 0
        total = there + response.content_length if response.content_length else 0
        if total > MAX_ARCHIVE:
            raise ModelError(f"{url}: larger than {MAX_ARCHIVE} bytes")
        _note(archive, response.headers.get("ETag", ""))
        with archive.open("ab" if there else "wb") as file:
            async for piece in response.content.iter_chunked(PIECE):
                await asyncio.to_thread(file.write, piece)
                there += len(piece)
                if there > MAX_ARCHIVE:
                    raise ModelError(f"{url}: larger than {MAX_ARCHIVE} bytes")
                tell(there, total)


def _part(shelf: Path, name: str) -> Path:
    """Where the archive grows. Raises :class:`ModelError` when the model is there already."""
    if (shelf / name).exists():
        raise ModelError(f"there is a model `{name}` already; remove {shelf / name} first")
    shelf.mkdir(parents=True, exist_ok=True)
    return shelf / f".{name.replace('/', '_')}.zip.part"


def _so_far(archive: Path) -> tuple[int, dict[str, str]]:
    """How much an earlier try has left, and the headers that ask for the rest of the same file."""
    tag = _tag(archive)
    there = archive.stat().st_size if archive.exists() and tag.exists() else 0
    return there, {"Range": f"bytes={there}-", "If-Range": tag.read_text()} if there else {}


def _note(archive: Path, etag: str) -> None:
    """Only a strong validator names one exact file (RFC 9110, 13.1.5); without one the next try starts again."""
    if etag.startswith('"'):
        _tag(archive).write_text(etag)
    else:
        _tag(archive).unlink(missing_ok=True)


async def _published(session: aiohttp.ClientSession, url: str) -> str:
    """The checksum beside the archive (as ``sha256sum`` writes it); empty when there is none."""
    try:
        async with session.get(url) as response:
            if response.status != 200:
                return ""
            words = (await response.content.read(_CHECKSUM)).decode("ascii", "replace").split()
    except (aiohttp.ClientError, TimeoutError):
        return ""
    return words[0].lower() if words and len(words[0]) == 64 else ""


def _tag(archive: Path) -> Path:
    return archive.with_suffix(".etag")


def _forget(archive: Path) -> None:
    archive.unlink(missing_ok=True)
    _tag(archive).unlink(missing_ok=True)
