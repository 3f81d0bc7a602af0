"""The watched folder: finished files alone, each once, with what is known of the call."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from channels import _phone_call as calls
from channels._phone_folder import DONE, FAILED, Folder
from channels.base import Answer, Attachment, Call, Delivery, LocalFile, Refused, Socket
from channels.phone import Phone, PhoneSettings

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Tools:
    """The clock that a channel is lent."""

    def now(self) -> datetime:
        return NOW

    async def http(self, call: Call) -> Answer:
        raise Refused("nothing is called")

    async def read(self, attachment: Attachment) -> bytes:
        raise Refused("nothing is read")

    def socket(self, url: str) -> AbstractAsyncContextManager[Socket]:
        raise Refused("nothing is opened")


def wav(size: int = 1000, *, promises: int | None = None) -> bytes:
    """A wav's beginning with ``size`` bytes after its header."""
    length = 36 + (size if promises is None else promises)
    return b"RIFF" + length.to_bytes(4, "little") + b"WAVE" + bytes(32) + bytes(size)


def put(path: Path, data: bytes, *, age: float = 60.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    changed = NOW.timestamp() - age
    os.utime(path, (changed, changed))
    return path


def watch(folder: Path, **more: object) -> AsyncIterator[Delivery]:
    settings = PhoneSettings(folder=str(folder), **more)  # type: ignore[arg-type]
    return Phone("main", settings).deliveries(None, Tools())


async def first(folder: Path, count: int = 1, **more: object) -> list[Delivery]:
    """Deliveries up to the end of the first look, each acknowledged."""
    taken = []
    async with aclosing(watch(folder, **more)) as deliveries:  # type: ignore[type-var]
        async for delivery in deliveries:
            if not delivery.messages and not delivery.trouble:
                break
            taken.append(delivery)
            if delivery.ack:
                await delivery.ack()
    assert len(taken) == count
    return taken


async def test_a_finished_file_is_a_message_and_moves_after_the_ack(tmp_path: Path) -> None:
    put(tmp_path / "2026" / "11" / "in-4001-13800138000-20261122-151500-1763777700.42.wav", wav())
    async with aclosing(watch(tmp_path, timezone="Asia/Shanghai")) as deliveries:  # type: ignore[type-var]
        delivery = await anext(deliveries)
        (message,) = delivery.messages
        assert (message.thread, message.sender.phone) == ("1763777700.42", "13800138000")
        assert message.at == datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
        (file,) = message.attachments
        assert isinstance(file, LocalFile)
        there = Path(file.path)
        assert there.name in os.listdir(there.parent)
        assert delivery.ack is not None
        await delivery.ack()
    assert there.name not in os.listdir(there.parent)
    assert (tmp_path / DONE / "2026" / "11" / "in-4001-13800138000-20261122-151500-1763777700.42.wav").exists()


async def test_what_was_not_acknowledged_comes_again(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", wav())
    for _ in range(2):
        async with aclosing(watch(tmp_path)) as deliveries:  # type: ignore[type-var]
            delivery = await anext(deliveries)
            assert delivery.messages[0].external_id == "a.wav"


async def test_files_that_are_written_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path / "young.wav", wav(), age=3)
    put(tmp_path / "promises.wav", wav(100, promises=100_000))
    put(tmp_path / "empty-so-far.wav", b"", age=20)
    put(tmp_path / ".hidden.wav", wav())
    put(tmp_path / "readme.txt", b"no recording")
    put(tmp_path / DONE / "old.wav", wav())
    (tmp_path / "link.wav").symlink_to("/etc/passwd")
    folder = Folder(tmp_path, settle=10)
    ready, growing = folder.finished(NOW)
    assert (ready, growing) == ([], 3)
    ready, growing = folder.finished(NOW + timedelta(hours=1))
    assert {one.name for one in ready} == {"young.wav", "promises.wav", "empty-so-far.wav"}


async def test_a_length_that_the_writer_did_not_know_is_no_promise(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", b"RIFF\xff\xff\xff\xffWAVE" + bytes(100))
    put(tmp_path / "b.wav", b"RIFF\0\0\0\0WAVE" + bytes(100))
    assert len(Folder(tmp_path, settle=10).finished(NOW)[0]) == 2


async def test_an_empty_file_is_put_aside_and_shown(tmp_path: Path) -> None:
    put(tmp_path / "x.mp3", b"", age=3600)
    put(tmp_path / "y.mp3", b"ID3", age=60)
    deliveries = await first(tmp_path, 2)
    assert deliveries[0].trouble
    assert (tmp_path / FAILED / "x.mp3").exists()
    assert (tmp_path / DONE / "y.mp3").exists()


async def test_a_name_that_is_taken_in_done_is_not_overwritten(tmp_path: Path) -> None:
    put(tmp_path / DONE / "a.wav", b"the older one")
    put(tmp_path / "a.wav", wav())
    await first(tmp_path)
    assert (tmp_path / DONE / "a.wav").read_bytes() == b"the older one"
    assert (tmp_path / DONE / "a~1.wav").exists()


async def test_a_json_sidecar_tells_of_the_call_and_moves_too(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", wav())
    told = {"uniqueid": "77.1", "src": "+8613800138000", "start": "2026-11-22 15:15:00", "note": "kettle", "lang": "zh"}
    put(tmp_path / "a.json", json.dumps(told).encode())
    (delivery,) = await first(tmp_path, timezone="Asia/Shanghai")
    (message,) = delivery.messages
    assert (message.thread, message.sender.phone, message.text, message.language) == (
        "77.1",
        "+8613800138000",
        "kettle",
        "zh",
    )
    assert message.at == datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
    assert message.raw == json.dumps(told).encode()
    assert (tmp_path / DONE / "a.json").exists()


async def test_a_csv_sidecar_by_the_row_that_names_the_file(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", wav())
    put(tmp_path / "a.wav.csv", b"\xef\xbb\xbffile,caller,call_id\r\nother.wav,111111,1\r\na.wav,222222,2\r\n")
    (delivery,) = await first(tmp_path)
    assert delivery.messages[0].thread == "2"


@pytest.mark.parametrize("content", [b"{", b"[" * 5000, b"\xff\xfe\x00", b"[]", b"null", b""])
async def test_a_sidecar_that_cannot_be_read_keeps_no_recording_out(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "a.wav", wav())
    put(tmp_path / "a.json", content)
    (delivery,) = await first(tmp_path)
    assert delivery.messages[0].thread == "a.wav"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1763777700.42-13800138000-1763777700.wav", ("1763777700.42", "13800138000")),
        ("out-13800138000-101-20261122-101500-1763777700.43.wav", ("1763777700.43", "13800138000")),
        ("40325ec2-5efd-4bd3-805f-53576e581d13.wav", ("40325ec2-5efd-4bd3-805f-53576e581d13", "")),
        ("13800138000_20261122-101500.mp3", ("13800138000_20261122-101500.mp3", "13800138000")),
        ("whatever.ogg", ("whatever.ogg", "")),
    ],
)
async def test_names(tmp_path: Path, name: str, expected: tuple[str, str]) -> None:
    put(tmp_path / name, wav())
    (delivery,) = await first(tmp_path)
    (message,) = delivery.messages
    assert (message.thread, message.sender.phone) == expected


async def test_names_of_your_own(tmp_path: Path) -> None:
    put(tmp_path / "Q7__caller=5551234.wav", wav())
    (delivery,) = await first(tmp_path, file_names=r"(?P<call_id>Q\d+)__caller=(?P<caller>\d+)")
    assert (delivery.messages[0].thread, delivery.messages[0].sender.phone) == ("Q7", "5551234")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1763777700", datetime(2025, 11, 22, 2, 15, tzinfo=UTC)),
        ("1763777700000", datetime(2025, 11, 22, 2, 15, tzinfo=UTC)),
        ("2026-11-22T15:15:00+08:00", datetime(2026, 11, 22, 7, 15, tzinfo=UTC)),
        ("20261122-151500", datetime(2026, 11, 22, 7, 15, tzinfo=UTC)),
        ("9999999999999", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times(value: str, expected: datetime | None) -> None:
    assert calls.moment(value, SHANGHAI) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"Li Lei" <+86 138-0013-8000>', "+8613800138000"),
        ("sip:4001@pbx.example", "4001"),
        ("anonymous", ""),
        ("'; drop table", ""),
    ],
)
def test_numbers(value: str, expected: str) -> None:
    assert calls.number(value) == expected


async def test_the_check_says_what_is_wrong_with_the_folder(tmp_path: Path) -> None:
    missing = Phone("main", PhoneSettings(folder=str(tmp_path / "none")))
    there = Phone("main", PhoneSettings(folder=str(tmp_path)))
    assert [f.ok for f in await missing.check(Tools())] == [False]
    assert [f.ok for f in await there.check(Tools())] == [True]
    assert os.listdir(tmp_path) == []
