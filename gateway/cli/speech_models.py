"""``allears models``: which speech models there are, fetching one, checking one, choosing one."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from gateway.cli import options, shelf
from gateway.cli.progress import Bar
from gateway.model_download import pull
from gateway.operations import OperationError
from transcription import model_folder
from transcription.base import ModelError

_MEGA = 1_000_000


def add(subparsers: Any) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "models",
        help="speech models: list, pull, verify, use",
        description="Speech models turn recordings into text on this machine. `tiny` comes with Allears: it knows 120 words "
        "of a synthetic voice and is for a first look.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="the models there are, and which hears what")
    options.as_json(listing)
    pulling = commands.add_parser("pull", help="fetch a model by its name or URL")
    pulling.add_argument("model", help="for example vosk-model-small-cn-0.22, or the URL of a zip file")
    pulling.add_argument("--sha256", default="", help="what the archive must be")
    pulling.add_argument("--mirror", action="append", metavar="URL", help="look here instead of [speech] mirrors")
    verifying = commands.add_parser("verify", help="check that a model is whole")
    verifying.add_argument("model", nargs="?", help="its name (default: all of them)")
    using = commands.add_parser("use", help="hear a language with this model from now on")
    using.add_argument("model", help="its name")
    for command in (pulling, using):
        command.add_argument("--language", action="append", default=[], metavar="TAG", help="what it hears: zh, en, …")
    for command, run in ((listing, _list), (pulling, _pull), (verifying, _verify), (using, _use)):
        shelf.add(command)
        command.set_defaults(func=_told(run))


def _told(run: Any) -> Any:
    def checked(args: argparse.Namespace) -> int:
        try:
            status: int = run(args, shelf.folder(args))
        except ModelError as err:
            raise OperationError(str(err)) from err
        return status

    return checked


def _list(args: argparse.Namespace, folder: Path) -> int:
    used = model_folder.in_use(folder)
    models = [*model_folder.models(folder), model_folder.describe(model_folder.find(folder, model_folder.TINY))]
    rows = [
        {
            "name": model.name if model.path.parent == folder else model_folder.TINY,
            "languages": " ".join(model.about.languages),
            "rate": model.rate,
            "MB": round(model.size / _MEGA, 1),
            "in use for": " ".join(language for language, path in used.items() if path == model.path),
            "trouble": model.trouble,
        }
        for model in models
    ]
    options.print_rows(rows, json=args.json)
    return 0


def _pull(args: argparse.Namespace, folder: Path) -> int:
    mirrors = args.mirror or shelf.settings(args).mirrors
    with Bar(args.model) as bar:
        done = asyncio.run(
            pull(
                args.model,
                folder,
                mirrors,
                sha256=args.sha256,
                languages=tuple(args.language),
                tell=lambda done, total: bar.show(done, total, _megabytes(done, total)),
            )
        )
    print(f"{done.folder.name} is in {folder}; `allears models use {done.folder.name}` chooses it")
    print(f"sha256 {done.sha256}")
    if not done.vouched:
        print("nobody vouched for this checksum: compare it with the maker's, and pass --sha256", file=sys.stderr)
    return 0


def _verify(args: argparse.Namespace, folder: Path) -> int:
    names = [args.model] if args.model else [model.name for model in model_folder.models(folder)] or [model_folder.TINY]
    status = 0
    for name in names:
        wrong = model_folder.verify(model_folder.find(folder, name))
        print(f"{name}: {'; '.join(wrong) or 'whole'}")
        status = 1 if wrong else status
    return status


def _use(args: argparse.Namespace, folder: Path) -> int:
    hears = model_folder.use(folder, args.model, tuple(args.language))
    print(f"{args.model} hears {', '.join(hears)}; restart the server")
    return 0


def _megabytes(done: int, total: int) -> str:
    """Some servers do not say how much there will be."""
    return f"{done / _MEGA:.0f} of {total / _MEGA:.0f} MB" if total else f"{done / _MEGA:.0f} MB"
