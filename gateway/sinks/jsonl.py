"""Events as lines of a file: one JSON object a line, each event once, durable before it counts as delivered.

Once and only once: a line is complete and fsynced before ``deliver`` returns. When the process dies between the
write and the outbox's commit, the outbox brings the event again; it is known by its id, because the ids of the last
:data:`REMEMBERED` lines are read back at the start (what can be under way at a crash is at most the outbox's
``parallel`` rows). A line that a crash cut in half is cut off and comes again. A failed write is taken back.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from channels.base import ChannelError, Finding, Refused, Retry, Tools, Unauthorized

#: Ids kept in memory to know a repeat by; about 3 MB.
REMEMBERED = 20_000
#: Bytes of the newest files that are read back for them.
READ_BACK = 64 * 1024 * 1024

#: Errors that pass by themselves or when room is made; for all others the operator must act.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EMFILE, errno.ENFILE})


class JsonlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sinks.<name>] kind = "jsonl"``."""

    path: Annotated[str, Meta(min_length=1, description="The file. A relative path stays inside the data folder.")] = (
        "events.jsonl"
    )
    rotate_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Size at which the file is put aside as `<name>.<n>.jsonl` and a new one begun; 0 for never.",
        ),
    ] = 0


class _Id(msgspec.Struct):
    id: str


_IDS = msgspec.json.Decoder(_Id)


class JsonlSink:
    """Writes events to a file. Events that wait at one moment share one write and one fsync."""

    kind: ClassVar[str] = "jsonl"
    settings: ClassVar[type[msgspec.Struct]] = JsonlSettings

    def __init__(self, name: str, settings: JsonlSettings) -> None:
        self.name = name
        self._settings = settings
        self._folder: Path | None = None
        self._known: OrderedDict[str, None] | None = None
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def use_folder(self, folder: Path) -> None:
        """Take the data folder, where a relative path starts."""
        self._folder = folder

    @property
    def path(self) -> Path:
        """The file. Raises :class:`Unauthorized` when a relative path leaves the data folder."""
        configured = Path(self._settings.path)
        if configured.is_absolute():
            return configured
        if self._folder is None:
            raise Unauthorized("a relative path needs the data folder")
        path = (self._folder / configured).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise Unauthorized("the path leaves the data folder; write it as an absolute path when that is meant")
        return path

    async def deliver(self, body: bytes, key: str, at: datetime, tools: Tools) -> str:  # noqa: ARG002
        """Append one event. The reference is empty: a file has none."""
        try:
            id = _IDS.decode(body).id
        except msgspec.DecodeError as err:
            raise Refused("not an event") from err
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((id, body, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done
        return ""

    async def check(self, tools: Tools) -> tuple[Finding, ...]:  # noqa: ARG002
        """Whether the file's folder can be written."""
        try:
            folder = self.path.parent
        except Unauthorized as err:
            return (Finding(what="path", ok=False, detail=str(err)),)
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        ok = os.access(there, os.W_OK)
        return (Finding(what=f"write {self.path}", ok=ok, detail="" if ok else f"{there} cannot be written"),)

    async def _write(self) -> None:
        """Write group after group until nobody waits."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            error: ChannelError | None = None
            try:
                await asyncio.to_thread(self._append, {id: body for id, body, _ in group})
            except OSError as err:
                error = _channel_error(err)
            except ChannelError as err:
                error = err
            for _, _, done in group:
                if done.done():  # whoever waited was cancelled
                    continue
                done.set_result(None) if error is None else done.set_exception(error)

    def _append(self, events: dict[str, bytes]) -> None:
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._known is None:
            self._known = _read_back(path)
        fresh = {id: body for id, body in events.items() if id not in self._known}
        if not fresh:
            return
        self._rotate(path)
        # A line feed can only be white space between the tokens of JSON.
        _append_durably(path, b"".join(body.replace(b"\n", b" ") + b"\n" for body in fresh.values()))
        self._known.update(dict.fromkeys(fresh))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _rotate(self, path: Path) -> None:
        limit = self._settings.rotate_bytes
        if not limit or not path.exists() or path.stat().st_size < limit:
            return
        number = max((n for n, _ in _set_aside(path)), default=0) + 1
        path.rename(path.with_name(f"{path.stem}.{number}{path.suffix}"))


def _append_durably(path: Path, data: bytes) -> None:
    """Append after the last whole line; what fails half-way is taken back before the error is passed on."""
    fresh = not path.exists()
    with path.open("r+b" if not fresh else "xb") as file:
        end = _end_of_lines(path, file.seek(0, os.SEEK_END))
        file.seek(end)
        file.truncate()
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, end)
            raise
    if fresh:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _end_of_lines(path: Path, size: int) -> int:
    """Where the last whole line ends; less than ``size`` only after a crash in the middle of a line."""
    with path.open("rb") as file:
        at = size
        while at > 0:
            start = max(0, at - 65_536)
            file.seek(start)
            found = file.read(at - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            at = start
    return 0


def _read_back(path: Path) -> OrderedDict[str, None]:
    """The ids of the newest lines, oldest first: this file's, before them those of the one put aside last."""
    known: OrderedDict[str, None] = OrderedDict()
    aside = [file for _, file in _set_aside(path)[-1:]]
    for file in [*aside, path]:
        if not file.exists():
            continue
        for line in _whole_lines(file):
            try:
                known[_IDS.decode(line).id] = None
            except msgspec.DecodeError:
                continue  # the cut first line of a long file's tail
    while len(known) > REMEMBERED:
        known.popitem(last=False)
    return known


def _whole_lines(path: Path) -> list[bytes]:
    """The newest lines, without the one that a crash cut. They are made durable: they now count as delivered."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - READ_BACK))
        return file.read().split(b"\n")[:-1]


def _set_aside(path: Path) -> list[tuple[int, Path]]:
    """The rotated files with their numbers, oldest first."""
    found = []
    for file in path.parent.glob(f"{path.stem}.*{path.suffix}"):
        number = file.name[len(path.stem) + 1 : len(file.name) - len(path.suffix)]
        if number.isdecimal():
            found.append((int(number), file))
    return sorted(found)


def _channel_error(err: OSError) -> ChannelError:
    reason = f"the file cannot be written: {err.strerror}"
    return Retry(reason) if err.errno in _PASSING else Unauthorized(reason)


SINK = JsonlSink
