"""``allears check``: configuration, knowledge and rules, and with ``--connect`` every connection."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from channels.base import ChannelError, Finding
from gateway import config
from gateway.app import assemble
from gateway.cli import options
from gateway.context import Gateway
from gateway.serve import address
from gateway.store.base import StoreError
from gateway.tools import GatewayTools
from gateway.wake import Connects


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="check the configuration, the knowledge and the rules",
        description="Check the configuration, the knowledge and the rules; faults are named with file and line.",
    )
    options.config(parser)
    options.as_json(parser)
    parser.add_argument("--connect", action="store_true", help="also test every connection, without side effects")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something is wrong."""
    loaded = config.load(args.config)
    gateway = assemble(loaded)
    address(loaded)
    findings = [
        Finding(what="configuration", ok=True, detail=str(args.config)),
        Finding(what="knowledge", ok=True, detail=f"{len(gateway.knowledge.entries)} entries"),
        *(
            Finding(what=f"channel {name}/{account}", ok=True, detail="configured")
            for name, account in gateway.channels
        ),
        *(Finding(what=f"sink {name}", ok=True, detail="configured") for name in gateway.sinks),
    ]
    findings += list(_actions(gateway))
    if args.connect:
        findings += asyncio.run(_connect(gateway))
    return options.print_findings(findings, json=args.json)


def _actions(gateway: Gateway) -> Iterator[Finding]:
    """An action without its system ends with a person every time."""
    for action in gateway.knowledge.actions.values():
        there = action.system in gateway.systems
        detail = f"is carried out by {action.system}" if there else f"[systems.{action.system}] is not configured"
        yield Finding(what=f"action {action.name}", ok=there, detail=detail)


async def _connect(gateway: Gateway) -> list[Finding]:
    try:
        return [finding async for finding in _findings(gateway)]
    finally:
        await gateway.blobs.close()
        await gateway.egress.close()


async def _files(gateway: Gateway) -> Finding:
    try:
        return Finding(what="files", ok=True, detail=await gateway.blobs.check())
    except StoreError as err:
        return Finding(what="files", ok=False, detail=str(err))


async def _findings(gateway: Gateway) -> AsyncIterator[Finding]:
    tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
    for key, channel in gateway.channels.items():
        try:
            for finding in await channel.check(tools):
                yield finding
        except ChannelError as err:
            yield Finding(what="/".join(key), ok=False, detail=f"{type(err).__name__}: {err}")
    for system in gateway.systems.values():
        yield await system.check(tools)
    yield await _files(gateway)
    if isinstance(gateway.wake, Connects):
        yield await gateway.wake.check()
    try:
        await gateway.store.open()
        await gateway.store.ping()
        yield Finding(what="store", ok=True, detail="opens and can be written")
        await gateway.store.close()
    except StoreError as err:
        yield Finding(what="store", ok=False, detail=str(err))
