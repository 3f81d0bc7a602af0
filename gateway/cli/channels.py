"""``allears channels``: which are configured and how they stand, whether one really works, and how to connect one."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from channels import base
from channels.base import Channel, ChannelError, Finding, MissingExtra, PushChannel, RoundTrip, SetsUp
from gateway import config
from gateway.app import assemble
from gateway.cli import options
from gateway.cli.operate import perform_anywhere
from gateway.context import Gateway
from gateway.operations import OperationError
from gateway.tools import GatewayTools

#: How wide a line of an explanation is.
WIDTH = 110


def add(subparsers: Any) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "channels",
        help="the channels: how they stand, test one, connect one",
        description="The configured channels: promises, state, last message and its lag. `--all` lists all there are.",
    )
    _listing(parser)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=False)
    _listing(actions.add_parser("list", help="list them", description="List the channels."), inner=True)
    check = actions.add_parser(
        "check",
        help="test one for real",
        description="Test a channel's connections; where it can write to itself, send a message and read it back.",
    )
    check.add_argument(
        "channel", metavar="CHANNEL", nargs="?", default="", help="channel, or channel/account; all without"
    )
    check.set_defaults(func=run_check)
    setup = actions.add_parser(
        "setup",
        help="connect one",
        description="Walk through a platform's set-up: what to do there, what to write into the configuration. "
        "What the platform's API lets us register is registered.",
    )
    setup.add_argument("channel", metavar="CHANNEL", help="channel, or channel/account")
    setup.set_defaults(func=run_setup)
    for one in (check, setup):
        _shared(one)


def _listing(parser: argparse.ArgumentParser, *, inner: bool = False) -> None:
    parser.add_argument(
        "--all",
        action="store_true",
        default=argparse.SUPPRESS if inner else False,
        help="every channel there is, configured or not",
    )
    _shared(parser, inner=inner)
    parser.set_defaults(func=run_list)


def _shared(parser: argparse.ArgumentParser, *, inner: bool = True) -> None:
    """``--config`` and ``--json`` before or behind the action: the inner one must not undo the outer one."""
    options.config(parser)
    options.as_json(parser)
    if inner:
        for action in parser._actions:
            if action.dest in ("config", "json"):
                # The help would name a default that is gone.
                action.default, action.help = argparse.SUPPRESS, (action.help or "").partition(" (default")[0]


def run_list(args: argparse.Namespace) -> int:
    """One row an account; with ``--all`` one a channel."""
    if args.all:
        options.print_rows([_about(name) for name in base.names()], json=args.json)
        return 0
    rows = asyncio.run(perform_anywhere(config.load(args.config), "channels-list", {}))
    options.print_rows(rows, json=args.json)
    return 0


def _about(name: str) -> dict[str, Any]:
    try:
        channel = base.load(name)
    except MissingExtra as err:
        return {"channel": name, "promises": "", "missing": str(err)}
    total = len(get_args(base.Promise))
    return {"channel": name, "promises": f"{total - len(channel.exempt)} of {total}", "exempt": dict(channel.exempt)}


def run_check(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something is wrong."""
    gateway = assemble(config.load(args.config))
    chosen = _chosen(gateway, args.channel) if args.channel else list(gateway.channels.values())
    findings = asyncio.run(_then_closed(gateway, _checked(gateway, chosen)))
    return options.print_findings(findings, json=args.json)


def run_setup(args: argparse.Namespace) -> int:
    """Print the steps, register what can be registered; 1 when that fails or the account is not configured yet."""
    loaded = config.load(args.config)
    gateway = assemble(loaded)
    if not any(key[0] == args.channel.partition("/")[0] for key in gateway.channels):
        print(_template(args.channel, args.config))
        return 1
    findings: list[Finding] = []
    for channel in _chosen(gateway, args.channel):
        url = door(channel, gateway.config.base_url)
        _tell(channel, url)
        if isinstance(channel, SetsUp):
            findings += asyncio.run(_then_closed(gateway, _set_up(gateway, channel, url)))
    return options.print_findings(findings, json=args.json)


def door(channel: Channel, public: str) -> str:
    """The public address that the platform has to know."""
    routes = channel.routes if isinstance(channel, PushChannel) else ()
    path = next((route.path for route in routes if route.path), f"/in/{channel.name}/{channel.account}")
    return public.rstrip("/") + path


def _tell(channel: Channel, url: str) -> None:
    print(f"{channel.name}/{channel.account}")
    steps = channel.steps(url) if isinstance(channel, SetsUp) else (f"Read channels/{channel.name}.md; it says all.",)
    for n, step in enumerate(steps, 1):
        print(f"  {n}. {step}")


def _template(wanted: str, file: Path) -> str:
    """What to write into the configuration, from the channel's own settings."""
    name, _, account = wanted.partition("/")
    if name not in base.names():
        raise OperationError(f"there is no channel `{name}`; there are {', '.join(base.names())}")
    lines = [f"`{name}` is not configured. Write this into {file}, fill it in, and run the command again:", ""]
    lines.append(f"[channels.{name}.{account or 'main'}]")
    for field in msgspec.structs.fields(base.load(name).settings):
        known = field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
        value = f"# {field.encode_name} = …" if known else f'{field.encode_name} = "…"'
        lines.append(f"{value}  # {_description(field.type)}"[:WIDTH])
    return "\n".join(lines)


def _description(annotated: Any) -> str:
    """The ``Meta`` description of a setting."""
    if get_origin(annotated) is None:
        return ""
    return next((meta.description or "" for meta in getattr(annotated, "__metadata__", ())), "")


def _chosen(gateway: Gateway, wanted: str) -> list[Channel]:
    name, _, account = wanted.partition("/")
    found = [one for key, one in gateway.channels.items() if key[0] == name and account in ("", key[1])]
    if not found:
        known = ", ".join("/".join(key) for key in gateway.channels) or "none"
        raise OperationError(f"no channel `{wanted}` is configured; configured: {known}")
    return found


async def _then_closed(gateway: Gateway, work: Any) -> list[Finding]:
    try:
        found: list[Finding] = await work
        return found
    finally:
        await gateway.egress.close()


async def _checked(gateway: Gateway, chosen: list[Channel]) -> list[Finding]:
    tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
    findings: list[Finding] = []
    for channel in chosen:
        test = channel.round_trip if isinstance(channel, RoundTrip) else channel.check
        findings += await _found(channel, test(tools))
    return findings


async def _set_up(gateway: Gateway, channel: SetsUp, url: str) -> list[Finding]:
    tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
    assert isinstance(channel, Channel)
    return await _found(channel, channel.set_up(url, tools))


async def _found(channel: Channel, work: Any) -> list[Finding]:
    try:
        return [*await work]
    except ChannelError as err:
        where = f"{channel.name}/{channel.account}"
        return [Finding(what=where, ok=False, detail=f"{type(err).__name__}: {err}")]
