"""``allears agents``: the accounts of the people at the desk."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from typing import Any, get_args

from gateway import config
from gateway.cli import options
from gateway.cli.operate import perform_anywhere
from gateway.operations import OperationError
from gateway.store.base import Role


def add(subparsers: Any) -> None:
    """Add the commands."""
    parser = subparsers.add_parser("agents", help="people at the desk", description="The accounts of the desk.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _command(actions, "list", "list the accounts")
    new = _command(actions, "add", "make an account; prints a one-time login link when it gets no password")
    new.add_argument("login", metavar="LOGIN")
    new.add_argument("--name", default="", help="the name customers see (default: the login)")
    new.add_argument("--role", choices=get_args(Role), default="agent", help="(default: %(default)s)")
    new.add_argument("--skill", action="append", default=[], dest="skills", help="a skill tag; may be repeated")
    new.add_argument("--password", action="store_true", help="ask for a password, or read it from standard input")
    new.set_defaults(params=("login", "name", "role", "skills"))
    for action, text in (
        ("passwd", "set a password: asked for, or read from standard input"),
        ("link", "make a one-time login link"),
        ("disable", "shut an account"),
        ("enable", "open an account again"),
    ):
        _command(actions, action, text).add_argument("login", metavar="LOGIN")


def _command(actions: Any, name: str, help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help, description=help.capitalize() + ".")
    options.config(parser)
    options.as_json(parser)
    parser.set_defaults(func=run, action=name, params=() if name == "list" else ("login",))
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry it out, here or in the running server."""
    params = {name: getattr(args, name) for name in args.params}
    if args.action == "passwd" or getattr(args, "password", False):
        params["password"] = _password()
    rows = asyncio.run(perform_anywhere(config.load(args.config), f"agents-{args.action}", params))
    options.print_rows(rows, json=args.json)
    return 0


def _password() -> str:
    """From the keyboard, twice and unseen; else the first line of standard input. It is never an argument."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise OperationError("the two passwords differ")
    return password
