"""``allears import``: mail of the time before, taken over without an answer to anybody."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from gateway import config
from gateway.cli import options
from gateway.cli.operate import perform_anywhere
from gateway.config import Loaded


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import",
        help="take over old mail",
        description="Take over old mail from mbox and .eml files. Nobody is answered or notified. A message that is "
        "known is passed over, so an interrupted import is simply done again.",
    )
    options.config(parser)
    options.as_json(parser)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="mbox or .eml files")
    parser.add_argument("--account", default="", help="mailbox that they belong to, where there are several")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Take over file after file; the sum at the end."""
    loaded = config.load(args.config)
    total = {"files": len(args.files), "read": 0, "taken": 0, "known": 0}
    for file in args.files:
        for key, value in asyncio.run(_file(loaded, file.resolve(), args.account)).items():
            total[key] += value
    options.print_rows([total], json=args.json)
    return 0


async def _file(loaded: Loaded, file: Path, account: str) -> dict[str, int]:
    counts = {"read": 0, "taken": 0, "known": 0}
    offset, size = 0, 1
    while offset < size:
        params = {"path": str(file), "offset": offset, "account": account}
        (row,) = await perform_anywhere(loaded, "import", params)
        offset, size = row["next"], row["size"]
        for key in counts:
            counts[key] += row[key]
        done = 100 * offset // size if size else 100
        print(f"{file}: {done} %, {counts['taken']} taken, {counts['known']} known", file=sys.stderr)
    return counts
