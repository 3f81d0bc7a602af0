"""The commands of ``docs/operation.md`` and ``docs/scaling.md`` for a backup and its restore, run as they stand there, beside a running gateway."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.servers import postgres

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operation.md"
SCALED = ROOT / "docs" / "scaling.md"
#: How long the gateway may take to answer.
PATIENCE = 150.0


def block(heading: str, page: Path = PAGE) -> str:
    """The first ``sh`` block below a heading."""
    section = page.read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.S)
    assert found, heading
    return found[1]


def environment(folder: Path) -> dict[str, str]:
    """``allears`` and ``python3`` of this environment first on the path."""
    shims = folder / "bin"
    shims.mkdir(exist_ok=True)
    for name, arguments in (("allears", " -m gateway.cli.main"), ("python3", "")):
        shim = shims / name
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        shim.chmod(0o755)
    return {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def shell(script: str, folder: Path, env: dict[str, str]) -> str:
    ran = subprocess.run(["sh", "-eu", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@contextmanager
def serving(folder: Path, env: dict[str, str], port: int) -> Iterator[None]:
    with (folder / "log.txt").open("ab") as log:
        server = subprocess.Popen(["allears", "serve"], cwd=folder, env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            assert time.monotonic() < deadline, (folder / "log.txt").read_text()
            time.sleep(0.1)
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)
    assert found, name
    return float(found[1])


def send(port: int, token: str, text: str) -> None:
    file = {"name": "receipt.txt", "base64": "cmVjZWlwdA=="}
    body = json.dumps({"sender": {"id": "card-1"}, "text": text, "attachments": [file]})
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": text, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/messages", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202


def test_backup_while_it_runs_and_restore(tmp_path: Path) -> None:
    folder, env = tmp_path / "gateway", environment(tmp_path)
    told = shell("allears init gateway", tmp_path, env)
    token = re.search(r"aat_\S+", told)
    assert token
    port = free_port()
    config = folder / "allears.toml"
    config.write_text(config.read_text().replace(":8080", f":{port}"))
    with serving(folder, env, port):
        for number in range(3):
            send(port, token[0], f"Kettle {number} arrived broken, I want a refund.")
        while metric(port, "allears_inbox_open") > 0:
            time.sleep(0.1)
        assert '"faults":0' in shell(block("Back up").replace("--journals", "--journals --json"), folder, env)
        before = shell("allears record list --json --config backup/allears.toml", folder, env)
        send(port, token[0], "This one came after the copy was made and is about a toaster.")
    assert "Kettle" in before
    shell(block("Restore"), folder, env)
    assert shell("allears record list --json", folder, env) == before
    assert "toaster" not in shell("allears inbox list --json", folder, env)


def test_backup_of_postgresql_while_it_runs_and_restore(tmp_path: Path) -> None:
    folder, env = tmp_path / "gateway", environment(tmp_path)
    url = postgres.new_database(f"test_{secrets.token_hex(8)}")
    env |= {"ALLEARS_STORE__URL": url, "DATABASE_URL": url, "PATH": f"{postgres.programs()}:{env['PATH']}"}
    token = re.search(r"aat_\S+", shell("allears init gateway", tmp_path, env))
    assert token
    port = free_port()
    config = folder / "allears.toml"
    config.write_text(config.read_text().replace(":8080", f":{port}"))
    with serving(folder, env, port):
        for number in range(3):
            send(port, token[0], f"Kettle {number} arrived broken, I want a refund.")
        while metric(port, "allears_inbox_open") > 0:
            time.sleep(0.1)
        shell(block("Back up", SCALED), folder, env)
        before = shell("allears record list --json", folder, env)
        send(port, token[0], "This one came after the copy was made and is about a toaster.")
    assert "Kettle" in before
    (folder / "data").rename(folder / "data.broken")
    fresh = f"test_{secrets.token_hex(8)}"
    env |= {
        "MAINTENANCE_URL": postgres.server_url(),
        "NEW_DATABASE": fresh,
        "NEW_DATABASE_URL": postgres.database_url(fresh),
    }
    assert "faults: 0" in shell(block("Restore", SCALED), folder, env)
    env |= {"ALLEARS_STORE__URL": postgres.database_url(fresh)}
    assert shell("allears record list --json", folder, env) == before
    assert "toaster" not in shell("allears inbox list --json", folder, env)
