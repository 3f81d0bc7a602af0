"""Model folders: fetched in pieces from a file server, checked, unpacked safely, chosen."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.cli.main import main
from gateway.model_download import pull
from tests.transcription.needs import SPEECH
from transcription import model_folder
from transcription.base import ModelError
from transcription.tiny import MODEL


def packed(path: Path, top: str = "model-en-1") -> Path:
    """The tiny model as an archive of a maker."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in model_folder.files(MODEL):
            archive.write(file, f"{top}/{file.relative_to(MODEL)}")
    return path


class Mirror:
    """A file server that can break off, and tells what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.break_after = 0
        self.etag = '"one"'
        self.ranges: list[str] = []
        app = web.Application()
        app.router.add_get("/models/{name}", self._serve)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/models"))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = self.folder / request.match_info["name"]
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return web.Response(status=404)
        start = 0
        if path.suffix == ".zip":
            self.ranges.append(request.headers.get("Range", ""))
            if request.headers.get("If-Range") == self.etag:
                start = int(self.ranges[-1].removeprefix("bytes=").rstrip("-"))
        answer = web.StreamResponse(status=206 if start else 200, headers={"ETag": self.etag})
        answer.content_length = len(data) - start
        await answer.prepare(request)
        if self.break_after and path.suffix == ".zip":
            await answer.write(data[start : start + self.break_after])
            self.break_after = 0
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(data[start:])
        return answer


@pytest.fixture
async def mirror(tmp_path: Path) -> AsyncIterator[Mirror]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    packed(folder / "model-en-1.zip")
    made = Mirror(folder)
    async with made.server:
        yield made


async def test_a_model_is_fetched_checked_and_installed(mirror: Mirror, tmp_path: Path) -> None:
    digest = hashlib.sha256((mirror.folder / "model-en-1.zip").read_bytes()).hexdigest()
    (mirror.folder / "model-en-1.zip.sha256").write_text(f"{digest}  model-en-1.zip\n")
    told: list[tuple[int, int]] = []
    done = await pull("model-en-1", tmp_path / "m", [mirror.url], tell=lambda *at: told.append(at))
    assert (done.folder.name, done.sha256, done.vouched) == ("model-en-1", digest, True)
    assert told[-1][0] == told[-1][1]
    assert model_folder.verify(done.folder) == []
    assert model_folder.about(done.folder).languages == ("en",)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["model-en-1"]


async def test_an_interrupted_download_goes_on_where_it_stopped(mirror: Mirror, tmp_path: Path) -> None:
    mirror.break_after = 300_000
    with pytest.raises(ModelError):
        await pull("model-en-1", tmp_path / "m", [mirror.url])
    assert not (tmp_path / "m" / "model-en-1").exists()
    done = await pull("model-en-1", tmp_path / "m", [mirror.url])
    assert mirror.ranges[0] == ""
    assert mirror.ranges[1].startswith("bytes=")
    assert mirror.ranges[1] != "bytes=0-"
    assert model_folder.verify(done.folder) == []


async def test_another_file_under_the_same_name_is_fetched_whole(mirror: Mirror, tmp_path: Path) -> None:
    mirror.break_after = 300_000
    with pytest.raises(ModelError):
        await pull("model-en-1", tmp_path / "m", [mirror.url])
    mirror.etag = '"two"'
    packed(mirror.folder / "model-en-1.zip", top="other")
    done = await pull("model-en-1", tmp_path / "m", [mirror.url])
    assert model_folder.verify(done.folder) == []


async def test_a_changed_archive_is_not_installed(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="damaged or was changed"):
        await pull("model-en-1", tmp_path / "m", [mirror.url], sha256="0" * 64)
    assert list((tmp_path / "m").iterdir()) == []


async def test_the_next_mirror_is_asked(mirror: Mirror, tmp_path: Path) -> None:
    done = await pull("model-en-1", tmp_path / "m", ["http://127.0.0.1:9/", mirror.url])
    assert not done.vouched
    with pytest.raises(ModelError, match="already"):
        await pull("model-en-1", tmp_path / "m", [mirror.url])
    with pytest.raises(ModelError, match="404"):
        await pull("nothing", tmp_path / "m", [mirror.url])


def _archive(path: Path, **files: bytes) -> Path:
    packed(path)
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", "C:evil", "a\\..\\b"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    archive = _archive(tmp_path / "a.zip", **{name: b"x"})
    with pytest.raises(ModelError):
        model_folder.install(archive, tmp_path / "shelf", "m")
    assert list((tmp_path / "shelf").iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_links_and_bombs_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("model-en-1/graph/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ModelError, match="link"):
        model_folder.install(tmp_path / "a.zip", tmp_path / "shelf", "m")
    packed(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(100_000_000))
    with pytest.raises(ModelError, match="more than"):
        model_folder.install(tmp_path / "b.zip", tmp_path / "shelf", "m")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04garbage", b"x" * 1000])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ModelError):
        model_folder.install(tmp_path / "a.zip", tmp_path / "shelf", "m")


def test_an_archive_without_a_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ModelError, match="no model"):
        model_folder.install(tmp_path / "a.zip", tmp_path / "shelf", "m")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 200])
def test_names_that_are_no_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError):
        model_folder.install(packed(tmp_path / "a.zip"), tmp_path / "shelf", name)


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    folder = model_folder.install(packed(tmp_path / "a.zip"), tmp_path / "shelf", "m")
    with (folder / "am" / "final.mdl").open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff")
    (folder / "graph" / "words.txt").unlink()
    assert model_folder.verify(folder) == [
        "no word list (graph/words.txt)",
        "am/final.mdl is damaged",
        "graph/words.txt is missing",
    ]


def test_choosing(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    assert model_folder.in_use(shelf) == {}
    model_folder.install(packed(tmp_path / "a.zip"), shelf, "model-en-1")
    assert model_folder.in_use(shelf) == {"en": shelf / "model-en-1"}
    assert model_folder.use(shelf, "tiny") == ("en", "zh")
    assert model_folder.in_use(shelf) == {"en": MODEL, "zh": MODEL}
    model_folder.use(shelf, "model-en-1")
    assert model_folder.in_use(shelf) == {"en": shelf / "model-en-1", "zh": MODEL}
    with pytest.raises(ModelError, match="there are model-en-1, tiny"):
        model_folder.use(shelf, "other")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["transcribe", str(SPEECH / "en_late.flac")]) == 1
    assert "allears models" in capsys.readouterr().err
    assert main(["models", "use", "tiny"]) == 0
    assert main(["models", "verify", "tiny"]) == 0
    assert main(["models", "list", "--json"]) == 0
    assert '"name":"tiny"' in capsys.readouterr().out
    assert main(["transcribe", str(SPEECH / "en_number.flac"), str(SPEECH / "zh_refund.flac")]) == 0
    out = capsys.readouterr().out
    assert "my order number is 17704" in out
    assert "我要退款" in out
    assert main(["transcribe", "--srt", str(SPEECH / "call.flac"), "--model", "tiny"]) == 0
    assert capsys.readouterr().out.startswith("1\n00:00:0")
    (tmp_path / "x.wav").write_bytes(b"garbage")
    assert main(["transcribe", "x.wav", str(SPEECH / "en_late.flac")]) == 1
    done = capsys.readouterr()
    assert "my order is late" in done.out
    assert "no recording" in done.err
