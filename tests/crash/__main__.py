"""``python -m tests.crash --kills 200``: the long crash run, with its reckoning."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.crash.run import POINTS, Report, Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--customers", type=int, default=20, help="on each channel (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=POINTS, default="sqlite")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), kills=args.kills, customers=args.customers, seed=args.seed, store=args.store)
        report = asyncio.run(run.carry_out(lambda line: print(f"\r{line:60}", end="", file=sys.stderr, flush=True)))
    print(file=sys.stderr)
    _print(report, POINTS[args.store])
    return 1 if report.verdict.faults else 0


def _print(report: Report, points: Sequence[str]) -> None:
    named = {point.rsplit(":", 1)[0] for point in report.hit if ":" in point}
    print(f"kills: {report.kills}, {report.hit['at random']} of them at random moments")
    print(f"named commit points hit: {len(named)} of {len(points)}")
    for missing in sorted(set(points) - named):
        print(f"  not hit: {missing}")
    for name, count in report.verdict.counts.items():
        print(f"{name}: {count}")
    for fault in report.verdict.faults:
        print(f"FAULT {fault}")


if __name__ == "__main__":
    sys.exit(main())
