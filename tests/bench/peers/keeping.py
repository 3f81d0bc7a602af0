"""What a server has kept when it answers: killed right after the answer, its files are looked through."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.chats import Window
from tests.bench.peers import asks
from tests.bench.peers.faq import question
from tests.bench.process import Program, family

#: The question as it is written nowhere else; all rules take it all the same.
MARK = question(0)[0].swapcase()
#: Seconds to wait for a window's earlier lines.
PATIENCE = 10.0


def kept(server: Program, order: dict[str, Any], folder: Path) -> str:
    """In words: the files that have the message after the answer and a kill -9."""
    asyncio.run(asks.run({**order, "count": 1, "connections": 1, "odd": True}, _at_once))
    written = sorted(set(_open_to_write(server)))
    server.kill()
    found = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and MARK.encode() in _bytes(path)
    )
    if found:
        return "the message is in " + ", ".join(found)
    others = [Path(path).name for path in written if path.startswith(str(folder))]
    return "nothing of the message" + (f" (open to write: {', '.join(others)})" if others else "")


async def _at_once() -> None:
    return


def _bytes(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


def _open_to_write(server: Program) -> Iterator[str]:
    for pid in family(server.pid):
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                flags = Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text("ascii").split("flags:\t")[1]
                if int(flags.split()[0], 8) & (os.O_WRONLY | os.O_RDWR):
                    yield os.readlink(descriptor)


async def told_again(order: dict[str, Any]) -> bool:
    """Whether a chat window that comes back is shown the message."""
    shown = asyncio.Event()

    def heard(_: Window, line: dict[str, Any]) -> None:
        if MARK in json.dumps(line):
            shown.set()

    await asyncio.get_running_loop().create_connection(
        lambda: Window(order, order["tokens"][0], heard), "127.0.0.1", order["port"]
    )
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(shown.wait(), PATIENCE)
    return shown.is_set()
