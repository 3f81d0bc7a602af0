"""Where the speech models lie: the option that the speech commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway import config
from gateway.cli import options
from gateway.config import SpeechSettings


def add(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--models``."""
    options.config(parser)
    parser.add_argument(
        "--models", type=Path, metavar="DIR", help="folder of the models (default: the configuration's)"
    )


def settings(args: argparse.Namespace) -> SpeechSettings:
    """``[speech]`` of the configuration, or the defaults where there is none."""
    path: Path = args.config
    return config.load(path).config.speech if path.exists() else SpeechSettings()


def folder(args: argparse.Namespace) -> Path:
    """The folder of the models."""
    if args.models is not None:
        return Path(args.models)
    path: Path = args.config
    return config.load(path).path(settings(args).models) if path.exists() else Path(SpeechSettings().models)
