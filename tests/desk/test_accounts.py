"""The agents' accounts from the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from gateway.desk import passwords, people
from gateway.operations import perform
from tests.desk.conftest import CONFIG

ROOT = Path(__file__).parents[2]


async def _allears(folder: Path, *args: str, typed: str = "") -> tuple[int, list[dict[str, Any]], str]:
    """(exit status, rows, errors) of ``allears agents …``."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "gateway.cli.main",
            "agents",
            *args,
            "--json",
            "--config",
            str(folder / "allears.toml"),
        ),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("ALLEARS_")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(typed.encode())
    return process.returncode or 0, [json.loads(line) for line in out.splitlines()], err.decode()


async def test_life_of_an_account(tmp_path: Path) -> None:
    (tmp_path / "allears.toml").write_text(CONFIG)
    status, (made,), _ = await _allears(tmp_path, "add", "Mei", "--name", "Mei Lin", "--role", "lead", "--skill", "vip")
    assert (status, made["login"], made["role"], made["password"]) == (0, "mei", "lead", "none")
    assert "/desk/login/" in made["link"]
    status, _, err = await _allears(tmp_path, "add", "mei")
    assert (status, "taken" in err) == (1, True)
    status, _, err = await _allears(tmp_path, "passwd", "mei", typed="short\n")
    assert (status, "characters" in err) == (1, True)
    status, (row,), _ = await _allears(tmp_path, "passwd", "mei", typed="correct horse battery\n")
    assert (status, row["password"]) == (0, "set")
    await _allears(tmp_path, "disable", "mei")
    _, rows, _ = await _allears(tmp_path, "list")
    assert [(row["login"], row["active"], row["skills"]) for row in rows] == [("mei", "no", ["vip"])]
    status, _, err = await _allears(tmp_path, "link", "nobody")
    assert (status, "no account" in err) == (1, True)


async def test_password_is_set_on_an_existing_account(house: Any) -> None:
    await house.agent("mei")
    rows = await perform(house.gateway, "agents-passwd", {"login": "MEI", "password": "correct horse battery"})
    assert rows[0]["password"] == "set"
    agent = await people.find_login(house.gateway, "mei")
    assert agent is not None
    assert passwords.fits("correct horse battery", agent.password)
    assert agent.password not in str(rows)
