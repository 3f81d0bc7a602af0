"""``allears inbox|outbox|dead|quarantine|record|why|audit|export|erase``: the operator's commands.

While a server runs, it alone may write the store; the command is then carried out by that server.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from channels.base import Secret
from gateway import bundle, config
from gateway.app import assemble
from gateway.cli import options
from gateway.config import Loaded
from gateway.keys import Keys
from gateway.operations import OPERATIONS, OperationError, Params, Rows, perform
from gateway.store.base import StoreUnavailable
from gateway.stores import is_shared, store_of
from gateway.web.control import PREFIX, PURPOSE, WHO

#: How long the running server may take for an operation, in seconds.
REMOTE_SECONDS = 600.0
#: Rows that one command names.
MOST_IDS = 10_000


def add(subparsers: Any) -> None:
    """Add the commands."""
    _queue(subparsers, "inbox", "messages taken in", ("open", "wait", "done", "held"))
    _queue(subparsers, "outbox", "messages to be sent", ("waiting", "sending", "sent", "unknown", "dead", "superseded"))
    _queue(subparsers, "dead", "dead letters, and messages whose fate is unknown", ())
    _queue(subparsers, "quarantine", "deliveries that could not be read", ("open", "replayed", "dropped"))
    _record(subparsers)
    _why(subparsers)
    _audit(subparsers)
    _export(subparsers)
    _erase(subparsers)


def _command(subparsers: Any, name: str, help: str, operation: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=help, description=help.capitalize() + ".")
    options.config(parser)
    options.as_json(parser)
    parser.set_defaults(func=run, operation=operation, params=())
    return parser


def _queue(subparsers: Any, queue: str, help: str, states: tuple[str, ...]) -> None:
    parser = subparsers.add_parser(queue, help=help, description=help.capitalize() + ".")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _command(actions, "list", "list them, newest first", f"{queue}-list")
    listing.add_argument("--limit", type=_count, default=50, help="how many (default: %(default)s)")
    listing.set_defaults(params=("limit", "state") if states else ("limit",))
    if states:
        listing.add_argument("--state", choices=states, default="open" if queue == "quarantine" else "")
    for action, text in (("show", "show some of them"), ("replay", "run them again"), ("drop", "close them unread")):
        if f"{queue}-{action}" not in OPERATIONS:
            continue
        command = _command(actions, action, text, f"{queue}-{action}")
        all_without = action == "replay" and queue != "quarantine"
        command.add_argument(
            "ids",
            metavar="ID",
            nargs="*" if all_without else "+",
            help="number or range such as 12-20" + ("; all without one" if all_without else ""),
        )
        command.set_defaults(params=("ids",))


def _record(subparsers: Any) -> None:
    parser = subparsers.add_parser("record", help="complaint records", description="Complaint records.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = _command(actions, "show", "show one record", "record-show")
    show.add_argument("number", metavar="NUMBER")
    show.add_argument("--history", action="store_true", help="all revisions and the journal")
    show.set_defaults(params=("number", "history"))
    listing = _command(actions, "list", "list records, newest first", "record-list")
    listing.add_argument("--limit", type=_count, default=50, help="how many (default: %(default)s)")
    listing.add_argument("--status", default="", help="only those in this state")
    listing.set_defaults(func=_run_records, params=("limit", "status"))


def _why(subparsers: Any) -> None:
    parser = _command(subparsers, "why", "why the bot said what it said about a complaint", "why")
    parser.add_argument("number", metavar="NUMBER")
    parser.set_defaults(params=("number",))


def _audit(subparsers: Any) -> None:
    parser = _command(subparsers, "audit", "per channel and day: seen, recorded, answered, delivered, missing", "audit")
    parser.add_argument("--since", default="", metavar="DATE", help="first day (default: 30 days ago)")
    parser.add_argument("--journals", action="store_true", help="check every journal's hash chain and every attachment")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="check an exported bundle; needs no store")
    parser.set_defaults(func=_run_audit, params=("since",))


def _export(subparsers: Any) -> None:
    parser = _command(subparsers, "export", "write complaints as bundles that prove themselves", "export")
    parser.add_argument("numbers", metavar="NUMBER", nargs="+")
    parser.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where to (default: here)")
    parser.set_defaults(func=_run_export, params=("numbers",))


def _erase(subparsers: Any) -> None:
    parser = _command(subparsers, "erase", "erase a person's data, keeping the statistics", "erase")
    parser.add_argument("person", metavar="PERSON", help="e-mail address, phone number, sender id or conversation id")
    parser.add_argument("--yes", action="store_true", help="really; without it, only say what would be erased")
    parser.set_defaults(func=_run_erase, params=("person", "yes"))


def run(args: argparse.Namespace) -> int:
    """Run the operation and print its rows."""
    options.print_rows(_rows(args, args.operation), json=args.json)
    return 0


def _run_records(args: argparse.Namespace) -> int:
    rows = _rows(args, args.operation)
    options.print_rows(rows if args.json else [_brief(row) for row in rows], json=args.json)
    return 0


def _brief(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as one line of a table."""
    what, gravity, standing = record["what"], record["gravity"], record["standing"]
    return {
        "number": record["number"],
        "opened": record["opened_at"][:16],
        "status": standing["status"],
        "owner": standing["owner"],
        "channel": record["arrival"]["channel"],
        "urgency": (gravity["urgency"] or {}).get("value"),
        "category": (what["category"] or {}).get("value"),
        "summary": " ".join(what["summary"].split()),
    }


