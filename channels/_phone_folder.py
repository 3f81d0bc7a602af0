"""A folder into which a telephone system records: which files are finished, what is known of them, where they go then."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from channels import _phone_call as calls

#: Endings of recordings, and of files that are still being written.
ENDINGS = frozenset(
    ".wav .wav49 .gsm .mp3 .m4a .mp4 .aac .ogg .opus .amr .awb .flac .webm .3gp .wma .au .aiff .ulaw .alaw".split()
)
DONE, FAILED = "done", "failed"
#: A wav whose header promises more than there is may still grow; after so many settling times it is taken as it is.
PATIENCE = 30
#: Largest sidecar that is read, in bytes.
MAX_SIDECAR = 64 * 1024

#: Names that Asterisk, FreePBX and others give; the first that fits counts. Yours may be added in the settings.
PATTERNS = (
    # FreePBX: in-5551234-13800138000-20261122-101500-1763777700.42.wav (direction, did or extension, caller, …)
    r"(?P<direction>in|external|q|rg)-(?P<agent>[^-]+)-(?P<caller>\+?\d+)-(?P<at>\d{8}-\d{6})-(?P<call_id>\d+\.\d+)",
    r"(?P<direction>out|internal)-(?P<caller>\+?\d+)-(?P<agent>[^-]+)-(?P<at>\d{8}-\d{6})-(?P<call_id>\d+\.\d+)",
    # Asterisk: ${UNIQUEID}-${CALLERID(num)}-${EPOCH}
    r"(?P<call_id>\d{9,10}\.\d+)-(?P<caller>\+?\d+)-(?P<at>\d{9,10})",
    # FreeSWITCH: ${uuid}
    r"(?P<call_id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    # 13800138000_20261122-101500
    r"(?P<caller>\+?\d{3,20})[-_](?P<at>\d{8}[-_T]?\d{6}|\d{9,10})",
)


@dataclass(frozen=True)
class Found:
    """A finished recording: its path inside the folder is its name."""

    path: Path
    name: str
    size: int
    changed_at: datetime


class Folder:
    """The folder. ``settle`` is for how many seconds a file must not have changed."""

    def __init__(self, root: Path, *, settle: float, pattern: str = "") -> None:
        self.root, self._settle = root, settle
        self._patterns = [re.compile(one) for one in ((pattern,) if pattern else ()) + PATTERNS]

    def finished(self, now: datetime) -> tuple[list[Found], int]:
        """The finished recordings, oldest first, and how many are still being written. Raises OSError."""
        ready, growing = [], 0
        for path in self._files():
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # the telephone system has just renamed it
            age = now.timestamp() - stat.st_mtime
            if age < self._settle or (age < self._settle * PATIENCE and _promises_more(path, stat.st_size)):
                growing += 1
                continue
            changed = datetime.fromtimestamp(stat.st_mtime, UTC)
            ready.append(Found(path, str(path.relative_to(self.root)), stat.st_size, changed))
        return sorted(ready, key=lambda one: (one.changed_at, one.name)), growing

    def _files(self) -> Iterator[Path]:
        """Recordings at any depth; links and hidden files are not ours, done and failed ones are."""
        for folder, folders, files in os.walk(self.root, onerror=_raise):
            here = Path(folder)
            if here == self.root:
                folders[:] = [name for name in folders if name not in (DONE, FAILED)]
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = here / name
                if path.suffix.lower() in ENDINGS and not name.startswith(".") and not path.is_symlink():
                    yield path

    def known(self, found: Found, zone: tzinfo) -> tuple[calls.Call, bytes]:
        """What the sidecar says (``x.json`` or ``x.csv`` beside ``x.wav``, or ``x.wav.json``), else the name; and its bytes."""
        for sidecar in _sidecars(found.path):
            content = _read(sidecar)
            if content:
                values = _values(content, sidecar.suffix, found.path.name)
                return calls.read(values, zone), content
        stem = found.path.name.removesuffix(found.path.suffix)
        for pattern in self._patterns:
            if match := pattern.search(stem):
                return calls.read(match.groupdict(), zone), b""
        return calls.Call(), b""

    def put_away(self, found: Found, where: str) -> None:
        """Move a recording with its sidecars to ``done`` or ``failed``, under the same path. Raises OSError."""
        for path in (*_sidecars(found.path), found.path):
            if path.exists():
                target = self.root / where / path.relative_to(self.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, _free(target))


def _raise(err: OSError) -> None:
    raise err


def _free(target: Path) -> Path:
    """A name that is not taken: what was put away before is never overwritten."""
    tried, n = target, 1
    while tried.exists():
        tried, n = target.with_name(f"{target.stem}~{n}{target.suffix}"), n + 1
    return tried


def _promises_more(path: Path, size: int) -> bool:
    """Whether a wav's header says that more is to come. A length of 0 or -1 is a writer that does not know it."""
    if path.suffix.lower() not in (".wav", ".wav49"):
        return size == 0
    with path.open("rb") as file:
        head = file.read(8)
    length = int.from_bytes(head[4:8], "little")
    return head[:4] != b"RIFF" or (0 < length < 0x7FFF0000 and size < length + 8)


def _sidecars(path: Path) -> list[Path]:
    return [made for ending in (".json", ".csv") for made in (path.with_suffix(ending), Path(f"{path}{ending}"))]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return b"" if path.is_symlink() else file.read(MAX_SIDECAR)
    except OSError:
        return b""


def _values(content: bytes, ending: str, name: str) -> dict[str, object]:
    """The values in a sidecar; one that cannot be read says nothing, and its bytes are kept with the message."""
    text = content.decode("utf-8-sig", "replace")
    try:
        if ending == ".json":
            tree = json.loads(text)
            return tree if isinstance(tree, dict) else {}
        rows: list[dict[str, object]] = [dict(row) for row in csv.DictReader(text.splitlines())]
    except (ValueError, csv.Error, RecursionError):
        return {}
    return next((row for row in rows if name in row.values()), rows[0] if rows else {})
