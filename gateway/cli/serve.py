"""``allears serve``: the main job."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
from typing import Any

from gateway import config, logs
from gateway.cli import options
from gateway.context import Gateway
from gateway.desk.people import ensure_admin, new_login_link
from gateway.serve import serve


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway: channels, bot, desk, sinks. Stops on Ctrl-C or SIGTERM; what is not finished "
        "goes on at the next start.",
    )
    options.config(parser)
    parser.add_argument("--log", choices=("debug", "info", "warning"), default="info", help="how much to log")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    logs.install(args.log)
    loaded = config.load(args.config)
    logging.getLogger(__name__).info("data in %s, SQLite %s", loaded.data, sqlite3.sqlite_version)
    asyncio.run(serve(loaded, _greet))
    return 0


async def _greet(gateway: Gateway) -> None:
    """Say where everything is. The login link works once; a lost one is replaced by the next start."""
    base = gateway.config.base_url
    admin = await ensure_admin(gateway)
    print(f"\n  chat  {base}/")
    print(f"  desk  {base}/desk")
    print(f"        log in once with {await new_login_link(gateway, admin.id)}")
    print(f"  API   {base}/docs/api\n", flush=True)
