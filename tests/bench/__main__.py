"""``python -m tests.bench``: speed and memory beside their limits, in one run on one machine.

Each figure is the median of the rounds; in a round every server has its turn, so that a noisy moment meets all.
CPU time is the server's alone, all its threads, read from outside. Ratios say how much of the peer's speed ours has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import fill, home, parts, process, rounds, table
from tests.bench.rounds import Sizes
from tests.bench.table import Row

QUICK = Sizes(
    rounds=3,
    messages=800,
    latency=150,
    windows=200,
    stored=20_000,
    parts=400,
    mails=200,
    deliveries=10,
    calls=8,
    hours=0.2,
)
SECTIONS = "abcdefghi"


def main(arguments: list[str] | None = None) -> int:
    args = _arguments(arguments)
    try:
        process.check_system()
    except process.Unsupported as err:
        print(err, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="allears-bench-", dir=args.folder, ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), args.sizes, args.only, _progress if sys.stderr.isatty() else _silent)
        rows = bench.run()
    print(file=sys.stderr)
    print(json.dumps(bench.told, indent=1) if args.json else table.text(rows))
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run with few messages: for a first look")
    parser.add_argument("--only", default=SECTIONS, help="sections to run, for example `ab` (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--messages", type=int, help="messages at 64 connections in one round")
    parser.add_argument("--stored", type=int, help="messages in the filled store of (e)")
    parser.add_argument("--folder", type=Path, help="where the stores lie; measure the disk you will use")
    parser.add_argument("--json", action="store_true", help="all samples as JSON")
    args = parser.parse_args(arguments)
    given = {name: getattr(args, name) for name in ("rounds", "messages", "stored") if getattr(args, name)}
    args.sizes = Sizes(**{**vars(QUICK if args.quick else Sizes()), **given})
    return args


def _progress(text: str) -> None:
    print(f"\r{text:70.70}", end="", file=sys.stderr, flush=True)


def _silent(_: str) -> None:
    return


class Bench:
    """One run of the wanted sections."""

    def __init__(self, folder: Path, sizes: Sizes, only: str, tell: Callable[[str], None]) -> None:
        self._folder, self._sizes, self._only, self._tell = folder, sizes, only, tell
        self.told: dict[str, Any] = {"sizes": vars(sizes)}

    def run(self) -> list[Row]:
        rows: list[Row] = []
        if set(self._only) & set("abce"):
            rows += self._speed()
        if "d" in self._only:
            memory = rounds.memory(self._folder / "d", self._sizes, self._tell)
            self.told["memory"] = vars(memory)
            rows += table.remembering(memory)
        if "f" in self._only:
            rows += table.by_part(self._parts())
        if "g" in self._only:
            rows += self._mailbox()
        if "h" in self._only:
            rows += self._speech()
        if "i" in self._only:
            self.told["by part"] = found = rounds.by_part(self._folder / "i", self._sizes, self._tell)
            rows += table.sampled(found)
        return rows

    def _speed(self) -> list[Row]:
        filled = "e" in self._only
        if filled:
            fill.fill(self._folder / "accept+", self._sizes.stored, self._tell)
        series = rounds.throughput(self._folder, self._sizes, self._tell, filled=filled)
        self.told["throughput"] = table.figures(series)
        self.told["replies a message"] = share = rounds.replies(self._folder / "full")
        rows = [*table.accepting(series), *table.whole(series), Row("    replies of the bot", f"{share:.2f} a message")]
        if filled:
            rows += table.filled(series, self._sizes.stored)
        if "c" in self._only:
            times = rounds.latency(self._folder / "c", series.middle("full").rate / 2, self._sizes, self._tell)
            self.told["latency"] = table.figures(times)
            rows += table.waiting(times)
        return rows

    def _mailbox(self) -> list[Row]:
        try:
            from tests.bench import mailbox  # the mailbox's libraries are an extra
        except ModuleNotFoundError as err:
            return [Row("(g) the mailbox", f"not measured: {err.name} is not installed")]
        if not mailbox.is_here():
            return [Row("(g) the mailbox", "not measured: there is no Dovecot")]
        found = mailbox.measure(self._folder / "g", self._sizes, self._tell)
        self.told["mailbox"] = vars(found)
        return list(table.mailbox(found))

    def _speech(self) -> list[Row]:
        try:
            from tests.bench import speech  # so are the engine's
        except ModuleNotFoundError as err:
            return [Row("(h) speech", f"not measured: {err.name} is not installed")]
        found = speech.measure(self._folder / "h", self._sizes, self._tell)
        self.told["speech"] = vars(found)
        return list(table.hearing(found))

    def _parts(self) -> dict[str, float]:
        samples = []
        for n in range(self._sizes.rounds):
            self._tell(f"parts {n + 1}/{self._sizes.rounds}")
            config = home.furnish(self._folder / f"f{n}", 0)
            samples.append(asyncio.run(parts.carry(config, self._sizes.parts)))
        middle = {name: median(one[name] for one in samples) for name in samples[0]}
        self.told["parts"] = middle
        return middle


if __name__ == "__main__":
    sys.exit(main())
