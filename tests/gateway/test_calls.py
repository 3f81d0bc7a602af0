"""Recorded calls through the running server: each road ends in a record whose facts point to their seconds."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels import _phone_twilio as twilio
from channels import _standard_webhooks as webhooks
from channels.base import Secret
from gateway import config
from gateway.app import application, assemble
from gateway.context import GATEWAY, Gateway
from gateway.store.base import InboxRow
from normalizer.record import ComplaintRecord
from transcription import model_folder

SPEECH = Path(__file__).parents[1] / "transcription" / "speech"
if not os.environ.get("REQUIRE_TEST_SERVERS"):
    pytest.importorskip("vosk", reason="the speech extra is not installed")
    pytest.importorskip("av", reason="the speech extra is not installed")

TOKEN = "an-upload-token"
SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
TWILIO = Secret("12345")
CALL = (SPEECH / "call.flac").read_bytes()
PATIENCE = 150.0


class Exchange:
    """A telephone system's file server on loopback, with a password, that fails at first."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_get("/{name}", self._serve)
        self.server = TestServer(app)
        self.failures = 1
        self.asked: list[str] = []

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("Authorization", ""))
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        if request.headers.get("Authorization") != "Basic " + base64.b64encode(b"AC1:12345").decode():
            return web.Response(status=401)
        return web.Response(body=CALL)


class Office:
    """The running gateway with a phone account for each road."""

    def __init__(self, client: TestClient[Any, Any], gateway: Gateway, exchange: Exchange, folder: Path) -> None:
        self.client, self.gateway, self.exchange, self.folder = client, gateway, exchange, folder

    async def rows(self) -> list[InboxRow]:
        return list((await self.gateway.store.inbox(limit=500)).items)

    async def heard(self, count: int = 1) -> list[ComplaintRecord]:
        """The records, once all of so many messages are done and heard or failed."""
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await self.rows()
                if len(rows) >= count and all(row.state == "done" for row in rows):
                    break
                await asyncio.sleep(0.1)
        assert len(rows) == count
        return [
            await self.gateway.store.record((await self.gateway.store.conversation(row.conversation)).number)
            for row in rows
        ]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    folder = tmp_path / "monitor"
    folder.mkdir()
    exchange = Exchange()
    async with exchange.server:
        file = tmp_path / "allears.toml"
        file.write_text(
            f"""
secret = "0123456789012345678901234567890123456789"
public_url = "https://intake.example"
[egress]
allow = ["127.0.0.0/8"]
[channels.phone.folder]
folder = "{folder}"
settle_seconds = 0.2
[channels.phone.twilio]
twilio_account = "AC1"
twilio_token = "{TWILIO}"
twilio_url = "{exchange.server.make_url("/")}"
[channels.phone.hooks]
webhook_secrets = ["{SECRET}"]
[channels.phone.uploads]
tokens = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]
"""
        )
        loaded = config.load(file, env={})
        model_folder.use(loaded.path(loaded.config.speech.models), model_folder.TINY)
        app = application(assemble(loaded))
        async with TestClient(TestServer(app)) as client:
            yield Office(client, app[GATEWAY], exchange, folder)


def check_call(record: ComplaintRecord) -> None:
    """The customer's words count, with their seconds; the agent's do not."""
    (order,) = record.what.order_numbers
    assert order.value == "7042"
    (evidence,) = order.evidence
    assert evidence.from_second is not None
    assert evidence.to_second is not None
    assert 2.5 < evidence.from_second < evidence.to_second < 6.0
    assert [d.value for d in record.what.demands] == ["refund"]
    assert record.what.kind is not None
    assert record.what.kind.value == "complaint"
    assert record.standing.status == "waiting_agent"
    assert record.standing.handoff_reason == "call"
    assert [f.heard for f in record.arrival.attachments] == ["heard"]
    assert record.arrival.origin == "phone"


