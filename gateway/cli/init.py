"""``allears init``: a folder with a working configuration and fresh secrets."""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway.config import ConfigError

#: Name of the configuration in the folder.
NAME = "allears.toml"


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "init",
        help="write a configuration with fresh secrets",
        description="Write a configuration with fresh secrets, a web chat, an API account and a file sink.",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), help="where to (default: here)")
    parser.add_argument("--if-missing", action="store_true", help="leave an existing configuration as it is")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the configuration; never over an existing one."""
    path: Path = args.folder / NAME
    if path.exists():
        if args.if_missing:
            return 0
        raise ConfigError("is there already; remove it first or choose another folder", file=str(path))
    args.folder.mkdir(parents=True, exist_ok=True)
    token = "aat_" + secrets.token_urlsafe(32)
    _write(path, fill(files("gateway").joinpath("sample.toml").read_text("utf-8"), token))
    print(f"wrote {path}")
    print(f"API token of the account `main` (it is not stored and not shown again):\n  {token}")
    print(f"next: allears check --config {path}, then allears serve --config {path}")
    return 0


def fill(template: str, token: str) -> str:
    """Put fresh secrets into the sample configuration."""
    while "{secret}" in template:
        template = template.replace("{secret}", secrets.token_urlsafe(32), 1)
    return template.replace("{token_sha256}", hashlib.sha256(token.encode()).hexdigest())


def _write(path: Path, text: str) -> None:
    """Only the owner may read it: it holds the installation's secrets."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
