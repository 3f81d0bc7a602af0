"""Status callbacks of ticket systems: signed, once, in order of their versions, and the customer is told."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.knowledge import Knowledge
from channels import _standard_webhooks as webhooks
from channels.base import Inbound, Outbound, Secret, Sender
from gateway.blobs import Blobs
from gateway.config import Config
from gateway.context import GATEWAY, Gateway
from gateway.egress import Egress
from gateway.keys import Keys
from gateway.library import read_knowledge, read_rules
from gateway.metrics import Metrics
from gateway.pace import Limits, LocalPace
from gateway.sinks.jsonl import JsonlSettings, JsonlSink
from gateway.sinks.webhook import WebhookSettings, WebhookSink
from gateway.store.base import Outcome, Send
from gateway.store.sqlite import SqliteStore
from gateway.wake import LocalWake
from gateway.web import callbacks, problems
from normalizer.record import Arrival, ComplaintRecord, Evidence, Found, Standing
from normalizer.rules import Rules

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
SECRET = Secret("whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
OTHER = Secret("whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode())

Client = TestClient[web.Request, web.Application]


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return read_knowledge(None)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return read_rules(None)


@pytest.fixture
async def gateway(tmp_path: Path, knowledge: Knowledge, rules: Rules) -> AsyncIterator[Gateway]:
    crm = WebhookSink("crm", WebhookSettings(url="http://crm.example/", secret=SECRET))
    it = Gateway(
        config=Config(secret="x" * 32),
        store=SqliteStore(tmp_path / "allears.db"),
        wake=LocalWake(),
        blobs=Blobs(tmp_path / "blobs"),
        egress=Egress(),
        keys=Keys(Secret("x" * 32)),
        metrics=Metrics(),
        pace=LocalPace(Limits({}), monotonic),
        channels={},
        sinks={"crm": crm, "file": JsonlSink("file", JsonlSettings())},
        knowledge=knowledge,
        rules=rules,
        clock=lambda: AT,
    )
    await it.store.open()
    yield it
    await it.egress.close()
    await it.store.close()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    app = web.Application()
    app[GATEWAY] = gateway
    problems.install(app)
    app.add_routes(callbacks.routes())
    async with TestClient(TestServer(app)) as it:
        yield it


async def complaint(gateway: Gateway, language: str = "en", status: Any = "waiting_agent") -> ComplaintRecord:
    """A complaint that the flow has opened, with its number A-1."""
    message = Inbound(channel="webchat", account="main", external_id="m1", thread="t1", sender=Sender(id="u"), at=AT)
    (accepted,) = await gateway.store.append([message], received_at=AT)
    found = Found[str](value=language, evidence=(Evidence(message="m1", rule="test"),))
    arrival = Arrival(
        channel="webchat",
        account="main",
        conversation=accepted.conversation,
        thread="t1",
        language=found,
        provider_at=AT,
        received_at=AT,
        processed_at=AT,
    )
    record = ComplaintRecord(
        number="A-1",
        revision=1,
        arrival=arrival,
        standing=Standing(status=status, owner=""),
        opened_at=AT,
        updated_at=AT,
    )
    batch = await gateway.store.claim_work(1)
    (work,) = batch.work
    outcome = Outcome(
        conversation=work.conversation.id,
        fence=work.conversation.fence,
        done=tuple(item.inbox_id for item in work.items),
        state=b"{}",
        record=record,
        owner="",
        status=status,
    )
    assert list(await batch.settle([outcome])) == [None]
    await batch.release()
    return record


async def call(
    client: Client, status: str, version: int = 1, *, id: str = "", secret: Secret = SECRET, **data: Any
) -> tuple[int, Any]:
    told = {"complaint_id": "A-1", "external_id": "T-7", "status": status, "version": version} | data
    body = json.dumps({"type": "ticket.updated", "data": told}).encode()
    return await post(client, body, webhooks.sign(secret, id or f"msg_{version}", AT, body))


async def post(client: Client, body: bytes, headers: dict[str, str], name: str = "crm") -> tuple[int, Any]:
    async with client.post(f"/sinks/{name}/callback", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def sends(gateway: Gateway) -> list[Send]:
    return sorted((await gateway.store.outbox()).items, key=lambda send: send.id)


async def told(gateway: Gateway) -> list[str]:
    rows = [send for send in await sends(gateway) if send.kind == "status"]
    return [msgspec.json.decode(row.body, type=Outbound).text for row in rows]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Your case A-1 has been resolved. If it has not, just answer here."),
        ("zh-Hans", "您的投诉 A-1 已处理完毕。如果问题仍未解决，请直接在此回复。"),
        ("zh-Hant", "您的投訴 A-1 已處理完畢。如果問題仍未解決，請直接在此回覆。"),
        ("zh", "您的投诉 A-1 已处理完毕。如果问题仍未解决，请直接在此回复。"),
        ("de", "Your case A-1 has been resolved. If it has not, just answer here."),
    ],
)
async def test_a_solved_ticket_resolves_the_complaint(
    language: str, text: str, gateway: Gateway, client: Client
) -> None:
    before = await complaint(gateway, language)
    assert await call(client, "solved", comment="Refund sent") == (200, {"result": "applied"})
    record = await gateway.store.record("A-1")
    assert (record.revision, record.standing.status, record.standing.ticket) == (2, "resolved", "T-7")
    assert await told(gateway) == [text]
    assert [send.destination for send in await sends(gateway)] == ["channel:webchat/main", "sink:file"]
    lines = await gateway.store.timeline(before.arrival.conversation)
    assert [(line.kind, line.notice, line.text, line.visible) for line in lines[1:]] == [
        ("notice", "closed", "", True),
        ("note", "", "Refund sent", False),
    ]
    assert (await gateway.store.conversation(before.arrival.conversation)).status == "resolved"


async def test_repeats_and_older_versions_change_nothing(gateway: Gateway, client: Client) -> None:
    await complaint(gateway)
    assert await call(client, "solved", 5) == (200, {"result": "applied"})
    assert await call(client, "solved", 5) == (200, {"result": "duplicate"})
    assert await call(client, "open", 5, id="msg_other") == (200, {"result": "outdated"})
    assert await call(client, "open", 4) == (200, {"result": "outdated"})
    assert (await gateway.store.record("A-1")).revision == 2
    assert len(await told(gateway)) == 1


async def test_the_same_callback_many_times_at_once(gateway: Gateway, client: Client) -> None:
    await complaint(gateway)
    answers = await asyncio.gather(*(call(client, "solved", 1) for _ in range(8)))
    assert sorted(body["result"] for _, body in answers) == ["applied"] + ["duplicate"] * 7
    assert len(await told(gateway)) == 1


async def test_a_version_without_a_change_is_remembered_silently(gateway: Gateway, client: Client) -> None:
    await complaint(gateway)
    await call(client, "open", 2)
    assert await told(gateway) == []
    assert await call(client, "solved", 1) == (200, {"result": "outdated"})


async def test_reopened_goes_back_to_people(gateway: Gateway, client: Client) -> None:
    record = await complaint(gateway)
    await call(client, "closed", 1)
    await call(client, "open", 2)
    assert (await gateway.store.record("A-1")).standing.status == "waiting_agent"
    assert [text.split("A-1 ")[1][:12] for text in await told(gateway)] == ["is closed. I", "has been reo"]
    lines = await gateway.store.timeline(record.arrival.conversation, visible_only=True)
    assert [line.notice for line in lines if line.notice] == ["closed", "reopened"]


async def test_an_unknown_word_is_kept_and_shown(gateway: Gateway, client: Client) -> None:
    record = await complaint(gateway)
    assert await call(client, "tier-3 <b>review</b>") == (200, {"result": "kept"})
    assert (await gateway.store.record("A-1")).standing.status == "waiting_agent"
    assert await told(gateway) == []
    note = (await gateway.store.timeline(record.arrival.conversation))[-1]
    assert (note.kind, note.visible, "tier-3 <b>review</b>" in note.text) == ("note", False, True)
    (line,) = [line for line in await gateway.store.journal("A-1") if line.what == "ticket_updated"]
    assert line.body["remote_status"] == "tier-3 <b>review</b>"


async def test_who_did_not_sign_changes_nothing(gateway: Gateway, client: Client) -> None:
    await complaint(gateway)
    status, body = await call(client, "solved", secret=OTHER)
    assert (status, body["status"]) == (401, 401)
    assert (await post(client, b"{}", {}))[0] == 401
    stale = webhooks.sign(SECRET, "msg_1", AT - timedelta(minutes=10), b"{}")
    assert (await post(client, b"{}", stale))[0] == 401
    assert (await gateway.store.record("A-1")).revision == 1
    assert (await gateway.store.quarantined()).items == ()
    assert b'signatures_refused_total{channel="sink:crm"} 3.0' in gateway.metrics.exposition()


async def test_signed_rubbish_is_kept(gateway: Gateway, client: Client) -> None:
    body = b'{"type": "ticket.updated", "data": 1}'
    assert (await post(client, body, webhooks.sign(SECRET, "msg_1", AT, body)))[0] == 202
    (kept,) = (await gateway.store.quarantined()).items
    assert (kept.channel, kept.account, kept.raw) == ("sink", "crm", body)


async def test_nobodys_doors(gateway: Gateway, client: Client) -> None:
    await complaint(gateway)
    assert (await post(client, b"", {}, "nobody"))[0] == 404
    assert (await post(client, b"", {}, "file"))[0] == 404  # a sink that does not call back
    assert (await call(client, "solved", complaint_id="A-2"))[0] == 404
    large = b" " * 100_000
    assert (await post(client, large, webhooks.sign(SECRET, "msg_1", AT, large)))[0] == 413
    other = b'{"type": "ticket.viewed"}'
    assert await post(client, other, webhooks.sign(SECRET, "m", AT, other)) == (200, {"result": "ignored"})


async def test_a_store_that_is_away_means_come_again(gateway: Gateway, client: Client) -> None:
    await complaint(gateway)
    await gateway.store.close()
    status, _ = await call(client, "solved")
    assert status == 503
    await gateway.store.open()
    assert await call(client, "solved") == (200, {"result": "applied"})
