"""Taking over what came before: the messages of an archive file, read once, answered never."""

from __future__ import annotations

import asyncio
import mmap
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz
from pathlib import Path
from typing import Any, NamedTuple

from channels.base import ReadsArchives
from gateway.context import Gateway
from gateway.intake import accept
from gateway.tools import GatewayTools

#: Messages and bytes that are read and committed at once.
BATCH, BATCH_BYTES = 50, 16 * 1024 * 1024
#: Batches of one call; the caller shows its progress in between.
BATCHES = 10


class ArchiveError(Exception):
    """The archive cannot be taken over; the message says why."""


class Piece(NamedTuple):
    """A message of an archive, when it was got, and where the next one starts."""

    raw: bytes
    at: datetime
    end: int


async def take(gateway: Gateway, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Take messages of the file ``path`` from byte ``offset`` on for ``account``; how far it came.

    What is known is passed over, so an interrupted take-over is simply done again.
    """
    path, offset = Path(params["path"]), int(params.get("offset", 0))
    channel = _channel(gateway, params.get("account", ""))
    tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
    read = taken = 0
    size = await asyncio.to_thread(_size, path)
    for _ in range(BATCHES):
        pieces = await asyncio.to_thread(pieces_of, path, offset)
        if not pieces:
            offset = size
            break
        delivery = await channel.from_archive([(piece.raw, piece.at) for piece in pieces], tools)
        accepted = await accept(
            gateway, delivery.messages, received_at=gateway.clock(), memos=(channel.name, delivery.memos)
        )
        read, offset = read + len(pieces), pieces[-1].end
        taken += sum(not one.duplicate for one in accepted)
    return [{"next": offset, "size": size, "read": read, "taken": taken, "known": read - taken}]


def _channel(gateway: Gateway, account: str) -> ReadsArchives:
    able = {key: one for key, one in gateway.channels.items() if isinstance(one, ReadsArchives)}
    found = [one for (_, name), one in able.items() if account in ("", name)]
    if len(found) != 1:
        known = ", ".join(name for _, name in able) or "none"
        raise ArchiveError(f"say which account with --account; there are: {known}")
    return found[0]


def _size(path: Path) -> int:
    """Raises :class:`ArchiveError` for what is no file that the server can read."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as err:
        raise ArchiveError(f"{path}: {err.strerror}; the server reads the file, so it must reach it") from err


def pieces_of(path: Path, offset: int) -> list[Piece]:
    """Up to a batch of messages from ``offset`` on. A file that does not start with ``From `` is one message."""
    size = _size(path)
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if offset >= size:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:5] != b"From ":
            return [Piece(data[:], changed, size)]
        pieces: list[Piece] = []
        start = offset
        while start < size and len(pieces) < BATCH and start - offset < BATCH_BYTES:
            end = _next(data, start, size)
            pieces.append(_piece(data[start:end], changed, end))
            start = end
        return pieces


def _next(data: mmap.mmap, start: int, size: int) -> int:
    """Where the next message starts: a ``From `` line after an empty one."""
    found = [at + len(mark) - 5 for mark in (b"\n\nFrom ", b"\n\r\nFrom ") if (at := data.find(mark, start)) >= 0]
    return min(found, default=size)


def _piece(block: bytes, changed: datetime, end: int) -> Piece:
    line, _, raw = block.partition(b"\n")
    # mboxrd: a line of the message that starts with From was given a mark.
    raw = re.sub(rb"(?m)^>(>*From )", rb"\1", raw).rstrip(b"\r\n") + b"\n"
    parts = parsedate_tz(line.decode("ascii", "replace").strip().split(" ", 2)[-1])
    try:
        at = datetime(*parts[:6], tzinfo=UTC) if parts else changed
    except ValueError:
        at = changed
    return Piece(raw, at, end)
