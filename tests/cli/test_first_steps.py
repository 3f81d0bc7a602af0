"""init, check, serve, --help: the first minutes, with the mistakes that are made in them."""

from __future__ import annotations

import re
import socket
import stat
from typing import Any

import pytest

from gateway.cli.main import parser

Shell = Any


def commands(one: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All commands below a parser."""
    found = [path]
    for action in one._actions:
        if action.choices and hasattr(action.choices, "items"):
            for name, child in action.choices.items():
                found += commands(child, (*path, name))
    return found


@pytest.mark.parametrize("command", commands(parser()), ids=" ".join)
def test_every_command_explains_itself(shell: Shell, command: tuple[str, ...]) -> None:
    said = shell.run(*command, "--help", config=False)
    assert said.status == 0
    assert said.out.startswith("usage: allears")
    assert "SUPPRESS" not in said.out


def test_init_makes_secrets_that_only_the_owner_reads_and_never_writes_over_them(shell: Shell) -> None:
    assert stat.S_IMODE(shell.config.stat().st_mode) == 0o600
    text = shell.config.read_text()
    assert shell.token not in text
    again = shell.run("init", str(shell.folder), config=False)
    assert again.status == 1
    assert "is there already" in again.err
    assert shell.run("init", str(shell.folder), "--if-missing", config=False).status == 0
    assert shell.config.read_text() == text


def test_init_where_nothing_can_be_written(shell: Shell) -> None:
    (shell.folder / "file").write_text("")
    said = shell.run("init", str(shell.folder / "file" / "below"), config=False)
    assert said.status == 1
    assert str(shell.folder / "file") in said.err


def test_the_fresh_configuration_is_good(shell: Shell) -> None:
    said = shell.run("check", "--connect")
    assert (said.status, said.err) == (0, "")
    assert "BAD" not in said.out
    assert all(row["ok"] for row in shell.run("check", "--json").rows)


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ("listen =", "listn =", "listn", "no such key"),
        ('listen = "127.0.0.1:', 'listen = "nowhere', "listen", "write `127.0.0.1:8080`"),
        ('timezone = "Asia/Shanghai"', 'timezone = "Mars/X"', "company.timezone", "Asia/Shanghai"),
        ('mon = "09:00-18:00"', 'mon = "9-25"', "company.hours.mon", "09:00-18:00"),
        ('site_key = "lantern"', "site_key = 5", "channels.webchat.shop.site_key", "Expected `str`"),
        ('site_key = "lantern"', 'site_kye = "lantern"', "channels.webchat.shop", "site_k"),
        ('kind = "jsonl"', 'kind = "nope"', "sinks.file", "jsonl, webhook"),
        ("[channels.api.main]", "[channels.apj.main]", "channels.apj", "there are api"),
        ('"messages:write"', '"messages:wirte"', "channels.api.main.tokens", "messages:wirte"),
        ("\n[company]", '\n[egress]\nallow = ["nonsense"]\n[company]', "egress", "10.1.2.0/24"),
        ("\n[company]", "\n[limits]\nfile = -1\n[company]", "limits.file", ">= 1"),
        ('data = "data"', "data = [", "", "Invalid"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(shell: Shell, old: str, new: str, key: str, what: str) -> None:
    shell.edit(old, new)
    said = shell.run("check")
    assert said.status == 1
    assert said.err.startswith(f"allears: {shell.config}:")
    line = int(re.match(rf"allears: {re.escape(str(shell.config))}:(\d+)", said.err)[1])  # type: ignore[index]
    assert abs(line - 1 - shell.config.read_text()[: shell.config.read_text().index(new)].count("\n")) <= 2 + new.count(
        "\n"
    )
    assert key in said.err
    assert what in said.err


def test_files_that_are_no_configuration(shell: Shell) -> None:
    assert "allears init" in shell.run("check", "--config", str(shell.folder / "none"), config=False).err
    assert "Is a directory" in shell.run("check", "--config", str(shell.folder), config=False).err
    shell.config.write_bytes(b"\xff\xfe")
    assert "UTF-8" in shell.run("check").err


def test_a_folder_of_knowledge_that_is_not_there(shell: Shell) -> None:
    shell.edit("\n[company]", '\n[bot]\nknowledge = "nope"\n[company]')
    said = shell.run("check")
    assert said.status == 1
    assert "nope" in said.err


def test_serving_on_a_taken_port_says_so(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", shell.port))
        taken.listen()
        said = shell.process("serve")
    assert said.status == 1
    assert f"cannot listen on 127.0.0.1:{shell.port}" in said.err
    assert "set another address" in said.err


def test_a_second_server_on_the_same_data_does_not_start(shell: Shell) -> None:
    shell.serve()
    said = shell.process("serve")
    assert said.status == 1
    assert "stop it first" in said.err
