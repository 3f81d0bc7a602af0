"""The operator's commands with the server running and stopped: the same question, the same answer."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from channels._standard_webhooks import sign
from channels.base import Secret
from gateway.context import utc_now

Shell = Any
COMPLAINT = "订单 20261102003317 收到是坏的，我要退款！Call me: 13800138000"
WHSEC = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def day(shell: Shell) -> tuple[Shell, str, str]:
    """A running server with two cases and an unreadable delivery; (shell, number, number)."""
    shell.edit("[channels.api.main]", f'[channels.api.main]\nwebhook_secrets = ["{WHSEC}"]')
    shell.serve()
    one, two = (
        shell.say(COMPLAINT, "ann@example.org", file=True),
        shell.say("The lamp came broken.", "bo@example.org", file=True),
    )
    body = b"not JSON at all"
    assert shell.post("/in/api/main", body, sign(Secret(WHSEC), "w1", utc_now(), body)) == 202
    return shell, shell.until_number(one), shell.until_number(two)


def looks(shell: Shell, number: str) -> dict[str, Any]:
    """What the looking commands say."""
    asked = {
        "inbox": ("inbox", "list", "--json"),
        "message": ("inbox", "show", "1", "--json"),
        "outbox": ("outbox", "list", "--state", "sent", "--json"),
        "kept": ("quarantine", "show", "1", "--json"),
        "history": ("record", "show", number, "--history", "--json"),
        "records": ("record", "list", "--json"),
        "audit": ("audit", "--json"),
        "journals": ("audit", "--journals", "--json"),
    }
    return {name: _good(shell.run(*args)) for name, args in asked.items()}


def _good(said: Any) -> Any:
    assert (said.status, said.err) == (0, "")
    return said.rows


def test_running_or_stopped_the_answer_is_the_same(day: tuple[Shell, str, str]) -> None:
    shell, number, _ = day
    running = looks(shell, number)
    shell.stop()
    stopped = looks(shell, number)
    assert running.keys() == stopped.keys()
    for name in running:
        assert running[name] == stopped[name], name
    assert len(running["inbox"]) == 2
    assert running["message"][0]["text"] == COMPLAINT
    assert running["kept"][0]["raw"] == "not JSON at all"
    assert number in [record["number"] for record in running["records"]]
    assert len(running["history"][0]["journal"]) >= 3
    assert running["journals"] == [{"checked": 2, "faults": 0}]
    (line,) = running["audit"]
    assert (line["seen"], line["recorded"], line["quarantined"], line["missing"]) == (3, 2, 1, 0)


def test_tables_for_people(day: tuple[Shell, str, str]) -> None:
    shell, number, _ = day
    listed = shell.run("record", "list").out
    assert number in listed
    for column in ("status", "urgency", "category", "summary"):
        assert column in listed.splitlines()[0]
    assert "nothing there" in shell.run("dead", "list").out
    assert "- 1:" in shell.run("record", "show", number).out
    for looking in (("outbox", "show", "1"), ("quarantine", "list"), ("why", number), ("agents", "list")):
        assert shell.run(*looking, "--json").rows


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("inbox", "show", "999"), "no inbox row 999"),
        (("inbox", "show", "x"), "write 12 or 12-20"),
        (("inbox", "show", "9-3"), "no range"),
        (("inbox", "show", "1-999999999999"), "no range"),
        (("outbox", "show", "999"), "no outbox row 999"),
        (("dead", "show", "999"), "no outbox row 999"),
        (("quarantine", "show", "999"), "999"),
        (("quarantine", "replay", "999"), "999"),
        (("record", "show", "NOPE"), "no record NOPE"),
        (("why", "NOPE"), "no record NOPE"),
        (("export", "NOPE"), "no record NOPE"),
        (("audit", "--since", "yesterday"), "write 2026-11-01"),
        (("audit", "--bundle", "/nope"), "/nope: No such file"),
        (("erase", "nobody@example.org"), "nobody of that address"),
        (("agents", "disable", "nobody"), "no account `nobody`"),
    ],
)
def test_a_wrong_name_is_told_with_the_server_stopped(shell: Shell, args: tuple[str, ...], told: str) -> None:
    said = shell.run(*args)
    assert (said.status, said.out) == (1, "")
    assert told in said.err


def test_a_wrong_name_is_told_by_the_server_too(day: tuple[Shell, str, str]) -> None:
    shell = day[0]
    for args, told in (
        (("outbox", "show", "999"), "no outbox row 999"),
        (("audit", "--since", "yesterday"), "write 2026-11-01"),
        (("record", "show", "NOPE"), "no record NOPE"),
    ):
        said = shell.run(*args)
        assert (said.status, told in said.err) == (1, True), said.err


@pytest.mark.parametrize("limit", ["0", "-3", "x"])
def test_a_wrong_limit_is_wrong_usage(shell: Shell, limit: str) -> None:
    assert shell.run("inbox", "list", "--limit", limit).status == 2


def test_quarantine_is_read_again_and_closed(day: tuple[Shell, str, str]) -> None:
    shell = day[0]
    (again,) = shell.run("quarantine", "replay", "1", "--json").rows
    assert again["state"] == "open"
    assert "BadPayload" in again["reason"]
    assert shell.run("quarantine", "drop", "1").status == 0
    assert shell.run("quarantine", "list", "--json").rows == []
    assert [row["id"] for row in shell.run("quarantine", "list", "--state", "dropped", "--json").rows] == [1]
    assert shell.run("inbox", "replay", "--json").rows == [{"replayed": 0}]
    assert shell.run("dead", "replay", "--json").rows == [{"replayed": 0}]


def test_a_bundle_proves_itself(day: tuple[Shell, str, str]) -> None:
    shell, number, _ = day
    said = shell.run("export", number, "--to", str(shell.folder / "out" / "deep"))
    file = shell.folder / "out" / "deep" / f"{number}.json"
    assert str(file) in said.out
    checked = shell.run("audit", "--bundle", str(file), config=False)
    assert checked.status == 0
    assert said.out.split()[-1] in checked.out, "the seal is the one that export told"
    whole = file.read_text()
    bundle = json.loads(whole)
    for old, new in (
        ("我要退款", "我要道歉"),
        ("13800138000", "13800138001"),
        ("aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGE="),
        ("aGVsbG8gd29ybGQ=", "a"),
        ('"opened"', '"closed"'),
        (bundle["journal"][0]["hash"], "0" * 64),
        ('"waiting_agent"', '"resolved"'),
    ):
        assert old in whole
        file.write_text(whole.replace(old, new, 1))
        said = shell.run("audit", "--bundle", str(file), config=False)
        assert (said.status, bool(said.err)) == (1, True), old
    for broken in ("", "[]", "{}", '{"format": "allears-bundle/1"}', "\udcff"):
        file.write_text(broken, errors="surrogateescape")
        assert shell.run("audit", "--bundle", str(file), config=False).status == 1


def test_a_store_that_was_tampered_with_is_found(day: tuple[Shell, str, str]) -> None:
    shell, number, other = day
    shell.stop()
    database = sqlite3.connect(shell.folder / "data" / "allears.db")
    database.execute("UPDATE journal SET body = ? WHERE number = ? AND n = 1", (b'{"message":"another"}', number))
    database.commit()
    database.close()
    said = shell.run("audit", "--journals", "--json")
    assert said.status == 1
    assert {"number": number, "fault": "line 1 was changed"} in said.rows
    assert not any(row.get("number") == other for row in said.rows)


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_file_that_was_tampered_with_is_found(day: tuple[Shell, str, str], harm: str) -> None:
    shell = day[0]
    (file,) = [path for path in (shell.folder / "data" / "blobs").rglob("*") if path.is_file()]
    if harm == "changed":
        file.write_bytes(b"another text")
    else:
        file.unlink()
    said = shell.run("audit", "--journals", "--json")
    assert said.status == 1
    assert sum(f": {harm}" in row.get("fault", "") for row in said.rows) == 2, said.rows


def holds(folder: Path, words: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]


def test_a_person_is_erased_and_the_figures_stay(day: tuple[Shell, str, str]) -> None:
    shell, number, other = day
    before = shell.run("audit", "--json").rows
    dry = shell.run("erase", "ann@example.org", "--json")
    assert (dry.status, [row["erased"] for row in dry.rows]) == (0, [False])
    assert "--yes" in dry.err
    assert shell.run("record", "show", number, "--json").rows[0]["what"]["summary"]
    (file,) = [path for path in (shell.folder / "data" / "blobs").rglob("*") if path.is_file()]
    assert shell.run("erase", "ann@example.org", "--yes", "--json").rows[0]["erased"]
    assert file.exists(), "the other customer sent the same file"
    assert shell.run("erase", "bo@example.org", "--yes", "--json").rows[0]["erased"]
    assert not file.exists()
    (record,) = shell.run("record", "show", number, "--json").rows
    assert (record["what"]["summary"], record["who"]["emails"]) == ("", [])
    assert record["what"]["category"]["value"]
    assert shell.run("audit", "--json").rows == before
    assert shell.run("audit", "--journals", "--json").rows == [{"checked": 2, "faults": 0}]
    assert shell.run("erase", "ann@example.org").status == 1
    shell.stop()
    assert shell.run("audit", "--journals", "--json").rows[-1]["faults"] == 0
    assert not [path for path in holds(shell.folder / "data", b"ann@example.org") if path.name != "events.jsonl"]
    assert other


def test_accounts(day: tuple[Shell, str, str]) -> None:
    shell = day[0]
    made = shell.run("agents", "add", "mei", "--name", "梅", "--role", "lead", "--skill", "billing", "--json").rows[0]
    assert "/desk/login/" in made["link"]
    assert "taken" in shell.run("agents", "add", "MEI").err
    assert shell.process("agents", "passwd", "mei", stdin=b"short\n").status == 1
    assert shell.process("agents", "passwd", "mei", stdin=b"a long enough one\n").status == 0
    assert shell.run("agents", "disable", "mei", "--json").rows[0]["active"] == "no"
    assert shell.run("agents", "enable", "mei", "--json").rows[0]["active"] == "yes"
    assert shell.run("agents", "add", "x", "--role", "king").status == 2


def test_a_store_that_nobody_holds_and_nobody_can_open(shell: Shell) -> None:
    (shell.folder / "data").mkdir()
    (shell.folder / "data" / "allears.db").write_bytes(os.urandom(8192))
    said = shell.run("inbox", "list")
    assert said.status == 1
    assert "in use" not in said.err, said.err
    assert "allears.db" in said.err
