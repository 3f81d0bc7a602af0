"""``allears bot suggest``: proposals for entries from questions that the bot did not answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bot.cluster import draft, propose
from bot.knowledge import Knowledge
from gateway.cli import bot_options, options
from gateway.operations import OperationError
from gateway.rehearsal import Rehearsal
from normalizer.rules import Rules


class Line(msgspec.Struct, kw_only=True):
    """One line of the file; other fields are passed over."""

    text: str


def add(commands: Any) -> None:
    """Add the command to ``allears bot``."""
    parser = bot_options.command(
        commands, "suggest", "group questions that the bot does not answer into proposed entries"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help='{"text": …} lines, for example what customers asked')
    parser.add_argument("--fewest", type=int, default=3, metavar="N", help="smallest group (default: %(default)s)")
    options.as_json(parser)
    parser.set_defaults(func=suggest)


def suggest(args: argparse.Namespace) -> int:
    """Print a draft of a knowledge file; what the bot already answers is left out."""
    knowledge, rules = bot_options.read(args)
    texts = list(_texts(args.file))
    unanswered = [text for text in texts if not _is_answered(text, knowledge, rules)]
    proposals = propose(unanswered, knowledge, args.fewest)
    if args.json:
        options.print_json(proposals)
    else:
        print(draft(proposals), end="")
    print(
        f"{len(texts)} questions, {len(texts) - len(unanswered)} answered, {len(proposals)} groups of the others",
        file=sys.stderr,
    )
    return 0


def _is_answered(text: str, knowledge: Knowledge, rules: Rules) -> bool:
    return bool(Rehearsal(knowledge, rules).say(text).entry)


def _texts(file: Path) -> Iterator[str]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise OperationError(f"{file}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=Line).text
            except msgspec.DecodeError as error:
                raise OperationError(f"{file}:{number}: {error}") from error
