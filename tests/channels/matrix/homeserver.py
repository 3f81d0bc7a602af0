"""A real Synapse on loopback, and customers who use it over HTTP as their apps do."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.ports import free_port

REQUIRED = os.environ.get("REQUIRE_TEST_SERVERS") == "1"
#: A Python that has Synapse: an environment of its own keeps its sixty packages out of ours.
PYTHON = os.environ.get("SYNAPSE_PYTHON") or (sys.executable if importlib.util.find_spec("synapse") else "")
SECRET = "registration-secret-of-the-tests"
_QUIET = """
trusted_key_servers: []
enable_metrics: false
federation_domain_whitelist: []
rc_message: {per_second: 1000, burst_count: 1000}
rc_registration: {per_second: 1000, burst_count: 1000}
rc_login:
  address: {per_second: 1000, burst_count: 1000}
  account: {per_second: 1000, burst_count: 1000}
rc_joins:
  local: {per_second: 1000, burst_count: 1000}
rc_invites:
  per_room: {per_second: 1000, burst_count: 1000}
  per_user: {per_second: 1000, burst_count: 1000}
  per_issuer: {per_second: 1000, burst_count: 1000}
"""


def missing() -> None:
    """Skip, or fail where servers are required."""
    if REQUIRED:
        pytest.fail("SYNAPSE_PYTHON names no Python with matrix-synapse")
    pytest.skip("matrix-synapse is not installed (SYNAPSE_PYTHON names no Python that has it)")


class Customer:
    """Somebody with an account and an app."""

    def __init__(self, client: aiohttp.ClientSession, url: str, id: str, token: str) -> None:
        self._client, self._url, self.id, self.token = client, url, id, token
        self._sent = 0

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        async with self._client.request(method, f"{self._url}{path}", json=body, headers=headers, **more) as answer:
            assert answer.status == 200, f"{answer.status} {await answer.text()}"
            return await answer.json()

    async def chat(self, *people: str, encrypted: bool = False) -> str:
        """A room with these people, as apps make a direct chat; its id."""
        state = [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}] if encrypted else []
        asked = {
            "preset": "trusted_private_chat",
            "invite": list(people),
            "is_direct": len(people) == 1,
            "initial_state": state,
        }
        return str((await self.ask("POST", "/_matrix/client/v3/createRoom", asked))["room_id"])

    async def join(self, room: str) -> None:
        await self.ask("POST", f"/_matrix/client/v3/join/{room}", {})

    async def put(self, room: str, content: Any, kind: str = "m.room.message") -> str:
        self._sent += 1
        path = f"/_matrix/client/v3/rooms/{room}/send/{kind}/c{self._sent}"
        return str((await self.ask("PUT", path, content))["event_id"])

    async def say(self, room: str, text: str, **relation: Any) -> str:
        related = {"m.relates_to": relation} if relation else {}
        return await self.put(room, {"msgtype": "m.text", "body": text, **related})

    async def redact(self, room: str, event: str) -> None:
        self._sent += 1
        await self.ask("PUT", f"/_matrix/client/v3/rooms/{room}/redact/{event}/c{self._sent}", {})

    async def upload(self, name: str, data: bytes, type: str) -> str:
        headers = {"authorization": f"Bearer {self.token}", "content-type": type}
        url = f"{self._url}/_matrix/media/v3/upload?filename={name}"
        async with self._client.post(url, data=data, headers=headers) as answer:
            return str((await answer.json())["content_uri"])

    async def reads(self, room: str) -> list[dict[str, Any]]:
        """The messages of a room, oldest first."""
        found = await self.ask("GET", f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=100")
        return [one for one in found["chunk"][::-1] if one["type"] == "m.room.message"]


class Homeserver:
    """A running Synapse."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self.url, self._client = url, client

    async def account(self, name: str) -> Customer:
        """A new account, logged in (https://element-hq.github.io/synapse/latest/admin_api/register_api.html)."""
        where = f"{self.url}/_synapse/admin/v1/register"
        async with self._client.get(where) as answer:
            nonce = (await answer.json())["nonce"]
        mac = hmac.new(SECRET.encode(), f"{nonce}\0{name}\0a password\0notadmin".encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": "a password", "admin": False, "mac": mac}
        async with self._client.post(where, json=body) as answer:
            found = await answer.json()
        return Customer(self._client, self.url, found["user_id"], found["access_token"])


@asynccontextmanager
async def homeserver(folder: Path) -> AsyncIterator[Homeserver]:
    """A Synapse of its own in ``folder``, ended afterwards."""
    if not PYTHON:
        missing()
    port = free_port()
    _configure(folder, port)
    command = [PYTHON, "-m", "synapse.app.homeserver", "--config-path", "hs.yaml"]
    with (folder / "out.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as client:
            await _until_it_answers(client, f"http://127.0.0.1:{port}", process)
            yield Homeserver(f"http://127.0.0.1:{port}", client)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _configure(folder: Path, port: int) -> None:
    base = [PYTHON, "-m", "synapse.app.homeserver", "--config-path", "hs.yaml"]
    make = [*base, "--server-name", "localhost", "--generate-config", "--report-stats=no"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    written = (folder / "hs.yaml").read_text()
    written = re.sub(r"port: 8008", f"port: {port}", written)
    written = re.sub(r"(?m)^trusted_key_servers:\n(  .*\n)+", "", written)
    written = re.sub(r"(?m)^registration_shared_secret:.*\n", "", written)
    (folder / "hs.yaml").write_text(f"{written}\nregistration_shared_secret: {SECRET}\n{_QUIET}")


async def _until_it_answers(client: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, "Synapse ended: see out.log in its folder"
            try:
                async with client.get(f"{url}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
