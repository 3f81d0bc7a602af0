"""The crash run of the mailbox: mails come in while the watcher is killed and its connection reset, the mailbox is rebuilt
and people drag mails back. At the end every mail is there once.

``python -m tests.crash.email --mails 400 --kills 20`` runs both modes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import smtplib
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.channels.email.faults import Wire
from tests.channels.email.office import SECRET, mail, settings
from tests.channels.email.servers import Dovecot, dovecot

ROOT = Path(__file__).parents[2]
#: Seconds for the last mails after the last fault.
PATIENCE = 120.0


@dataclass
class Verdict:
    """What is left after the run."""

    mode: str
    mails: int
    kills: int
    resets: int
    moved_back: int
    lost: int
    doubled: int
    seconds: float


class Run:
    """One run in one mode."""

    def __init__(self, imap: Dovecot, wire: Wire, folder: Path, mode: str, seed: int) -> None:
        self._imap, self._wire, self._folder, self._mode = imap, wire, folder, mode
        self._chance = random.Random(seed)
        self._worker: asyncio.subprocess.Process | None = None
        self.kills = self.resets = self.moved_back = 0

    async def start(self) -> None:
        """Start the watcher."""
        self._worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crash.email_worker",
            str(self._folder),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=(self._folder / "worker.log").open("ab"),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._worker.stdout is not None
        await self._worker.stdout.readline()

    async def kill(self) -> None:
        """The power goes."""
        if self._worker is not None:
            self._worker.kill()
            await self._worker.wait()
            self._worker = None

    async def deliver(self, mails: int) -> None:
        """Mails come in bursts, numbered so that each can be found again."""
        for n in range(mails):
            text = f"mail number {n} of the run. " + "words " * self._chance.randrange(400)
            await asyncio.to_thread(self._deliver, mail(text, message_id=f"<run-{n}@example.com>"))
            if self._chance.random() < 0.1:
                await asyncio.sleep(self._chance.random())

    def _deliver(self, one: bytes) -> None:
        """As an MTA: what the server refuses while its mailbox is rebuilt is tried again."""
        for _ in range(20):
            try:
                return self._imap.deliver(one)
            except smtplib.SMTPDataError:
                time.sleep(0.2)
        raise RuntimeError("the mailbox takes no mail")

    async def trouble(self, kills: int, delivering: asyncio.Task[None]) -> None:
        """Faults, until there were enough and all mails are on their way."""
        rebuilt = False
        while self.kills < kills or not delivering.done():
            await asyncio.sleep(self._chance.uniform(0.05, 1.2))
            if self._chance.random() < 0.5:
                self._wire.reset()
                self.resets += 1
            else:
                await self.kill()
                self.kills += 1
                if self._mode == "move" and self._chance.random() < 0.5:
                    self.moved_back += self._imap.move_back("Allears", most=self._chance.randrange(1, 40))
                if not rebuilt and self.kills >= kills // 2:
                    self._imap.reset_validity()
                    rebuilt = True
                await self.start()

    def stored(self) -> Counter[int]:
        """How often each mail is in the database as a customer's message.

        A copy is none: while its mailbox is rebuilt the server may say no to a mail that it has kept, so that the MTA
        brings it twice, under another ``Received``; such a one is recorded as a copy and nothing follows from it.
        """
        database = sqlite3.connect(f"file:{self._folder}/data/allears.db?mode=ro", uri=True)
        try:
            bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM inbox").fetchall()]
        finally:
            database.close()
        said = (body.get("text", "") for body in bodies if body.get("machine") != "copy")
        found = (re.match(r"mail number (\d+) of the run", text) for text in said)
        return Counter(int(match[1]) for match in found if match)


async def run(mode: Literal["move", "leave"], mails: int, kills: int, seed: int = 7) -> Verdict:
    """One whole run. In move mode it also waits until the inbox is empty."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, dovecot() as imap:
        folder = Path(name)
        async with Wire(imap.imaps) as wire:
            tree = settings(imap, None, folder, mode=mode, imap_port=wire.port)
            (folder / "config.json").write_text(json.dumps({"secret": SECRET, "channels": {"email": {"main": tree}}}))
            one = Run(imap, wire, folder, mode, seed)
            await one.start()
            await _first_look(folder)
            delivering = asyncio.create_task(one.deliver(mails))
            await one.trouble(kills, delivering)
            await delivering
            for _ in range(round(PATIENCE / 0.5)):
                if len(one.stored()) == mails and not (mode == "move" and imap.mails()):
                    break
                await asyncio.sleep(0.5)
            await asyncio.sleep(1.0)  # in which no other may come
            counts = one.stored()
            await one.kill()
    return Verdict(
        mode=mode,
        mails=mails,
        kills=one.kills,
        resets=one.resets,
        moved_back=one.moved_back,
        lost=sum(n not in counts for n in range(mails)),
        doubled=sum(times - 1 for times in counts.values()),
        seconds=round(time.monotonic() - started, 1),
    )


async def _first_look(folder: Path) -> None:
    """The first connect decides what is old: the mails of the run come after it."""
    while True:
        await asyncio.sleep(0.1)
        database = sqlite3.connect(f"file:{folder}/data/allears.db?mode=ro", uri=True)
        try:
            if database.execute("SELECT 1 FROM cursor").fetchone():
                return
        finally:
            database.close()


def main() -> int:
    """Both modes; 1 when a mail was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=400)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    bad = 0
    for mode in ("move", "leave"):
        verdict = asyncio.run(run(mode, args.mails, args.kills, args.seed))
        print(verdict, flush=True)
        bad += verdict.lost + verdict.doubled
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
