"""``allears parse``: a captured request → the inbound messages, for whoever debugs a channel."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from channels import base as channels
from channels.base import ChannelError, PushChannel, ReadsFiles, Request
from gateway import config
from gateway.app import assemble
from gateway.cli import options
from gateway.context import utc_now
from gateway.operations import OperationError


class Capture(msgspec.Struct, kw_only=True):
    """A captured request as a file: what :class:`channels.base.Request` needs, the body as text."""

    body: str
    headers: dict[str, str] = {}
    url: str = "https://intake.example/"
    tail: str = ""
    query: dict[str, str] = {}
    method: str = "POST"
    at: datetime | None = None


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "parse",
        help="show what a captured request or a mail becomes",
        description='Read a captured request ({"headers": …, "body": …} as JSON) with a configured channel and '
        "print the inbound messages, one JSON object a line. With `email` the file is a mail, as it came, and no "
        "configuration is needed. Nothing is stored.",
    )
    parser.add_argument("channel", metavar="CHANNEL", help="channel, or channel/account")
    parser.add_argument("file", metavar="FILE", type=Path)
    options.config(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the messages."""
    kind = _reads_files(args.channel)
    if kind is not None:
        options.print_json(asyncio.run(kind.read_file(_bytes(args.file), utc_now()))[1])
        return 0
    channel = _channel(args)
    try:
        messages = channel.accept(_request(args.file))
    except ChannelError as err:
        raise OperationError(f"{args.file}: {type(err).__name__}: {err}") from err
    for message in messages:
        options.print_json(message)
    return 0


def _reads_files(wanted: str) -> type[ReadsFiles] | None:
    """The channel's class where its messages lie in files; it needs no configuration then."""
    name = wanted.partition("/")[0]
    if name not in channels.names():
        raise OperationError(f"there is no channel `{name}`; there are {', '.join(channels.names())}")
    found: Any = channels.load(name)
    return found if hasattr(found, "read_file") else None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as err:
        raise OperationError(f"{file}: {err.strerror}") from err


def _channel(args: argparse.Namespace) -> PushChannel:
    configured = assemble(config.load(args.config)).channels
    name, _, account = args.channel.partition("/")
    for key, channel in configured.items():
        if key[0] == name and account in ("", key[1]) and isinstance(channel, PushChannel):
            return channel
    known = ", ".join("/".join(key) for key in configured) or "none"
    raise OperationError(f"no channel `{args.channel}` that receives is configured; configured: {known}")


def _request(file: Path) -> Request:
    try:
        capture = msgspec.json.decode(_bytes(file), type=Capture)
    except msgspec.DecodeError as err:
        raise OperationError(f"{file}: not a capture: {err}") from err
    return Request(
        method=capture.method,
        url=capture.url,
        tail=capture.tail,
        query=capture.query,
        headers={name.lower(): value for name, value in capture.headers.items()},
        body=capture.body.encode(),
        at=capture.at or utc_now(),
    )
