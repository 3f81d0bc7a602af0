"""``allears migrate``: from the embedded store to PostgreSQL, while the gateway runs."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway import config
from gateway.cli import options
from gateway.cli.progress import Bar
from gateway.context import utc_now
from gateway.store.base import StoreError
from gateway.stores import needs_postgres

if TYPE_CHECKING:
    from gateway.store.moving import Step

#: How the steps are called on the terminal.
_WORDS = {"copying": "copying", "comparing": "comparing", "journals": "following journals"}


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "migrate",
        help="move to PostgreSQL",
        description="Copy the embedded store to PostgreSQL while the gateway runs, compare every row, then wait until the gateway "
        "is stopped, copy what came in meanwhile, compare again, follow every journal's hash chain, and mark the "
        "embedded store as moved. Until that last moment nothing changes; interrupted, it is simply done again.",
    )
    options.config(parser)
    options.as_json(parser)
    parser.add_argument("--to", required=True, metavar="URL", help="an empty database: postgresql://user@host/database")
    parser.add_argument("--stop", action="store_true", help="end the running gateway when its turn has come")
    parser.add_argument("--switch", action="store_true", help="write the new `[store] url` into the configuration file")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Move, and say what is to be done next."""
    loaded = config.load(args.config)
    if loaded.config.store.url:
        raise StoreError("`[store] url` is set: this installation is on PostgreSQL already")
    with needs_postgres("--to"):
        from gateway.store.moving import Move
    with Bar("") as bar:
        move = Move(loaded.data / "allears.db", args.to, clock=utc_now, tell=lambda step: _show(bar, step))
        moved = asyncio.run(move.run(_ender if args.stop else _asker))
    if args.switch:
        _switch(args.config, args.to)
    options.print_rows(
        [{"rows": sum(moved.rows.values()), "meanwhile": moved.changed, "journals": moved.journals}], json=args.json
    )
    if not args.switch:
        print(f"now set `url` in `[store]` of {args.config} to that database, and start the gateway", file=sys.stderr)
    return 0


def _show(bar: Bar, step: Step) -> None:
    text = f"{step.done} of {step.total}" if step.total else str(step.done)
    bar.show(step.done, step.total, f"{_WORDS.get(step.what, step.what)} {step.table} {text}".replace("  ", " "))


def _asker(holder: int) -> None:
    who = f"process {holder}" if holder else "the gateway"
    print(
        f"\nall is copied; now stop {who} (Ctrl-C, or your service manager): I go on as soon as it has ended",
        file=sys.stderr,
    )


def _ender(holder: int) -> None:
    if not holder:
        return _asker(holder)
    print(f"\nall is copied; ending process {holder}", file=sys.stderr)
    os.kill(holder, signal.SIGTERM)
    return None


def _switch(file: Path, url: str) -> None:
    """Write the setting, without a password: that has no place in a file that others read."""
    parts = urlsplit(url)
    if parts.password:
        host = parts.netloc.rpartition("@")[2]
        url = parts._replace(netloc=f"{parts.username}@{host}").geturl()
        print("the password is not written down: set PGPASSWORD, or put it into ~/.pgpass", file=sys.stderr)
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    if "[store]" in lines:
        lines.insert(lines.index("[store]") + 1, f'url = "{url}"')
    else:
        lines += ["", "[store]", f'url = "{url}"']
    fresh = file.with_name(file.name + ".new")
    fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fresh.chmod(file.stat().st_mode)
    fresh.replace(file)
