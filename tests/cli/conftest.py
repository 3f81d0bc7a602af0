"""The command line as a user meets it: in this process for most, as a process of its own where that matters."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


class Said:
    """What a command answered."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def rows(self) -> list[Any]:
        """The lines of ``--json``."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """A folder with a configuration, and commands in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.config = folder / "allears.toml"
        self.token = ""
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None

    def init(self) -> None:
        self.token = self.run("init", str(self.folder), config=False).out.split("aat_")[1].split()[0]
        self.edit("127.0.0.1:8080", f"127.0.0.1:{self.port}")

    def edit(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new, 1))

    def run(self, *args: str, config: bool = True) -> Said:
        """A command in this process."""
        self._capsys.readouterr()
        try:
            status = main([*args, *(("--config", str(self.config)) if config else ())])
        except SystemExit as end:
            status = int(end.code or 0)
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(status, said.out, said.err)

    def process(self, *args: str, stdin: bytes = b"", config: bool = True) -> Said:
        """A command as a process of its own."""
        more = ("--config", str(self.config)) if config else ()
        command = [sys.executable, "-m", "gateway.cli.main", *args, *more]
        done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, timeout=150, check=False)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def serve(self) -> None:
        command = [sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(self.config)]
        log = (self.folder / "log.txt").open("ab")
        self._server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        until = time.monotonic() + 150
        while time.monotonic() < until:
            assert self._server.poll() is None, (self.folder / "log.txt").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise AssertionError("it does not come up")

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(100)
            self._server = None

    def say(self, text: str, sender: str, *, file: bool = False) -> str:
        """A message through the API; its conversation."""
        body: dict[str, Any] = {
            "text": text,
            "external_id": os.urandom(6).hex(),
            "sender": {"id": sender, "email": sender},
        }
        if file:
            body["attachments"] = [{"name": "a.txt", "base64": "aGVsbG8gd29ybGQ="}]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/messages",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer aat_{self.token}"},
        )
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["conversation"])

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as err:
            return int(err.code)

    def until_number(self, conversation: str) -> str:
        """The number of a conversation's case."""
        for _ in range(100):
            for row in self.run("record", "list", "--json").rows:
                if row["arrival"]["conversation"] == conversation:
                    return str(row["number"])
            time.sleep(0.1)
        raise AssertionError("no case was opened")


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A configured folder."""
    made = Shell(tmp_path, capsys)
    made.init()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _no_loop_left() -> Iterator[None]:
    yield
    assert asyncio._get_running_loop() is None
