"""The command line: one module for each group of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from bot.knowledge import KnowledgeError
from gateway.cli import (
    agents,
    bot,
    channels,
    check,
    import_mail,
    init,
    normalize,
    operate,
    parse,
    serve,
    speech_models,
    transcribe,
)
from gateway.config import ConfigError
from gateway.operations import OperationError
from gateway.store.base import StoreError

GROUPS = (init, check, serve, normalize, parse, bot, operate, import_mail, channels, agents, transcribe, speech_models)


def parser() -> argparse.ArgumentParser:
    """The whole command line, as ``allears --help`` shows it."""
    top = argparse.ArgumentParser(
        prog="allears",
        description="Complaint intake from every channel: nothing lost, nothing doubled, and it can prove it.",
    )
    top.add_argument("--version", action="version", version=f"allears {version('allears')}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 not done, 2 wrong usage."""
    args = parser().parse_args(argv)
    try:
        status: int = args.func(args)
    except (ConfigError, KnowledgeError, StoreError, OperationError) as err:
        print(f"allears: {err}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (`head`) has seen enough; Python would complain again when it flushes at exit.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
