"""``allears serve``: the main job."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from typing import Any

from gateway import config, logs, processes
from gateway.cli import options
from gateway.config import ROLES, Loaded
from gateway.context import Gateway
from gateway.desk.people import ensure_admin, new_login_link
from gateway.serve import as_node, serve
from gateway.store.base import StoreError
from gateway.stores import is_shared


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway: channels, bot, desk, sinks. Stops on Ctrl-C or SIGTERM; what is not finished "
        "goes on at the next start, or on another node.",
    )
    options.config(parser)
    parser.add_argument("--log", choices=("debug", "info", "warning"), default="info", help="how much to log")
    parser.add_argument(
        "--roles", default="", metavar="ROLE,…", help=f"what this node does: {', '.join(ROLES)} (default: all)"
    )
    parser.add_argument("--processes", type=int, default=0, metavar="N", help="processes on this machine (default: 1)")
    parser.add_argument("--place", type=processes.Place.of, help=argparse.SUPPRESS)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    logs.install(args.log)
    loaded = as_node(config.load(args.config), roles=args.roles, processes=args.processes)
    if args.place is not None:
        asyncio.run(processes.serve_as(args.place, loaded, _greet))
        return 0
    logging.getLogger(__name__).info("data in %s%s", loaded.data, "" if is_shared(loaded) else _sqlite())
    if loaded.config.node.processes > 1:
        return processes.run(loaded, tuple(_said(args, loaded)))
    asyncio.run(serve(loaded, _greet))
    return 0


def _sqlite() -> str:
    return f", SQLite {sqlite3.sqlite_version}"


def _said(args: argparse.Namespace, loaded: Loaded) -> Iterator[str]:
    """The same words for each of several processes."""
    node = loaded.config.node
    yield from ("--config", str(args.config), "--log", args.log)
    yield from ("--roles", ",".join(node.roles), "--processes", str(node.processes))


async def _greet(gateway: Gateway) -> None:
    """Say where everything is. The login link works once; a lost one is replaced by the next start."""
    if "web" not in gateway.config.node.roles:
        print(f"\n  this node does {', '.join(gateway.config.node.roles)}\n", flush=True)
        return
    base = gateway.config.base_url
    try:
        admin = await ensure_admin(gateway)
    except StoreError:  # another node has made one at the same moment
        admin = await ensure_admin(gateway)
    print(f"\n  chat  {base}/")
    print(f"  desk  {base}/desk")
    print(f"        log in once with {await new_login_link(gateway, admin.id)}")
    print(f"  API   {base}/docs/api\n", flush=True)
