"""Attachment files: what they really are, how large they may be, and that they are there when a row names them.

What hangs on the place is tried on each: a disk and S3-compatible stores, plain and sealed.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.blobs import ORPHAN_SECONDS, Blobs, Damaged, display_name
from gateway.sniff import BINARY, INLINE, pixels, sniff
from gateway.store.base import NotFound, StoreUnavailable
from tests.blobs.places import blobs, names, torn

__all__ = ["blobs"]

MB = 1024 * 1024


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"rest"


def jpeg(width: int, height: int) -> bytes:
    exif = b"\xff\xe1" + struct.pack(">H", 60_002) + b"E" * 60_000
    frame = b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + b"\x03" * 10
    return b"\xff\xd8" + exif + b"\xff\xc4\x00\x04ab\xff" + frame + b"\xff\xd9"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00;"


def webp(width: int, height: int) -> bytes:
    body = b"VP8X\x0a\0\0\0\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_lossless(width: int, height: int) -> bytes:
    body = b"VP8L\x0a\0\0\0\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_lossy(width: int, height: int) -> bytes:
    body = b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def heic(width: int, height: int) -> bytes:
    ispe = b"\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", width, height)
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x40meta" + ispe


def zipped(*names: str, stored: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.text" if name == "mimetype" else "x")
    return out.getvalue()


PICTURES = [
    ("image/png", png),
    ("image/jpeg", jpeg),
    ("image/gif", gif),
    ("image/webp", webp),
    ("image/webp", webp_lossless),
    ("image/webp", webp_lossy),
    ("image/heic", heic),
]


@pytest.fixture
def folder(tmp_path: Path) -> Blobs:
    """On disk: for what is the same wherever a file lies."""
    return Blobs(tmp_path / "data" / "blobs")


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def test_a_file_is_kept_by_its_content(blobs: Blobs) -> None:
    one = await blobs.put(b"Guten Tag", name="brief.txt", type="image/png", limit=100)
    two = await blobs.put(pieces(b"Guten", b" Tag"), name="other.txt", type="", limit=100)
    assert one.digest == two.digest == hashlib.sha256(b"Guten Tag").hexdigest()
    assert (one.state, one.type, one.size, one.name) == ("kept", "text/plain", 9, "brief.txt")
    assert await blobs.read(one.digest) == b"Guten Tag"
    assert len(await names(blobs)) == 1
    assert torn(blobs) == []


async def test_the_layout_of_a_folder_stays(folder: Blobs) -> None:
    kept = await folder.put(b"Guten Tag", name="brief.txt", type="", limit=100)
    (file,) = [path for path in folder.folder.rglob("*") if path.is_file()]
    assert file == folder.folder / kept.digest[:2] / kept.digest[2:]


async def test_many_at_once_of_the_same(blobs: Blobs) -> None:
    kept = await asyncio.gather(*(blobs.put(b"x" * 1000, name="a", type="", limit=MB) for _ in range(20)))
    assert len({a.digest for a in kept}) == 1
    assert len(await names(blobs)) == 1


async def test_too_large_is_refused_while_it_streams(blobs: Blobs) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += MB
            yield b"x" * MB

    refused = await blobs.put(endless(), name="big.bin", type="", limit=3 * MB)
    assert (refused.state, refused.digest, refused.name) == ("refused", "", "big.bin")
    assert "3145728" in refused.reason
    assert sent <= 5 * MB
    assert await names(blobs) == []
    assert torn(blobs) == []


@pytest.mark.parametrize(("size", "state"), [(99, "kept"), (100, "kept"), (101, "refused"), (0, "refused")])
async def test_the_limit_is_exact(size: int, state: str, blobs: Blobs) -> None:
    assert (await blobs.put(b"x" * size, name="a", type="", limit=100)).state == state
    assert (await blobs.put(pieces(b"y" * size), name="a", type="", limit=100)).state == state


async def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"x" * MB
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await blobs.put(breaks(), name="a", type="", limit=10 * MB)
    assert await names(blobs) == []
    assert torn(blobs) == []


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "/..", "a" * 64 + "\n"])
async def test_only_digests_are_paths(digest: str, blobs: Blobs) -> None:
    with pytest.raises(NotFound):
        await blobs.find(digest)
    with pytest.raises(NotFound):
        await blobs.read(digest)
    with pytest.raises(NotFound):
        await blobs.remove(digest)


async def test_removed_is_gone(blobs: Blobs) -> None:
    kept = await blobs.put(b"abc", name="a", type="", limit=10)
    await blobs.remove(kept.digest)
    await blobs.remove(kept.digest)
    with pytest.raises(NotFound):
        await blobs.read(kept.digest)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\photo.jpg", "photo.jpg"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("a\x00b\r\nc\x1b[31m.txt", "abc[31m.txt"),
        ("\u2066x\u2069\u200e\ufeff.pdf", "x.pdf"),
        ("..", "file"),
        ("...hidden", "hidden"),
        ("", "file"),
        ("///", "file"),
        ("发票 2026.pdf", "发票 2026.pdf"),
        ("a" * 300 + ".jpeg", "a" * 115 + ".jpeg"),
        ("." + "a" * 300, "a" * 120),
        ("\ud800bad.txt", "bad.txt"),
    ],
)
def test_names_are_only_names(name: str, shown: str) -> None:
    assert display_name(name) == shown


@pytest.mark.parametrize(
    ("data", "name", "type"),
    [
        *((make(10, 10), "x", type) for type, make in PICTURES),
        (b"%PDF-1.7\n", "a.pdf", "application/pdf"),
        (b"ID3\x04", "a.mp3", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "a.mp3", "audio/mpeg"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a.wav", "audio/wav"),
        (b"OggS\0\x02", "a.ogg", "audio/ogg"),
        (b"fLaC\0", "a.flac", "audio/flac"),
        (b"#!AMR\n\x3c", "voice.amr", "audio/amr"),
        (b"\x02#!SILK_V3", "voice.amr", "audio/silk"),
        (b"\0\0\0\x18ftypM4A \0\0", "a.m4a", "audio/mp4"),
        (b"\0\0\0\x18ftypisom\0\0", "a.mp4", "video/mp4"),
        (b"\0\0\0\x18ftypqt  \0\0", "a.mov", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "a.webm", "video/webm"),
        (b"plain words\n", "a.txt", "text/plain"),
        ("你好，我要投诉".encode(), "a", "text/plain"),
        ("你好，我要投诉".encode("gb18030"), "a.txt", "text/plain"),
        (("啊" * 300_000).encode(), "a.txt", "text/plain"),
        (b"a;b\n1;2\n", "a.csv", "text/csv"),
        (zipped("a.txt"), "a.zip", "application/zip"),
        (
            zipped("[Content_Types].xml", "word/document.xml"),
            "a",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (
            zipped("[Content_Types].xml", "xl/workbook.xml"),
            "a",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (zipped("mimetype", "content.xml", stored=True), "a.odt", "application/vnd.oasis.opendocument.text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "application/msword"),
    ],
)
async def test_types_by_content(data: bytes, name: str, type: str, folder: Blobs) -> None:
    kept = await folder.put(data, name=name, type="text/html", limit=10 * MB)
    assert (kept.type, kept.state) == (type, "kept")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "a.png"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><script>alert(1)</script>", "a.txt"),
        (b"hello <script>alert(1)</script>", "a.txt"),
        (b"words before <SVG onload=alert(1)>", "a.csv"),
        (b"<?xml version='1.0'?><html/>", "a.txt"),
        (b"MZ\x90\x00\x03\x00", "photo.jpg"),
        (b"\x7fELF\x02\x01", "a"),
        (b"#!/bin/sh\nrm -rf /\n", "a.txt"),
        (b"alert(1)", "a.js"),
        (b"@echo off", "photo.jpg.BAT"),
        (zipped("META-INF/MANIFEST.MF", "A.class"), "a.zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.msi"),
        (b"\0\x01\x02", "a.txt"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "a.webm"),
    ],
)
async def test_what_could_run_is_kept_as_a_download(data: bytes, name: str, folder: Blobs) -> None:
    kept = await folder.put(data, name=name, type="image/png", limit=MB)
    assert (kept.type, kept.state) == (BINARY, "kept")
    assert await folder.read(kept.digest) == data


def test_nothing_that_runs_is_shown_in_a_page() -> None:
    assert not any(word in type for type in INLINE for word in ("svg", "html", "xml", "script", "pdf", "octet"))


@pytest.mark.parametrize(("type", "make"), PICTURES)
async def test_picture_bombs_are_not_shown(type: str, make: object, folder: Blobs) -> None:
    assert callable(make)
    fine, bomb = make(4000, 3000), make(16_000, 16_000)
    assert (sniff(fine), pixels(fine, type)) == (type, 12_000_000)
    kept = await folder.put(bomb, name="a", type=type, limit=MB)
    assert (kept.type, kept.state) == (BINARY, "kept")
    assert "256000000" in kept.reason


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPxxxx", b"GIF89a\x01"]
)
async def test_cut_pictures_are_not_shown(data: bytes, folder: Blobs) -> None:
    assert (await folder.put(data, name="a", type="", limit=MB)).type == BINARY


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_no_cut_head_breaks_the_reader(cut: int) -> None:
    for type, make in PICTURES:
        head = make(10, 10)[:cut]
        assert pixels(head, type) in (-1, 0, 100) or pixels(head, type) > 0
        assert sniff(head)


async def test_a_zip_bomb_is_never_unpacked(folder: Blobs) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (50 * MB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = await folder.put(out.getvalue(), name="a.zip", type="", limit=MB)
    assert (kept.type, kept.size) == ("application/zip", len(out.getvalue()))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


LATER = ORPHAN_SECONDS + 60


async def test_the_sweep_takes_only_what_is_old_and_nameless(blobs: Blobs) -> None:
    named, orphan = [(await blobs.put(word, name="a", type="", limit=10)).digest for word in (b"one", b"two")]
    left = blobs.folder / "tmp" / "left-by-a-crash"
    left.write_bytes(b"x")

    async def in_use(digest: str) -> bool:
        return digest == named

    now = time.time()
    assert await blobs.sweep(in_use, now=now + ORPHAN_SECONDS - 60) == 0
    assert len(await names(blobs)) == 2
    assert await blobs.sweep(in_use, now=now + LATER) == 1, "what broke off"
    assert torn(blobs) == []
    assert await blobs.sweep(in_use, now=now + ORPHAN_SECONDS - 60) == 0
    assert len(await names(blobs)) == 2, "the orphan is only set aside"
    assert await blobs.sweep(in_use, now=now + LATER) == 1
    assert len(await names(blobs)) == 1
    assert await blobs.read(named) == b"one"
    with pytest.raises(NotFound):
        await blobs.read(orphan)


async def test_what_is_not_ours_is_left_alone(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    await blobs.put(b"one", name="a", type="", limit=10)
    for name in ("report.pdf", "ab/" + "0" * 63, "swept/readme", "ab/" + "0" * 94):
        copy = tmp_path / "copy"
        copy.write_bytes(b"theirs")
        await blobs._place.keep(name, copy)

    async def nothing(digest: str) -> bool:
        return False

    for _ in range(2):
        await blobs.sweep(nothing, now=time.time() + LATER)
    assert len([name async for name in blobs._place.names("ab/")]) == 2
    assert await blobs._place.size("swept/readme") == await blobs._place.size("report.pdf") == 6


async def test_a_file_that_comes_again_during_the_sweep_stays(blobs: Blobs) -> None:
    """The sweeper is slow, or was frozen, between its look and its act: what was put meanwhile is found nevertheless."""
    digest = (await blobs.put(b"again", name="a", type="", limit=10)).digest
    rows: set[str] = set()

    async def comes_again(asked: str) -> bool:
        known = asked in rows
        await blobs.put(b"again", name="a", type="", limit=10)
        rows.add(asked)
        return known

    assert await blobs.sweep(comes_again, now=time.time() + LATER) == 0
    assert (await names(blobs))[0].startswith("swept/")
    assert await blobs.read(digest) == b"again"
    assert not any(name.startswith("swept/") for name in await names(blobs)), "and it is back in its place"


async def test_what_got_its_row_late_comes_back(blobs: Blobs) -> None:
    digest = (await blobs.put(b"late", name="a", type="", limit=10)).digest
    rows: set[str] = set()

    async def in_use(asked: str) -> bool:
        return asked in rows

    assert await blobs.sweep(in_use, now=time.time() + LATER) == 0
    before = await names(blobs)
    rows.add(digest)
    assert await blobs.sweep(in_use, now=time.time() + LATER) == 0
    assert await names(blobs) != before
    assert not any(name.startswith("swept/") for name in await names(blobs))
    assert await blobs.read(digest) == b"late"


async def test_an_erased_file_is_nowhere(blobs: Blobs) -> None:
    digest = (await blobs.put(b"mine", name="a", type="", limit=10)).digest

    async def nothing(asked: str) -> bool:
        return False

    await blobs.sweep(nothing, now=time.time() + LATER)
    await blobs.put(b"mine", name="a", type="", limit=10)
    assert len(await names(blobs)) == 2, "in its place, and set aside"
    await blobs.remove(digest)
    assert await names(blobs) == []


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 262_144, 1_000_001])
async def test_parts_of_a_file_are_parts_of_it(size: int, blobs: Blobs) -> None:
    data = os.urandom(size)
    kept = await blobs.put(data, name="a", type="", limit=MB)
    file = await blobs.find(kept.digest)
    assert (file.size, kept.size) == (size, size)
    for start, stop in ((0, 1), (size - 1, size), (size // 3, size // 2 + 1), (size // 2, None), (0, size + 10)):
        assert b"".join([piece async for piece in file.pieces(start, stop)]) == data[start:stop]


async def test_a_local_copy_is_there_while_it_is_needed(blobs: Blobs) -> None:
    data = os.urandom(MB)
    kept = await blobs.put(data, name="a", type="", limit=MB)
    async with blobs.local(kept.digest) as path:
        assert path.read_bytes() == data
    assert torn(blobs) == []
    with pytest.raises(NotFound):
        async with blobs.local("0" * 64):
            pass
    assert torn(blobs) == []


async def test_other_bytes_in_its_place_are_noticed(blobs: Blobs, tmp_path: Path) -> None:
    kept = await blobs.put(os.urandom(100_000), name="a", type="", limit=MB)
    (name,) = await names(blobs)
    others = tmp_path / "others"
    others.write_bytes(b"#" * 100_000)
    await blobs._place.remove(name)
    await blobs._place.keep(name, others)
    with pytest.raises(Damaged):
        await blobs.read(kept.digest)
    if (blobs.folder / name).exists() and len(name) == 65:
        return  # a plain file on disk is lent as it lies

    async def lent() -> None:
        async with blobs.local(kept.digest):
            pass

    with pytest.raises(Damaged):
        await lent()
    assert torn(blobs) == []


async def test_a_damaged_file_is_healed_by_its_next_copy(blobs: Blobs, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    kept = await blobs.put(data, name="a", type="", limit=MB)
    (name,) = await names(blobs)
    cut = tmp_path / "cut"
    cut.write_bytes(data[:5000])
    await blobs._place.remove(name)
    await blobs._place.keep(name, cut)
    await blobs.put(data, name="a", type="", limit=MB)
    assert await blobs.read(kept.digest) == data


async def test_a_folder_that_cannot_be_written_means_nothing_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        await Blobs(tmp_path / "blobs").put(b"x", name="a", type="", limit=10)


def test_a_full_disk_means_nothing_is_accepted(tmp_path: Path) -> None:
    """A file size limit of the system stands for the full disk: the write fails half-way with an OSError."""
    program = f"""
import asyncio, resource, signal
from pathlib import Path
from gateway.blobs import Blobs
from gateway.store.base import StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    asyncio.run(Blobs(Path({str(tmp_path / "blobs")!r})).put(b"x" * 1_000_000, name="a", type="", limit=10**7))
except StoreUnavailable:
    print("unavailable")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "unavailable\n"
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_file_is_durable_before_put_returns(tmp_path: Path) -> None:
    """The order of system calls: the file's fsync, the rename, the folder's fsync."""
    program = f"""
import asyncio, os
from pathlib import Path
from gateway.blobs import Blobs
calls = []
real_fsync, real_replace = os.fsync, os.replace
def fsync(fd): calls.append("fsync " + ("folder" if os.path.isdir(os.readlink(f"/proc/self/fd/{{fd}}")) else "file")); real_fsync(fd)
def replace(a, b): calls.append("rename"); real_replace(a, b)
os.fsync, os.replace = fsync, replace
asyncio.run(Blobs(Path({str(tmp_path / "blobs")!r})).put(b"x", name="a", type="", limit=10))
print(*calls, sep=",")
"""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().startswith("fsync file,rename,fsync folder")
