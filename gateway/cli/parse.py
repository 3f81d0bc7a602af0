"""``allears parse`` and ``allears replay``: a captured request → what it becomes, for whoever debugs a channel."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import msgspec

from channels import base as channels
from channels.base import ChannelError, Inbound, PushChannel, ReadsFiles, ReadsUnsigned, Request
from gateway import captures, config
from gateway.app import assemble
from gateway.captures import CaptureError
from gateway.cli import options
from gateway.cli.operate import perform_anywhere
from gateway.context import utc_now
from gateway.operations import OperationError


def add(subparsers: Any) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "parse",
        help="show what a captured request or a mail becomes",
        description='Read a captured request ({"headers": …, "body": …} as JSON), or a bare body, with a configured '
        "channel and print the inbound messages, one JSON object a line. With `email` the file is a mail, as it came, "
        "and no configuration is needed. Nothing is stored.",
    )
    parser.add_argument("channel", metavar="CHANNEL", help="channel, or channel/account")
    parser.add_argument("file", metavar="FILE", type=Path)
    options.config(parser)
    parser.set_defaults(func=run)
    _add_replay(subparsers)


def _add_replay(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="deliver a captured request again",
        description="Deliver a captured request through its channel, as the platform did: with its signature, and "
        "what is known already stays one message. What could not be read before is in `allears quarantine`.",
    )
    parser.add_argument("capture", metavar="CAPTURE", type=Path)
    parser.add_argument("--channel", default="", help="channel, or channel/account, where the capture does not say")
    options.config(parser)
    options.as_json(parser)
    parser.set_defaults(func=run_replay)


def run(args: argparse.Namespace) -> int:
    """Print the messages."""
    kind = _reads_files(args.channel)
    if kind is not None:
        options.print_json(asyncio.run(kind.read_file(_bytes(args.file), utc_now()))[1])
        return 0
    try:
        channel = captures.chosen(assemble(config.load(args.config)).channels, args.channel)
        messages = _messages(channel, _bytes(args.file))
    except (ChannelError, CaptureError) as err:
        raise OperationError(f"{args.file}: {_why(err)}") from err
    for message in messages:
        options.print_json(message)
    return 0


def run_replay(args: argparse.Namespace) -> int:
    """Deliver it, here or in the running server, and print what was answered."""
    try:
        capture = captures.read(_bytes(args.capture))
    except CaptureError as err:
        raise OperationError(f"{args.capture}: {err}") from err
    if capture is None:
        raise OperationError(f'{args.capture}: not a capture; write {{"channel": …, "headers": …, "body": …}}')
    capture.channel = args.channel or capture.channel
    if not capture.channel:
        raise OperationError("which channel was it for? add --channel")
    wanted = {"capture": msgspec.to_builtins(capture)}
    options.print_rows(asyncio.run(perform_anywhere(config.load(args.config), "replay", wanted)), json=args.json)
    return 0


def _why(err: Exception) -> str:
    return str(err) if isinstance(err, CaptureError) else f"{type(err).__name__}: {err}"


def _messages(channel: PushChannel, data: bytes) -> tuple[Inbound, ...]:
    capture = captures.read(data)
    if capture is not None:
        return channel.accept(capture.request(utc_now()))
    if isinstance(channel, ReadsUnsigned):
        return channel.unsigned(Request(body=data, at=utc_now()))
    raise CaptureError('this channel needs the headers too: write {"headers": …, "body": …}')


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
