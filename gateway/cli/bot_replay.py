"""``allears bot replay``: past conversations against changed knowledge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gateway import replay
from gateway.cli import bot_options, options
from gateway.library import read_knowledge
from gateway.operations import OperationError


def add(commands: Any) -> None:
    """Add the command to ``allears bot``."""
    parser = bot_options.command(commands, "replay", "show what changed knowledge would do in past conversations")
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help='bundles of `allears export`, or .jsonl files of {"conversation": …, "text": …} lines',
    )  # fmt: skip
    parser.add_argument(
        "--before", type=Path, metavar="DIR", help="the knowledge to compare with (default: the sample)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the differences as a page, too")
    parser.add_argument("--strict", action="store_true", help="fail when anything differs")
    options.as_json(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Play, compare, print."""
    knowledge, rules = bot_options.read(args)
    try:
        before = read_knowledge(args.before)
        said = [each for path in args.files for each in replay.read(path)]
    except (OSError, replay.ReplayError) as error:
        raise OperationError(str(error)) from error
    found = replay.compare(said, before, knowledge, rules)
    if args.html:
        args.html.write_text(replay.page(found, len(said)), encoding="utf-8")
    if args.json:
        options.print_json({"turns": len(said), "kinds": replay.kinds(found), "differences": found})
    else:
        for line in replay.lines(found):
            print(line)
        for kind, times in replay.kinds(found).items():
            print(f"{times} times {kind}")
        print(f"{len(found)} of {len(said)} turns differ")
    return 1 if args.strict and found else 0
