"""What watches us is told the truth: which part is sick, and the figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.knowledge import Knowledge
from channels.base import Inbound, Secret, Sender
from gateway.blobs import Blobs
from gateway.config import Config
from gateway.context import GATEWAY, Gateway, utc_now
from gateway.egress import Egress
from gateway.keys import Keys
from gateway.library import read_knowledge, read_rules
from gateway.metrics import Metrics
from gateway.pace import Limits, LocalPace
from gateway.store.sqlite import SqliteStore
from gateway.wake import LocalWake
from gateway.web import health, problems
from normalizer.rules import Rules

Client = TestClient[web.Request, web.Application]


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return read_knowledge(None)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return read_rules(None)


@pytest.fixture
async def gateway(tmp_path: Path, knowledge: Knowledge, rules: Rules, clock: Clock) -> AsyncIterator[Gateway]:
    it = Gateway(
        config=Config(secret="x" * 32),
        store=SqliteStore(tmp_path / "allears.db"),
        wake=LocalWake(),
        blobs=Blobs(tmp_path / "blobs"),
        egress=Egress(),
        keys=Keys(Secret("x" * 32)),
        metrics=Metrics(clock),
        pace=LocalPace(Limits({}), monotonic),
        channels={},
        sinks={},
        knowledge=knowledge,
        rules=rules,
    )
    await it.store.open()
    yield it
    await it.store.close()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    app = web.Application()
    app[GATEWAY] = gateway
    problems.install(app)
    app.add_routes(health.routes())
    async with TestClient(TestServer(app)) as it:
        yield it


async def test_well(client: Client, gateway: Gateway) -> None:
    gateway.metrics.beat("flow")
    assert await (await client.get("/healthz")).json() == {"status": "ok"}
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (200, {"status": "ready", "stopped": {}})


async def test_a_worker_without_a_sign_of_life(client: Client, gateway: Gateway, clock: Clock) -> None:
    gateway.metrics.beat("flow")
    gateway.metrics.beat("sweep", silence=1000)
    clock.now = 100
    answer = await client.get("/readyz", headers={"Accept": "text/html"})
    body = await answer.json(content_type=None)
    assert (answer.status, answer.content_type) == (503, "application/problem+json")
    assert body["parts"] == {"worker:flow": "no sign of life for 100 s"}
    assert "worker:flow" in body["detail"]
    gateway.metrics.beat("flow")
    assert (await client.get("/readyz")).status == 200


async def test_a_worker_that_was_told_to_stop_is_not_sick(client: Client, gateway: Gateway, clock: Clock) -> None:
    gateway.metrics.beat("flow")
    gateway.metrics.ended("flow")
    clock.now = 100
    assert (await client.get("/readyz")).status == 200


async def test_a_stopped_part_is_named_and_does_not_silence_the_others(client: Client, gateway: Gateway) -> None:
    gateway.metrics.stopped("sink:crm", "HTTP 410")
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (
        200,
        {"status": "degraded", "stopped": {"sink:crm": "stopped: HTTP 410"}},
    )
    assert b'allears_stopped{part="sink:crm"} 1.0' in gateway.metrics.exposition()
    gateway.metrics.running("sink:crm")
    assert (await (await client.get("/readyz")).json())["status"] == "ready"
    assert b'allears_stopped{part="sink:crm"} 0.0' in gateway.metrics.exposition()


async def test_a_store_that_is_away(client: Client, gateway: Gateway) -> None:
    await gateway.store.close()
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert "store" in (await answer.json(content_type=None))["parts"]
    assert (await client.get("/healthz")).status == 200
    assert "allears_store_up 0.0" in await (await client.get("/metrics")).text()


async def test_a_full_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MIN_FREE", 2**60)
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert list((await answer.json(content_type=None))["parts"]) == ["disk"]


async def test_the_figures(client: Client, gateway: Gateway) -> None:
    message = Inbound(
        channel="webchat", account="main", external_id="m", thread="t", sender=Sender(id="secret-name"), at=utc_now()
    )
    await gateway.store.append([message], received_at=utc_now())
    metrics = gateway.metrics
    metrics.accepted.labels("webchat").inc()
    metrics.sends.labels("sink:crm", "sent").inc(2)
    metrics.handed_off.labels("anger").inc()
    metrics.ingest_lag.labels("webchat").observe(0.3)
    metrics.reply_latency.observe(0.02)
    answer = await client.get("/metrics")
    text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    for line in (
        'allears_messages_accepted_total{channel="webchat"} 1.0',
        'allears_sends_total{destination="sink:crm",state="sent"} 2.0',
        'allears_bot_handed_off_total{reason="anger"} 1.0',
        'allears_ingest_lag_seconds_bucket{channel="webchat",le="0.5"} 1.0',
        "allears_reply_latency_seconds_count 1.0",
        "allears_inbox_open 1.0",
        "allears_outbox_waiting 0.0",
        "allears_store_up 1.0",
    ):
        assert line in text.splitlines()
    assert "secret-name" not in text


def test_two_gateways_do_not_share_figures() -> None:
    one, two = Metrics(), Metrics()
    one.bot_answered.inc()
    assert b"allears_bot_answered_total 1.0" in one.exposition()
    assert b"allears_bot_answered_total 0.0" in two.exposition()
