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
    brain,
    channels,
    check,
    files,
    import_mail,
    init,
    migrate,
    normalize,
    operate,
    parse,
    serve,
    simulate,
    speech_models,
    transcribe,
)
from gateway.cli.options import DEFAULT_CONFIG
from gateway.config import ConfigError, located
from gateway.operations import OperationError
from gateway.store.base import StoreError
from normalizer.rules import RulesError

GROUPS = (
    init,
    check,
    serve,
    normalize,
    parse,
    bot,
    brain,
    operate,
    import_mail,
    migrate,
    files,
    channels,
    agents,
    transcribe,
    speech_models,
    simulate,
)


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
    except ConfigError as err:
        return _failed(located(err, getattr(args, "config", DEFAULT_CONFIG)))
    except (KnowledgeError, RulesError, StoreError, OperationError) as err:
        return _failed(err)
    except BrokenPipeError:
        # The reader (`head`) has seen enough; Python would complain again when it flushes at exit.
        sys.stderr.close()
        return 0
    except OSError as err:  # a file or folder that the user has named
        return _failed(f"{err.filename}: {err.strerror}" if err.filename else err)
    except KeyboardInterrupt:
        return 130
    return status


def _failed(why: object) -> int:
    print(f"allears: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