def _run_erase(args: argparse.Namespace) -> int:
    rows = _rows(args, args.operation)
    options.print_rows(rows, json=args.json)
    if not args.yes:
        print("nothing was erased yet; add --yes to do it", file=sys.stderr)
    return 0


def _run_audit(args: argparse.Namespace) -> int:
    if args.bundle:
        return _check_bundle(args.bundle)
    rows = _rows(args, "audit-journals" if args.journals else "audit")
    options.print_rows(rows, json=args.json)
    return 1 if any(row.get("missing") or row.get("faults") for row in rows) else 0


def _check_bundle(path: Path) -> int:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise OperationError(f"{path}: cannot be read as a bundle: {err}") from err
    faults = bundle.verify(content)
    for fault in faults:
        print(f"{path}: {fault}", file=sys.stderr)
    if not faults:
        print(f"{path}: whole, nothing was changed; seal {content['seal']}")
    return 1 if faults else 0


def _run_export(args: argparse.Namespace) -> int:
    args.to.mkdir(parents=True, exist_ok=True)
    for row in _rows(args, "export"):
        path = args.to / f"{row['number']}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(row), indent=1))
        print(f"{path}  seal {row['seal']}")
    return 0


def _rows(args: argparse.Namespace, operation: str) -> Rows:
    params = {name: getattr(args, name) for name in args.params}
    if "ids" in params:
        params["ids"] = _expand(params["ids"])
    return asyncio.run(perform_anywhere(config.load(args.config), operation, params))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return number


def _expand(ids: list[str]) -> list[int]:
    """``["3", "7-9"]`` → ``[3, 7, 8, 9]``."""
    numbers: list[int] = []
    for id in ids:
        first, _, last = id.partition("-")
        try:
            span = range(int(first), int(last or first) + 1)
        except ValueError as err:
            raise OperationError(f"`{id}` is no id; write 12 or 12-20") from err
        if not span or len(numbers) + len(span) > MOST_IDS:
            raise OperationError(f"`{id}` is no range of 1 to {MOST_IDS} ids")
        numbers += span
    return numbers


async def perform_anywhere(loaded: Loaded, operation: str, params: Params) -> Rows:
    """Run an operation on the store, or in the server that holds it. Raises :class:`OperationError`."""
    store = store_of(loaded)
    try:
        await store.open()
    except StoreUnavailable as err:
        if is_shared(loaded):
            raise OperationError(str(err)) from err
        return await _ask_server(loaded, operation, params, err)
    gateway = assemble(loaded, store=store)
    try:
        return await perform(gateway, operation, params)
    finally:
        await gateway.blobs.close()
        await gateway.egress.close()
        await gateway.store.close()


async def _ask_server(loaded: Loaded, operation: str, params: Params, why: StoreUnavailable) -> Rows:
    """Let the running server do it: it holds the store. ``why`` we cannot open it ourselves is told if none answers."""
    token = Keys(Secret(loaded.config.secret)).tag(PURPOSE, WHO)
    url = f"http://{loaded.config.listen}{PREFIX}/{operation}"
    timeout = aiohttp.ClientTimeout(total=REMOTE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.post(url, json=params, headers={"Authorization": f"Bearer {token}"}) as answer:
                body = msgspec.json.decode(await answer.read())
        except TimeoutError as err:
            raise OperationError(f"the server at {loaded.config.listen} takes too long") from err
        except (aiohttp.ClientError, msgspec.DecodeError, UnicodeDecodeError) as err:
            raise OperationError(f"{why} (and no server of ours answers at {loaded.config.listen})") from err
    if answer.status != 200:
        raise OperationError(body.get("detail") or body.get("title", f"HTTP {answer.status}"))
    rows: Rows = body["rows"]
    return rows
