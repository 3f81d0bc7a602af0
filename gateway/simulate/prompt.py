"""Talking through a simulated platform from a terminal."""

from __future__ import annotations

import asyncio
import mimetypes
import sys
import threading
from pathlib import Path

from channels._platforms.base import FAULTS, File, Line, Platform

#: Seconds between two looks for what the gateway has said.
LOOK_EVERY = 0.2
HELP = """Write a line to say it. Besides:
  :person NAME        go on as somebody else
  :file PATH [PATH]   send files; several are an album
  :press N            press button N of the last message
  :edit TEXT          change what was said last;  :delete  take it back
  :do WHAT            {acts}
  :fault NAME [RATE]  let something go wrong, from 0 to 1 (default 1): {faults}
  :quit"""


class Prompt:
    """One terminal at one platform."""

    def __init__(self, platform: Platform, person: str = "王芳") -> None:
        self._platform, self._person = platform, person
        self._last = ""
        self._shown = 0

    async def run(self) -> None:
        """Until ``:quit`` or the end of the input."""
        print(HELP.format(acts=", ".join(self._platform.acts) or "nothing here", faults=", ".join(FAULTS)))
        lines = _typed()
        showing = asyncio.create_task(self._show())
        try:
            while (line := await lines.get()) is not None and line.strip() != ":quit":
                try:
                    await self.take(line.strip())
                except (OSError, ValueError, KeyError, IndexError) as err:
                    print(f"that does not go: {err}")
        finally:
            showing.cancel()

    async def take(self, line: str) -> None:
        """One line of input. Raises OSError, ValueError, KeyError or IndexError for what cannot be done."""
        if not line.startswith(":"):
            if line:
                self._last = await self._platform.say(line, person=self._person)
            return
        word, _, rest = line[1:].partition(" ")
        match word:
            case "person":
                self._person = rest or self._person
            case "file":
                files = [_file(Path(name)) for name in rest.split()]
                self._last = await self._platform.say(person=self._person, files=files)
            case "press":
                _, value = self._asked().buttons[int(rest or "1") - 1]
                await self._platform.say(person=self._person, choice=value)
            case "edit":
                await self._platform.say(rest, person=self._person, edit_of=self._last)
            case "delete":
                await self._platform.say(person=self._person, delete_of=self._last)
            case "do":
                self._platform.act(rest, self._person)
            case "fault":
                self._fault(*rest.split())
            case _:
                raise ValueError(f"there is no `:{word}`")

    def _fault(self, name: str, rate: str = "1") -> None:
        if name not in FAULTS:
            raise ValueError(f"there is no fault `{name}`")
        self._platform.faults[name] = float(rate)
        print(f"{FAULTS[name]}: {float(rate):.0%}")

    def _asked(self) -> Line:
        asked = [line for line in self._platform.lines if line.buttons and not line.person]
        if not asked:
            raise ValueError("nothing can be pressed")
        return asked[-1]

    async def _show(self) -> None:
        while True:
            for line in self._platform.lines[self._shown :]:
                self._shown += 1
                if not line.person:
                    print("\n".join(shown(line)))
            await asyncio.sleep(LOOK_EVERY)


def shown(line: Line) -> list[str]:
    """A line of ours as a terminal shows it."""
    files = [f"  [file: {file.name}]" for file in line.files]
    buttons = [f"  ({n}) {label}" for n, (label, _) in enumerate(line.buttons, 1)]
    return [f"< {text}" for text in line.text.splitlines()] + files + buttons


def _file(path: Path) -> File:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(name=path.name, type="audio/ogg" if path.suffix == ".oga" else kind, data=path.read_bytes())


def _typed() -> asyncio.Queue[str | None]:
    """Lines from the terminal; a thread reads them, because a terminal cannot be waited for otherwise everywhere."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines
