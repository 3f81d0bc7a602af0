"""``allears channels``: which are configured, and whether one really works."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from channels.base import Channel, ChannelError, Finding, RoundTrip
from gateway import config
from gateway.app import assemble
from gateway.cli import options
from gateway.context import Gateway
from gateway.operations import OperationError
from gateway.tools import GatewayTools


def add(subparsers: Any) -> None:
    """Add the commands."""
    parser = subparsers.add_parser("channels", help="the configured channels", description="The configured channels.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list them", description="List the configured channels.")
    options.config(listing)
    options.as_json(listing)
    listing.set_defaults(func=run_list)
    check = actions.add_parser(
        "check",
        help="test one for real",
        description="Test a channel's connections; where it can write to itself, send a message and read it back.",
    )
    check.add_argument("channel", metavar="CHANNEL", help="channel, or channel/account")
    options.config(check)
    options.as_json(check)
    check.set_defaults(func=run_check)


def run_list(args: argparse.Namespace) -> int:
    """One row an account."""
    gateway = assemble(config.load(args.config))
    rows = [{"channel": name, "account": account} for name, account in gateway.channels]
    options.print_rows(rows, json=args.json)
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something is wrong."""
    gateway = assemble(config.load(args.config))
    findings = asyncio.run(_check(gateway, _chosen(gateway, args.channel)))
    return options.print_findings(findings, json=args.json)


def _chosen(gateway: Gateway, wanted: str) -> list[Channel]:
    name, _, account = wanted.partition("/")
    found = [one for key, one in gateway.channels.items() if key[0] == name and account in ("", key[1])]
    if not found:
        known = ", ".join("/".join(key) for key in gateway.channels) or "none"
        raise OperationError(f"no channel `{wanted}` is configured; configured: {known}")
    return found


async def _check(gateway: Gateway, chosen: list[Channel]) -> list[Finding]:
    tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
    findings: list[Finding] = []
    try:
        for channel in chosen:
            try:
                test = channel.round_trip if isinstance(channel, RoundTrip) else channel.check
                findings += await test(tools)
            except ChannelError as err:
                where = f"{channel.name}/{channel.account}"
                findings.append(Finding(what=where, ok=False, detail=f"{type(err).__name__}: {err}"))
    finally:
        await gateway.egress.close()
    return findings
