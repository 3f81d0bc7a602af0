"""The channels from the command line: how they stand, connecting one, and captured requests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels._platforms.telegram import SECRET_HEADER, Telegram
from gateway.simulate.platforms import toml
from tests.cli.conftest import Shell

UPDATE = {
    "update_id": 1,
    "message": {
        "message_id": 5,
        "date": 1795334400,
        "chat": {"id": 7, "type": "private", "first_name": "Mei"},
        "from": {"id": 7, "is_bot": False, "first_name": "Mei"},
        "text": "灯笼坏了，我要退款",
    },
}


@pytest.fixture
def platform() -> Iterator[Telegram]:
    """Telegram in a thread: commands bring their own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = Telegram(pace=0.02)
    asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(10)
    yield running
    asyncio.run_coroutine_threadsafe(running.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture
def connected(shell: Shell, platform: Telegram) -> Shell:
    """A configuration with a Telegram account that talks to it, by webhook."""
    settings = {**platform.settings, "updates": "webhook"}
    table = "\n".join(f"{name} = {toml(value)}" for name, value in settings.items())
    more = f'[egress]\nallow = ["127.0.0.0/8"]\n\n[channels.telegram.main]\n{table}\n\n[channels.api.main]'
    shell.edit("[channels.api.main]", more)
    return shell


def capture(folder: Path, **changes: object) -> Path:
    file = folder / "capture.json"
    headers = {"Content-Type": "application/json", SECRET_HEADER: Telegram.secret}
    whole = {"channel": "telegram", "headers": headers, "body": json.dumps(UPDATE), **changes}
    file.write_text(json.dumps(whole))
    return file


def test_every_account_says_what_it_promises_and_how_it_stands(connected: Shell) -> None:
    connected.run("replay", str(capture(connected.folder)))
    rows = {row["channel"]: row for row in connected.run("channels", "--json").rows}
    assert rows["telegram"]["state"] == "not running"
    assert rows["telegram"]["messages"] == "delivered"
    assert rows["telegram"]["last_message"] == "2026-11-22T08:00:00Z"
    assert rows["telegram"]["lag_seconds"] is not None
    assert set(rows["telegram"]["exempt"]) == {"raw_body", "handshake", "whole_batch"}
    assert rows["webchat"]["last_message"] is None
    assert "17 of 20" in connected.run("channels", "list").out
    assert "telegram" in connected.run("channels", "--all").out


def test_a_running_server_says_it_runs(connected: Shell) -> None:
    connected.serve()
    rows = {row["channel"]: row for row in connected.run("channels", "list", "--json").rows}
    assert rows["telegram"]["state"] == "runs"
    assert connected.run("replay", str(capture(connected.folder)), "--json").rows == [
        {"channel": "telegram/main", "messages": 1, "status": 200}
    ]


def test_set_up_says_what_to_do_and_registers_the_webhook(connected: Shell, platform: Telegram) -> None:
    before = connected.run("channels", "check", "telegram")
    assert before.status == 1
    assert "allears channels setup telegram/main" in before.out
    said = connected.run("channels", "setup", "telegram/main")
    assert said.status == 0
    assert "@BotFather" in said.out
    assert platform.door.endswith("/in/telegram/main")
    assert connected.run("channels", "check", "telegram").status == 0


def test_a_channel_that_is_not_configured_shows_what_to_write(shell: Shell) -> None:
    said = shell.run("channels", "setup", "telegram/shop")
    assert said.status == 1
    assert "[channels.telegram.shop]" in said.out
    assert 'token = "…"' in said.out
    assert shell.run("channels", "setup", "pigeon").status == 1


def test_a_capture_is_delivered_once_however_often(connected: Shell) -> None:
    for _ in range(2):
        assert connected.run("replay", str(capture(connected.folder))).status == 0
    assert len(connected.run("inbox", "list", "--json").rows) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"headers": {}}, "signature"),
        ({"channel": ""}, "--channel"),
        ({"channel": "line"}, "no channel"),
        ({"body_base64": "%"}, "base64"),
        ({"headers": 5}, "capture"),
    ],
)
def test_a_capture_that_cannot_be_delivered_says_why(connected: Shell, changes: dict[str, object], why: str) -> None:
    said = connected.run("replay", str(capture(connected.folder, **changes)))
    assert said.status == 1
    assert why in said.err


def test_parse_takes_a_capture_or_a_bare_body(connected: Shell, tmp_path: Path) -> None:
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(UPDATE))
    for file in (bare, capture(connected.folder)):
        (message,) = connected.run("parse", "telegram", str(file)).rows
        assert (message["external_id"], message["text"]) == ("7:5", "灯笼坏了，我要退款")
    bare.write_text("{")
    assert connected.run("parse", "telegram", str(bare)).status == 1
    assert not connected.run("inbox", "list", "--json").rows
