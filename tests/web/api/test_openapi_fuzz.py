"""The whole description, fuzzed against the running gateway.

No answer may be a 5xx, a status or content type that is not described, or a body that does not fit its schema; what
does not fit the description must be refused; nobody gets in without a token. The runs are deterministic.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from gateway.app import build
from gateway.config import load
from gateway.context import GATEWAY
from gateway.web.rest import OPERATIONS
from tests.web.api.conftest import Running, configuration

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
#: Some rules span several fields (who wrote, what is in it), which no schema says: there a 422 is right for a body
#: that fits the schema.
CHECKS = '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "401", "403", "404", "422"]\n'


class Thread(threading.Thread):
    """A gateway with a loop of its own, since schemathesis calls it from another process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.ready = folder, threading.Event()
        self.loop = asyncio.new_event_loop()
        self.url = self.number = self.conversation = self.digest = ""

    def run(self) -> None:
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self.over = asyncio.Event()
        file = self.folder / "allears.toml"
        file.write_text(configuration())
        app = build(load(file, env={}))
        self.gateway = app[GATEWAY]
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        async with ClientSession() as session:
            await self._fill(Running(self.url, app, session))
        self.ready.set()
        await self.over.wait()
        await runner.cleanup()

    async def _fill(self, running: Running) -> None:
        _, kept, _ = await running.call("POST", "/v1/uploads?name=proof.txt", data=b"bought on 20 November")
        said = await running.say("The kettle leaks, I want 199 yuan back.", attachments=[{"upload": kept["upload"]}])
        self.conversation, self.digest = said["conversation"], kept["sha256"]
        self.number = await running.number(self.conversation)

    def taken(self) -> int:
        """How many messages came in."""
        inbox = self.gateway.store.inbox(limit=200)
        return len(asyncio.run_coroutine_threadsafe(inbox, self.loop).result(10).items)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thread]:
    thread = Thread(tmp_path_factory.mktemp("fuzz"))
    thread.start()
    assert thread.ready.wait(100), "the gateway did not start"
    yield thread
    thread.stop()


def fuzz(served: Thread, config: str, *options: str, hooks: Path | None = None) -> None:
    file = served.folder / "schemathesis.toml"
    file.write_text(CHECKS + config)
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(file),
        "run",
        f"{served.url}/openapi.json",
    ]
    command += ["--header", "Authorization: Bearer main-token", "--generation-deterministic", "--continue-on-failure"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
    if hooks:
        env["SCHEMATHESIS_HOOKS"] = hooks.stem
    done = subprocess.run(
        [*command, *options], cwd=served.folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"Tested: {len(OPERATIONS)}" in done.stdout, "every operation is fuzzed"


def test_anything_at_all(served: Thread) -> None:
    fuzz(served, "", "--phases", "coverage,fuzzing", "--max-examples", "25")


def test_things_that_exist(served: Thread) -> None:
    """Ids that are there and webhooks that are signed, so that the answers behind the doors are checked too."""
    known = (
        f'[parameters]\n"path.id" = "{served.conversation}"\n"path.number" = "{served.number}"\n'
        f'"path.digest" = "{served.digest}"\n"query.conversation" = "{served.conversation}"\n"path.account" = "main"\n'
    )
    options = ("--phases", "fuzzing", "--mode", "positive", "--max-examples", "25")
    fuzz(served, known, *options, hooks=HERE / "good_cases.py")
    assert served.taken() > 10, "the made-up messages and webhooks came through the doors"
