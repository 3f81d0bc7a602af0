"""A call that runs, on the disk: its sound as a wav that grows, and beside it what is known of it.

What was given to :meth:`CallFile.write` survives this process (a tenth of a second may be missing), so a call during which
it ends is found at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from channels.base import Inbound
from gateway.store.base import conversation_id

#: Bytes before the sound.
HEADER = 44
#: Parts of a second that are written at once.
WRITES = 10

_FIRST = msgspec.json.Decoder(Inbound)


@dataclass(frozen=True)
class Finished:
    """A call that is over and waits to become a message; ``first`` is the message that its first words made or would make.

    None where the note beside the sound is gone: a power cut may do that.
    """

    path: Path
    first: Inbound | None
    ended_at: datetime

    def remove(self) -> None:
        """It is a message now. The sound goes first: a note alone is nothing."""
        self.path.unlink(missing_ok=True)
        _note(self.path).unlink(missing_ok=True)


class CallFile:
    """``folder/<first.external_id>.wav.part`` while the call runs, without ``.part`` once it is over. 16-bit samples.

    ``second`` is how many bytes a second has, ``size`` how many can be read. Raises OSError when the disk does not take it,
    here and in all methods.
    """

    def __init__(self, folder: Path, first: Inbound, *, rate: int, channels: int) -> None:
        self.path = folder / f"{first.external_id}.wav.part"
        self.second = 2 * channels * rate
        self._frame = 2 * channels
        self._waiting = bytearray()
        self.size = 0
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The note comes first: sound without it would be nobody's.
        _write(_note(self.path.with_suffix("")), msgspec.json.encode(first))
        new = self.path.with_suffix(".new")
        self._file = new.open("xb", buffering=0)
        # Held as long as the call runs, so that no other process takes it for one that was left behind.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(_header(rate, channels, 0))
        os.rename(new, self.path)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.size / self.second

    def write(self, samples: bytes, *, now: bool = False) -> None:
        """Add sound; ``now`` if it is to be read at once."""
        self._waiting += samples
        if len(self._waiting) >= self.second // WRITES or (now and self._waiting):
            whole = len(self._waiting) - len(self._waiting) % self._frame
            self._file.write(self._waiting[:whole])
            del self._waiting[:whole]
            self.size += whole

    def leave(self) -> None:
        """The process ends and the call does not: the file stays as it is. Raises OSError."""
        try:
            self.write(b"", now=True)
        finally:
            self._file.close()

    def close(self) -> None:
        """The call is over: length and name are written down."""
        try:
            self.leave()
        finally:
            finish(self.path)


def finish(part: Path) -> None:
    """Write the length of a call's file down and give it its name; a call without any sound leaves nothing. Raises OSError."""
    size = part.stat().st_size - HEADER
    path = part.with_suffix("")
    if size <= 0:
        part.unlink()
        _note(path).unlink(missing_ok=True)
        return
    with part.open("r+b") as file:
        head = file.read(HEADER)
        (channels, rate) = struct.unpack("<HI", head[22:28])
        file.seek(0)
        file.write(_header(rate, channels, size))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def finish_left(part: Path) -> None:
    """:func:`finish` a call that nobody holds any more. Raises OSError."""
    with contextlib.suppress(BlockingIOError, FileNotFoundError), part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finish(part)


def home(data: Path) -> Path:
    """The folder that calls are kept in until they are messages, a folder for each account; on this node's own disk."""
    return data / "live"


def forget(home: Path, conversation: str) -> int:
    """Remove what is here of a conversation whose person is erased; how many calls. One that runs leaves nothing then."""
    count = 0
    for note in home.glob("*/*.json"):
        first = _noted(note)
        if first is not None and conversation_id(first.channel, first.account, first.thread) == conversation:
            for path in (note.with_suffix(".wav.part"), note.with_suffix(".wav"), note):
                path.unlink(missing_ok=True)
            count += 1
    return count


def parts(folder: Path) -> list[Path]:
    """The files of calls that run, or ran when the process ended."""
    return sorted(folder.glob("*.wav.part"))


def finished(folder: Path) -> Iterator[Finished]:
    """The calls that are over and no messages yet."""
    for path in sorted(folder.glob("*.wav")):
        ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        yield Finished(path, _noted(path), ended)


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _noted(path: Path) -> Inbound | None:
    try:
        first: Inbound = _FIRST.decode(_note(path).read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return first


def _write(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def _header(rate: int, channels: int, size: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return struct.pack("<4sI4s4sI16s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, form, b"data", size)
