"""``allears normalize``: texts and messages → complaint records, without a store or server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from channels import base as channels
from channels.base import Inbound, ReadsFiles, Sender
from gateway.cli import options
from gateway.config import CompanySettings
from gateway.context import utc_now
from gateway.library import read_rules
from gateway.operations import OperationError
from normalizer.normalize import normalize
from normalizer.record import ComplaintRecord
from normalizer.rules import Rules

#: Largest file that is read, in bytes.
MAX_FILE = 25 * 1024 * 1024


class Line(msgspec.Struct, kw_only=True):
    """One line of ``--jsonl``."""

    text: str
    channel: str = ""
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    language: str = ""


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "normalize",
        help="turn texts or messages into complaint records",
        description="Turn texts (.txt), mails (.eml) or inbound messages (.json) into complaint records, one JSON object a line. "
        'With --jsonl the input is a stream of {"text": …, "channel": …, "at": …}.',
    )
    parser.add_argument("files", metavar="FILE", nargs="*", default=["-"], help="files, or - for standard input")
    parser.add_argument("--channel", default="api", help="channel that the texts came by (default: %(default)s)")
    parser.add_argument("--jsonl", action="store_true", help="the input is JSON Lines")
    parser.add_argument("--rules", type=Path, metavar="DIR", help="folder with your own rule files")
    parser.add_argument("--country", default=CompanySettings().country, help="country of phone numbers without one")
    parser.add_argument("--timezone", default=CompanySettings().timezone, help="zone of the times that are said")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print one record a line."""
    rules = read_rules(args.rules)
    for name in args.files:
        messages = _lines(name, args.channel) if args.jsonl else iter([_message(name, args.channel)])
        for number, message in enumerate(messages, 1):
            key = f"{name}#{number}" if args.jsonl else name
            options.print_json(_record(message, key, rules, args))
    return 0


def _record(message: Inbound, key: str, rules: Rules, args: argparse.Namespace) -> ComplaintRecord:
    return normalize(
        message,
        key=key,
        rules=rules,
        received_at=message.at,
        processed_at=message.at,
        conversation="",
        so_far=None,
        country=args.country,
        timezone=args.timezone,
    )


def _message(name: str, channel: str) -> Inbound:
    content = _read(name)
    if name.endswith(".json"):
        try:
            return msgspec.json.decode(content, type=Inbound)
        except msgspec.DecodeError as err:
            raise OperationError(f"{name}: not an inbound message: {err}") from err
    if name.endswith(".eml"):
        mail: Any = channels.load("email")
        return asyncio.run(_from_mail(mail, content))
    return _inbound(Line(text=content.decode("utf-8", "replace").strip()), name, channel)


async def _from_mail(kind: type[ReadsFiles], content: bytes) -> Inbound:
    return (await kind.read_file(content, utc_now()))[0]


def _lines(name: str, channel: str) -> Iterator[Inbound]:
    with sys.stdin.buffer if name == "-" else open(name, "rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield _inbound(msgspec.json.decode(line, type=Line), f"{name}#{number}", channel)
            except msgspec.DecodeError as err:
                raise OperationError(f"{name}:{number}: {err}") from err


def _inbound(line: Line, id: str, channel: str) -> Inbound:
    return Inbound(
        channel=line.channel or channel,
        account="",
        external_id=id,
        thread=id,
        sender=Sender(id=""),
        at=line.at.astimezone(UTC) if line.at else utc_now(),
        text=line.text,
        language=line.language,
    )


def _read(name: str) -> bytes:
    try:
        content = sys.stdin.buffer.read(MAX_FILE + 1) if name == "-" else _capped(Path(name))
    except OSError as err:
        raise OperationError(f"{name}: {err.strerror}") from err
    if len(content) > MAX_FILE:
        raise OperationError(f"{name}: larger than {MAX_FILE} bytes")
    return content


def _capped(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)
