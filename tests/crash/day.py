"""``python -m tests.crash.day``: a day on every simulated platform at once, faults on, the server killed, then the reckoning.

Customers write texts that carry a mark of their own, send pictures, and say it twice where their platform does. The
real server runs as a process of its own and is killed at moments that it does not choose. Afterwards the faults stop, all
that is under way arrives, and three books are compared: what customers said, what the store holds, what customers saw.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from channels._platforms.base import File, Platform
from channels.base import Inbound
from gateway import config
from gateway.cli.operate import perform_anywhere
from gateway.operations import OperationError
from gateway.simulate.platforms import Running, names, whole
from gateway.store.sqlite import SqliteStore
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
TEXTS = (
    "灯笼收到就是破的，我要退款",
    "多久能送到？",
    "My lamp came broken, I want my money back",
    "怎麼退貨？",
    "How long does delivery take?",
)
PEOPLE = ("王芳", "Tom", "陳大文")
PICTURE = File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff\xe0" + b"\x00" * 500)
#: How often each fault happens.
FAULTS = {
    "twice": 0.1,
    "swapped": 0.05,
    "late": 0.05,
    "lost": 0.1,
    "forged": 0.05,
    "strange": 0.02,
    "busy": 0.05,
    "broken": 0.05,
    "no_media": 0.2,
}
MARK = re.compile(r"#m(\d+)#")
#: Share of messages with a picture.
PICTURES = 0.1
#: Longest pause between two messages in seconds, all customers together.
PAUSE = 0.1
#: A day in minutes: what fails is tried again soon.
LADDER = "\n[outbox]\nladder = [0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 10.0, 10.0, 20.0]\n"
#: Seconds until all that is under way must have arrived.
PATIENCE = 240.0


@dataclass
class Books:
    """What was said, and what was found."""

    said: dict[int, str] = field(default_factory=dict)
    """Mark of a message → the platform it was said at."""
    kills: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Day:
    """One run: ``messages`` on each platform, ``kills`` of the server spread over them."""

    def __init__(self, folder: Path, *, messages: int, kills: int = 2, seed: int = 1, pace: float = 0.2) -> None:
        self._folder, self._messages, self._kills, self._pace = folder, messages, kills, pace
        self._chance = random.Random(seed)
        self._port = free_port()
        self._server: asyncio.subprocess.Process | None = None
        self.books = Books()

    async def carry_out(self) -> Books:
        url = f"http://127.0.0.1:{self._port}"
        async with Running(names(), gateway=url, pace=self._pace) as running:
            self.books.left_out, self._platforms = running.left_out, running.platforms
            self._file = self._folder / "allears.toml"
            self._file.write_text(whole(running.tables(), f"127.0.0.1:{self._port}") + LADDER)
            await self._start()
            try:
                await self._first_words(running.platforms)
                await self._traffic(running.platforms)
                await self._settled(running.platforms)
                await self._audited()
            finally:
                await self._stop(signal.SIGTERM)
            await self._reckon(running.platforms)
        return self.books

    # the server

    async def _start(self) -> None:
        log = (self._folder / "log.txt").open("ab")
        self._server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(self._file), cwd=ROOT, stdout=log, stderr=log,
            env={**os.environ},
        )  # fmt: skip

    async def _stop(self, how: signal.Signals) -> None:
        if self._server is not None and self._server.returncode is None:
            self._server.send_signal(how)
            await self._server.wait()

    async def _kill(self) -> None:
        await self._stop(signal.SIGKILL)
        self.books.kills += 1
        await self._start()

    # the customers

    async def _first_words(self, platforms: dict[str, Platform]) -> None:
        """Somebody is answered everywhere: a platform with a connection delivers nothing from before the first one."""
        await self._until("an answer at each platform", lambda: self._answered(platforms))

    async def _answered(self, platforms: dict[str, Platform]) -> bool:
        silent = [platform for platform in platforms.values() if not platform.sent]
        for platform in silent:
            await platform.say("您好", person=PEOPLE[0])
        await asyncio.sleep(1.0)
        return not silent

    async def _traffic(self, platforms: dict[str, Platform]) -> None:
        for platform in platforms.values():
            platform.faults = dict(FAULTS)
        total = self._messages * len(platforms)
        kill_at = {round(total * n / (self._kills + 1)) for n in range(1, self._kills + 1)}
        order = [name for name in platforms for _ in range(self._messages)]
        self._chance.shuffle(order)
        for mark, name in enumerate(order):
            if mark in kill_at:
                await self._kill()
            await self._say(platforms[name], mark)
            await asyncio.sleep(self._chance.uniform(0, PAUSE))

    async def _say(self, platform: Platform, mark: int) -> None:
        files = (PICTURE,) if self._chance.random() < PICTURES else ()
        text = f"{self._chance.choice(TEXTS)} #m{mark}#"
        await platform.say(text, person=self._chance.choice(PEOPLE), files=files)
        self.books.said[mark] = platform.name

    # afterwards

    async def _settled(self, platforms: dict[str, Platform]) -> None:
        for platform in platforms.values():
            platform.faults = {}
        for platform in platforms.values():
            await platform.delivered()
        await self._until("every message to be taken", self._all_taken)
        await self._until("every message to be worked on", lambda: self._none("inbox-list", ("open", "wait")))
        await self._until("every reply to be said", lambda: self._none("outbox-list", ("waiting", "sending")))

    async def _all_taken(self) -> bool:
        rows = await self._ask("audit", {})
        given_up = sum(len(platform.given_up) for platform in self._platforms.values())
        return sum(int(str(row["recorded"])) for row in rows) >= len(self.books.said) - given_up

    async def _none(self, operation: str, states: tuple[str, ...]) -> bool:
        for state in states:
            if await self._ask(operation, {"state": state, "limit": 1}):
                return False
        return True

    async def _until(self, what: str, test: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await test():  # noqa: ASYNC110 - another process, which signals nothing
                    await asyncio.sleep(0.3)
        except TimeoutError:
            self.books.faults.append(f"waited in vain for {what}")

    async def _ask(self, operation: str, params: dict[str, object]) -> list[dict[str, object]]:
        loaded = config.load(self._file, env={})
        for _ in range(100):
            try:
                return await perform_anywhere(loaded, operation, params)
            except OperationError:  # it is just coming up again
                await asyncio.sleep(0.3)
        raise TimeoutError("the server does not come up")

    async def _audited(self) -> None:
        for row in await self._ask("audit", {}):
            self.books.counts["recorded"] += int(str(row["recorded"]))
            self.books.counts["duplicates held off"] += int(str(row["duplicates"]))
            self.books.counts["dead"] += int(str(row["dead"]))
            if row["missing"]:
                self.books.faults.append(f"the audit misses {row['missing']} of {row['channel']}")
        for row in await self._ask("audit-journals", {}):
            if row.get("faults"):
                self.books.faults.append(f"a journal or file is wrong: {row}")

    async def _reckon(self, platforms: dict[str, Platform]) -> None:
        messages = await self._stored()
        found = Counter(int(mark) for m in messages if m.kind == "message" for mark in MARK.findall(m.text))
        given_up = {int(mark) for p in platforms.values() for e in p.given_up for mark in MARK.findall(repr(e))}
        for mark, name in self.books.said.items():
            if found[mark] == 0 and mark in given_up:
                self.books.counts["given up by a platform that does not repeat for long"] += 1
            elif found[mark] != 1:
                self.books.faults.append(f"message {mark} of {name} is there {found[mark]} times")
        strangers = {m for m in found if m not in self.books.said}
        self.books.faults += [f"nobody said message {mark}" for mark in strangers]
        pending = [f for m in messages for f in m.attachments if f.state != "kept"]
        self.books.faults += [f"a file is {file.state}: {file.reason}" for file in pending]
        for name, platform in platforms.items():
            self.books.counts["replies seen"] += len(platform.sent)
            if not platform.sent:
                self.books.faults.append(f"nobody at {name} was answered")
        self.books.counts["said"] = len(self.books.said)
        self.books.counts["platforms"] = len(platforms)

    async def _stored(self) -> list[Inbound]:
        store = SqliteStore(config.load(self._file, env={}).data / "allears.db")
        await store.open()
        try:
            ids, cursor = [], ""
            while True:
                page = await store.inbox(cursor=cursor, limit=200)
                ids += [row.id for row in page.items]
                cursor = page.cursor
                if not cursor:
                    return [await store.inbox_message(id) for id in ids]
        finally:
            await store.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.day", description=__doc__)
    parser.add_argument("--messages", type=int, default=100, help="on each platform (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        day = Day(Path(folder), messages=args.messages, kills=args.kills, seed=args.seed)
        books = asyncio.run(day.carry_out())
    print(f"kills: {books.kills}")
    for name, count in books.counts.items():
        print(f"{name}: {count}")
    for name, why in books.left_out.items():
        print(f"left out {name}: {why}")
    for fault in books.faults:
        print(f"FAULT {fault}")
    return 1 if books.faults else 0


if __name__ == "__main__":
    sys.exit(main())
