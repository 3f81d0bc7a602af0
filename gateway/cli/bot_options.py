"""What the bot's commands share: the folders of knowledge and rules, and reading them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bot.knowledge import Knowledge
from gateway.library import read_knowledge, read_rules
from gateway.operations import OperationError
from normalizer.rules import Rules, RulesError


def command(commands: Any, name: str, help: str) -> argparse.ArgumentParser:
    """A command of ``allears bot`` with the options that all of them have."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    parser.add_argument("--knowledge", type=Path, metavar="DIR", help="folder of knowledge files (default: the sample)")
    parser.add_argument("--rules", type=Path, metavar="DIR", help="folder with your own rule files of the normalizer")
    return parser


def read(args: argparse.Namespace) -> tuple[Knowledge, Rules]:
    """The knowledge and rules that the options name."""
    try:
        return read_knowledge(args.knowledge), read_rules(args.rules)
    except (OSError, RulesError) as error:
        raise OperationError(str(error)) from error
