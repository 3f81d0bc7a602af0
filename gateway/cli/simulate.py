"""``allears simulate``: fake platforms to try channels with, without an account anywhere."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from gateway.operations import OperationError
from gateway.simulate.page import application
from gateway.simulate.platforms import Running, names, whole
from gateway.simulate.prompt import Prompt

PORT = 8090
GATEWAY = "http://127.0.0.1:8080"


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="run a fake platform to try a channel with",
        description="Run fake platforms on this machine, with a page to talk through them and a switch for each fault. "
        "They say which configuration points the gateway to them; `--write` makes one that `allears serve` takes.",
    )
    parser.add_argument("channel", metavar="NAME", nargs="*", help=f"one of: {', '.join(names())}")
    parser.add_argument("--all", action="store_true", help="every platform there is")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a whole configuration, unless it is there")
    parser.add_argument("--gateway", default=GATEWAY, metavar="URL", help="where the gateway is (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=PORT, help="of the page; the platforms take those behind it (default: %(default)s)"
    )
    parser.add_argument("--polled", action="store_true", help="hold messages until the gateway asks for them")
    parser.add_argument("--prompt", action="store_true", help="talk from this terminal (one platform)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run until it is told to stop."""
    wanted = names() if args.all else list(dict.fromkeys(args.channel))
    unknown = [name for name in wanted if name not in names()]
    if unknown or not wanted:
        what = f"no fake platform for {', '.join(unknown)}" if unknown else "name a channel, or --all"
        raise OperationError(f"{what}; there are: {', '.join(names())}")
    if args.prompt and len(wanted) != 1:
        raise OperationError("--prompt talks through one platform")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(args, wanted))
    return 0


async def _run(args: argparse.Namespace, wanted: list[str]) -> None:
    running = Running(wanted, gateway=args.gateway, port=args.port + 1, polled=args.polled)
    try:
        async with running:
            await _serve(args, running)
    except OSError as err:
        raise OperationError(f"cannot listen behind port {args.port} ({err.strerror}); take another --port") from err


async def _serve(args: argparse.Namespace, running: Running) -> None:
    runner = web.AppRunner(application(running.platforms, args.gateway), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", args.port).start()
        _tell(args, running)
        if args.prompt:
            await Prompt(next(iter(running.platforms.values()))).run()
        else:
            await _told_to_stop()
    finally:
        await runner.cleanup()


def _tell(args: argparse.Namespace, running: Running) -> None:
    for name, why in running.left_out.items():
        print(f"left out {name}: {why}")
    if args.write is not None:
        _write(args, running)
        print(f"now, in another terminal:  allears serve --config {args.write}")
    else:
        print(
            f"# Add this to the gateway's configuration (or let --write FILE make a whole one):\n\n{running.tables()}"
        )
    print(f"talk at http://127.0.0.1:{args.port}/   (ctrl-c ends)", flush=True)


def _write(args: argparse.Namespace, running: Running) -> None:
    """Never over an existing one; only the owner may read it."""
    listen = urlsplit(args.gateway).netloc
    try:
        handle = os.open(args.write, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{args.write} is there already and stays as it is")
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(whole(running.tables(), listen))
    print(f"wrote {args.write}")


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
