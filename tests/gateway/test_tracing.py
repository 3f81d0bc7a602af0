"""Traces from the door to the ticket, as a collector gets them: a real OTLP receiver on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.config import TracingSettings
from gateway.tracing import NoTracing, cause_of, ids, parent_of, tracing
from tests.gateway.conftest import Town

COMPLAINT = "我的快递收到就是坏的，订单号 20261120001234，我要求退款！"


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.url = ""
        self.tokens: set[str] = set()

    async def take(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        told = ExportTraceServiceRequest.FromString(await request.read())
        self.spans += [span for r in told.resource_spans for scope in r.scope_spans for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    yield made
    await runner.cleanup()


async def test_one_trace_from_the_door_to_the_ticket(town: Town, collector: Collector) -> None:
    settings = TracingSettings(endpoint=collector.url)
    town.gateway.tracing = tracing(settings, "node-1")
    conversation = await town.write(COMPLAINT, id="m")
    await asyncio.to_thread(town.gateway.tracing.close)
    spans = {span.name: span for span in collector.spans}
    assert set(spans) == {"accept api", "decide", "send channel:api/main", "send sink:file"}
    trace, first = ids("api/main/m")
    assert {int.from_bytes(span.trace_id) for span in collector.spans} == {trace}
    assert int.from_bytes(spans["accept api"].span_id) == first
    assert not spans["accept api"].parent_span_id
    others = [span for span in collector.spans if span.name != "accept api"]
    assert {int.from_bytes(span.parent_span_id) for span in others} == {first}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in collector.spans)
    told = {a.key: a.value.string_value for a in spans["decide"].attributes}
    assert told["conversation"] == conversation
    assert told["number"] == (await town.gateway.store.conversation(conversation)).number
    assert "20261120001234" not in str(collector.spans)
    assert f"00-{trace:032x}-{first:016x}-01" in (
        town.events()[0] if isinstance(town.events()[0], str) else str(town.events()[0])
    )


async def test_two_nodes_agree_without_a_word(collector: Collector) -> None:
    """What one node accepted another one sends: both know the trace by the message's key."""
    one, other = (tracing(TracingSettings(endpoint=collector.url), name) for name in ("a", "b"))
    one.record("accept api", "api/main/7", one.now(), {}, first=True)
    other.record("send channel:api/main", cause_of("api/main/7/heard/reply1.2", b"{}"), other.now(), {}, error="Retry")
    for each in (one, other):
        await asyncio.to_thread(each.close)
    accepted, sent = sorted(collector.spans, key=lambda span: span.name)
    assert sent.parent_span_id == accepted.span_id
    assert sent.trace_id == accepted.trace_id
    assert sent.status.message == "Retry"


async def test_a_share_of_the_messages_is_traced_by_all_nodes_alike(collector: Collector) -> None:
    nodes = [tracing(TracingSettings(endpoint=collector.url, sample=0.3), name) for name in ("a", "b")]
    for n in range(200):
        nodes[0].record("accept", f"api/main/{n}", nodes[0].now(), {}, first=True)
        nodes[1].record("decide", f"api/main/{n}", nodes[1].now(), {})
    for node in nodes:
        await asyncio.to_thread(node.close)
    by_name = {name: {s.trace_id for s in collector.spans if s.name == name} for name in ("accept", "decide")}
    assert by_name["accept"] == by_name["decide"]
    assert 30 < len(by_name["accept"]) < 90


async def test_a_collector_that_is_away_costs_no_message(town: Town) -> None:
    town.gateway.tracing = tracing(TracingSettings(endpoint="http://127.0.0.1:9/v1/traces"), "node-1")
    conversation = await town.write("How long does delivery take?")
    assert [line.kind for line in await town.lines(conversation)] == ["inbound", "outbound"]


def test_nobody_traces_without_an_endpoint(tmp_path: Path) -> None:
    made = tracing(TracingSettings(), "node-1")
    assert isinstance(made, NoTracing)
    assert made.parent("api/main/1") == ""


def test_an_events_parent_is_read_from_its_json() -> None:
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    assert parent_of(f'{{"id":"x","traceparent":"{parent}"}}'.encode()) == parent
    assert parent_of(b'{"id":"x"}') == ""
    assert cause_of("A-1:1:opened@erp", f'{{"traceparent":"{parent}"}}'.encode()) == parent