async def test_a_call_in_the_folder(office: Office) -> None:
    (office.folder / ".tmp.flac").write_bytes(CALL)
    os.rename(office.folder / ".tmp.flac", office.folder / "1763777700.42-13800138000-1763777700.flac")
    (record,) = await office.heard()
    check_call(record)
    assert record.arrival.provider_at == datetime(2025, 11, 22, 2, 15, tzinfo=UTC)
    assert [found.value for found in record.who.phones]
    (row,) = await office.rows()
    (recording,) = await office.gateway.store.recordings(row.conversation)
    assert recording.transcript is not None
    assert [(s.speaker, s.text) for s in recording.transcript.segments] == [
        ("agent", "hello please help"),
        ("customer", "my order number is seven zero four two"),
        ("agent", "thank you"),
        ("customer", "my package was damaged i want a refund"),
    ]
    assert (office.folder / "done" / "1763777700.42-13800138000-1763777700.flac").read_bytes() == CALL
    assert await office.gateway.store.pending(row.conversation) == ()


async def test_a_twilio_callback_is_fetched_with_its_credentials_and_again(office: Office) -> None:
    form = {
        "AccountSid": "AC1",
        "CallSid": "CA1",
        "RecordingSid": "RE1",
        "RecordingUrl": str(office.exchange.server.make_url("/RE1")),
        "RecordingStatus": "completed",
    }
    url = "https://intake.example/in/phone/twilio"
    headers = {
        "X-Twilio-Signature": twilio.sign(TWILIO, url, list(form.items())),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    for _ in range(2):
        async with office.client.post("/in/phone/twilio", data=urlencode(form), headers=headers) as answer:
            assert answer.status == 204
    (record,) = await office.heard()
    check_call(record)
    assert office.exchange.asked == ["Basic " + base64.b64encode(b"AC1:12345").decode()] * 2


async def test_a_signed_webhook_with_the_file_inside(office: Office) -> None:
    data = {"call_id": "c1", "base64": base64.b64encode(CALL).decode(), "format": "flac", "caller": "+8613800138000"}
    body = msgspec.json.encode({"type": "recording.ready", "data": data})
    headers = webhooks.sign(SECRET, "evt-1", datetime.now(UTC), body)
    async with office.client.post("/in/phone/hooks", data=body, headers=headers) as answer:
        assert answer.status == 204
    (record,) = await office.heard()
    check_call(record)


async def test_a_link_into_our_own_network_is_not_followed(office: Office) -> None:
    data = {"call_id": "c1", "url": "http://169.254.169.254/latest/meta-data", "caller": "+8613800138000"}
    body = msgspec.json.encode({"type": "recording.ready", "data": data})
    headers = webhooks.sign(SECRET, "evt-1", datetime.now(UTC), body)
    async with office.client.post("/in/phone/hooks", data=body, headers=headers) as answer:
        assert answer.status == 204
    await office.heard()
    (row,) = await office.rows()
    (recording,) = await office.gateway.store.recordings(row.conversation)
    assert recording.state == "failed"
    assert "not allowed" in recording.error


async def test_an_upload_is_kept_and_heard_once(office: Office) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k1"}
    query = {"call_id": "u1", "caller": "+8613800138000", "started_at": "2026-11-20T10:00:00Z"}
    statuses = []
    for _ in range(2):
        async with office.client.post("/v1/recordings", params=query, data=CALL, headers=headers) as answer:
            statuses.append(answer.status)
            assert (await answer.json())["sha256"] == hashlib.sha256(CALL).hexdigest()
    assert statuses == [202, 200]
    (record,) = await office.heard()
    check_call(record)


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic " + TOKEN, TOKEN])
async def test_an_upload_without_a_token_stores_nothing(office: Office, token: str) -> None:
    async with office.client.post("/v1/recordings", data=CALL, headers={"Authorization": token}) as answer:
        assert answer.status == 401
    assert await office.rows() == []


async def test_an_empty_upload_is_refused(office: Office) -> None:
    async with office.client.post("/v1/recordings", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 400
    assert await office.rows() == []


async def test_many_files_at_once_with_garbage_among_them(office: Office) -> None:
    late = (SPEECH / "en_late.flac").read_bytes()
    for n in range(30):
        (office.folder / f"{n:03}.flac").write_bytes(late if n % 3 else b"fLaC" + os.urandom(200))
    records = await office.heard(30)
    states = [f.heard for record in records for f in record.arrival.attachments]
    assert (states.count("heard"), states.count("failed")) == (20, 10)
    assert all(record.standing.status == "waiting_agent" for record in records)
    async with office.client.get("/healthz") as answer:
        assert answer.status == 200


async def test_a_full_disk_leaves_the_recording_in_its_folder(office: Office) -> None:
    """Nothing is moved away before it is kept; when there is room again it is taken."""
    away = office.gateway.blobs.folder.parent / "blobs-away"
    office.gateway.blobs.folder.mkdir(exist_ok=True)
    os.rename(office.gateway.blobs.folder, away)
    office.gateway.blobs.folder.write_text("a file where a folder should be: every write fails")
    (office.folder / "a.flac").write_bytes(CALL)
    await asyncio.sleep(1.5)
    assert await office.rows() == []
    assert (office.folder / "a.flac").exists()
    office.gateway.blobs.folder.unlink()
    os.rename(away, office.gateway.blobs.folder)
    (record,) = await office.heard()
    check_call(record)


async def _serving(file: Path) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(file))
    root = Path(__file__).parents[2]
    null = asyncio.subprocess.DEVNULL
    env = {name: value for name, value in os.environ.items() if not name.startswith(config.ENV_PREFIX)}
    return await asyncio.create_subprocess_exec(*command, cwd=root, env=env, stdout=null, stderr=null)


def _counts(database: Path) -> dict[str, int]:
    """What the file of a running server holds."""
    if not database.exists():
        return {"done": 0, "rows": 0, "heard": 0}
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as file:
        try:
            done, rows = file.execute("SELECT sum(state = 'done'), count(*) FROM inbox").fetchone()
            (heard,) = file.execute("SELECT count(*) FROM recording WHERE state = 'heard'").fetchone()
        except sqlite3.OperationalError:  # it is being made
            return {"done": 0, "rows": 0, "heard": 0}
    return {"done": done or 0, "rows": rows, "heard": heard}


async def test_a_killed_server_loses_and_doubles_no_call(tmp_path: Path) -> None:
    """kill -9 of the real server, three times, while a folder of recordings is taken in and heard."""
    count = int(os.environ.get("ALLEARS_TEST_CALLS", "12"))
    monitor, file, database = tmp_path / "monitor", tmp_path / "allears.toml", tmp_path / "data" / "allears.db"
    monitor.mkdir()
    file.write_text(
        f"""
secret = "0123456789012345678901234567890123456789"
listen = "127.0.0.1:0"
[channels.phone.main]
folder = "{monitor}"
settle_seconds = 0
"""
    )
    model_folder.use(tmp_path / "models", model_folder.TINY)
    late = (SPEECH / "en_late.flac").read_bytes()
    for n in range(count):  # each a file of its own: the same bytes would be heard once
        (monitor / f"{n:04}.flac").write_bytes(late + bytes([n % 256, n // 256]))
    for goal in (count // 4, count // 2, 3 * count // 4, count):
        process = await _serving(file)
        async with asyncio.timeout(PATIENCE * max(1, count / 12)):
            while (now := _counts(database))["done"] < goal or (goal == count and now["heard"] < count):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        process.kill()
        await process.wait()
    now = _counts(database)
    assert now == {"done": count, "rows": count, "heard": count}
    with contextlib.closing(sqlite3.connect(database)) as opened:
        (records,) = opened.execute("SELECT count(*) FROM record").fetchone()
    assert records == count
    assert len(list((monitor / "done").iterdir())) == count
