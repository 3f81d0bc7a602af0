"""The JSON Lines file: each event once, whole, in order, and there when it counts as delivered."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.base import Refused, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.sinks import base
from gateway.sinks.jsonl import REMEMBERED, JsonlSettings, JsonlSink
from gateway.tools import GatewayTools

AT = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def tools(tmp_path: Path) -> GatewayTools:
    return GatewayTools(Egress(), Blobs(tmp_path / "blobs"))


def sink(tmp_path: Path, path: str = "events.jsonl", rotate: int = 0) -> JsonlSink:
    it = JsonlSink("file", JsonlSettings(path=path, rotate_bytes=rotate))
    it.use_folder(tmp_path)
    return it


def event(id: object, text: str = "") -> bytes:
    return json.dumps({"id": f"A-{id}:1:opened", "data": text}, ensure_ascii=False).encode()


def ids(path: Path) -> list[str]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line)["id"] for line in text.splitlines()]


def written(folder: Path) -> list[str]:
    """The ids of the rotated files, by their numbers, and of the current one."""
    rotated = sorted(folder.glob("events.*.jsonl"), key=lambda path: int(path.name.split(".")[1]))
    return [id for file in [*rotated, folder / "events.jsonl"] for id in ids(file)]


async def deliver(to: JsonlSink, tools: GatewayTools, *bodies: bytes) -> None:
    await asyncio.gather(*(to.deliver(body, f"key{n}", AT, tools) for n, body in enumerate(bodies)))


def test_the_kinds_are_found() -> None:
    assert base.names() == ["jsonl", "webhook"]
    assert base.load("jsonl") is JsonlSink
    with pytest.raises(ModuleNotFoundError):
        base.load("fax")


async def test_each_event_is_a_line_in_order(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path)
    for n in range(5):
        assert await to.deliver(event(n, "换行\n和“引号”"), "", AT, tools) == ""
    assert ids(tmp_path / "events.jsonl") == [f"A-{n}:1:opened" for n in range(5)]


async def test_many_at_once_share_a_write(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path)
    await deliver(to, tools, *(event(n) for n in range(500)))
    assert ids(tmp_path / "events.jsonl") == [f"A-{n}:1:opened" for n in range(500)]


async def test_the_same_event_is_one_line(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path)
    await deliver(to, tools, event(1), event(1), event(2))
    await deliver(to, tools, event(2), event(1))
    assert ids(tmp_path / "events.jsonl") == ["A-1:1:opened", "A-2:1:opened"]


async def test_the_same_event_is_one_line_after_a_restart(tmp_path: Path, tools: GatewayTools) -> None:
    await deliver(sink(tmp_path), tools, event(1), event(2))
    again = sink(tmp_path)
    await deliver(again, tools, event(2), event(3), event(1))
    assert ids(tmp_path / "events.jsonl") == ["A-1:1:opened", "A-2:1:opened", "A-3:1:opened"]


@pytest.mark.parametrize("torn", [b"{", event(2)[:-4], event(2), '{"id": "被'.encode()[:-1]])
async def test_a_line_that_a_crash_cut_comes_again(torn: bytes, tmp_path: Path, tools: GatewayTools) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(event(1) + b"\n" + torn)
    await deliver(sink(tmp_path), tools, event(2))
    assert ids(path) == ["A-1:1:opened", "A-2:1:opened"]


async def test_a_file_that_is_one_torn_line(tmp_path: Path, tools: GatewayTools) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"id": "A-1:1:op' + b"x" * 200_000)
    await deliver(sink(tmp_path), tools, event(1))
    assert ids(path) == ["A-1:1:opened"]


async def test_rotation_keeps_every_event_once(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path, rotate=150)
    for n in range(12):
        await to.deliver(event(n), "", AT, tools)
    assert (tmp_path / "events.2.jsonl").exists()
    assert written(tmp_path) == [f"A-{n}:1:opened" for n in range(12)]
    await sink(tmp_path, rotate=150).deliver(event(11), "", AT, tools)
    await sink(tmp_path, rotate=150).deliver(event(9), "", AT, tools)
    assert len(written(tmp_path)) == 12


async def test_a_file_moved_away_is_begun_anew(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path)
    await deliver(to, tools, event(1))
    (tmp_path / "events.jsonl").rename(tmp_path / "archived")
    await deliver(to, tools, event(2))
    assert ids(tmp_path / "events.jsonl") == ["A-2:1:opened"]


async def test_memory_is_bounded(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path)
    await deliver(to, tools, *(event(n) for n in range(REMEMBERED + 10)))
    await deliver(to, tools, event(REMEMBERED + 9))
    assert len(ids(tmp_path / "events.jsonl")) == REMEMBERED + 10


@pytest.mark.parametrize("path", ["../outside.jsonl", "a/../../outside.jsonl", "link/outside.jsonl"])
async def test_a_relative_path_stays_in_the_data_folder(path: str, tmp_path: Path, tools: GatewayTools) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "link").symlink_to(tmp_path)
    with pytest.raises(Unauthorized):
        await sink(data, path).deliver(event(1), "", AT, tools)
    assert not (tmp_path / "outside.jsonl").exists()
    (finding,) = await sink(data, path).check(tools)
    assert not finding.ok


async def test_an_absolute_path_is_as_configured(tmp_path: Path, tools: GatewayTools) -> None:
    path = tmp_path / "elsewhere" / "new" / "e.jsonl"
    to = JsonlSink("file", JsonlSettings(path=str(path)))
    (finding,) = await to.check(tools)
    assert finding.ok
    assert not path.parent.exists()
    await deliver(to, tools, event(1))
    assert ids(path) == ["A-1:1:opened"]


async def test_a_folder_in_the_way_stops_the_sink(tmp_path: Path, tools: GatewayTools) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(Unauthorized):
        await sink(tmp_path).deliver(event(1), "", AT, tools)


async def test_what_is_no_event_is_refused_alone(tmp_path: Path, tools: GatewayTools) -> None:
    to = sink(tmp_path)
    good, bad = await asyncio.gather(
        to.deliver(event(1), "", AT, tools), to.deliver(b"{}", "", AT, tools), return_exceptions=True
    )
    assert (good, type(bad)) == ("", Refused)
    assert ids(tmp_path / "events.jsonl") == ["A-1:1:opened"]


def test_a_full_disk_takes_the_half_line_back(tmp_path: Path) -> None:
    """The system's file size limit (EFBIG) stands for the full disk: the write fails half-way."""
    program = f"""
import asyncio, resource, signal
from pathlib import Path
from channels.base import ChannelError
from gateway.sinks.jsonl import JsonlSettings, JsonlSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    sink = JsonlSink("file", JsonlSettings())
    sink.use_folder(Path({str(tmp_path)!r}))
    large = b'{{"id": "2", "x": "%s"}}' % (b"x" * 5000)
    await sink.deliver(b'{{"id": "1"}}', "", None, None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))
    try:
        await sink.deliver(large, "", None, None)
    except ChannelError as err:
        print(type(err).__name__, Path({str(tmp_path / "events.jsonl")!r}).read_bytes())
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    await sink.deliver(large, "", None, None)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == 'Unauthorized b\'{"id": "1"}\\n\'\n'
    assert ids(tmp_path / "events.jsonl") == ["1", "2"]


def test_killed_at_any_moment_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """A process writes and says what is delivered; it is killed ten times and starts again from the last word."""
    program = f"""
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path
from gateway.sinks.jsonl import JsonlSettings, JsonlSink
async def main(n):
    sink = JsonlSink("file", JsonlSettings(rotate_bytes=4000))
    sink.use_folder(Path({str(tmp_path)!r}))
    while True:
        many = range(n, n + 8)
        await asyncio.gather(*(sink.deliver(b'{{"id": "A-%d"}}' % i, "", datetime.now(UTC), None) for i in many))
        n += 8
        print(n, flush=True)
asyncio.run(main(int(sys.argv[1])))
"""
    delivered = 0
    for round in range(10):
        process = subprocess.Popen([sys.executable, "-c", program, str(delivered)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(1 + round * 3):
            delivered = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        delivered = max(
            [
                delivered,
                *(int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")),
            ]
        )
        process.wait()
        process.stdout.close()
    lines = [
        json.loads(line)["id"]
        for file in tmp_path.glob("events*.jsonl")
        for line in file.read_bytes().split(b"\n")[:-1]
    ]
    assert len(lines) == len(set(lines))
    assert {f"A-{n}" for n in range(delivered)} <= set(lines)
