"""Traces as OpenTelemetry's SDK sends them: OTLP over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanContext, TraceFlags

from gateway.config import TracingSettings
from gateway.tracing import Fact, ids

#: The ids of the span that is being made.
_NEXT: ContextVar[tuple[int, int] | None] = ContextVar("next", default=None)


class _Known(RandomIdGenerator):
    """Gives a message's first span the ids that everybody knows."""

    def generate_trace_id(self) -> int:
        return known[0] if (known := _NEXT.get()) else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return known[1] if (known := _NEXT.get()) else super().generate_span_id()


class OpenTelemetry:
    """Sends spans in batches, from a thread of its own; an endpoint that is away costs spans, never a message."""

    def __init__(self, settings: TracingSettings, node: str) -> None:
        headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        exporter = OTLPSpanExporter(endpoint=settings.endpoint, headers=headers, timeout=5)
        self._provider = TracerProvider(
            # Every node decides by the trace's id, and so all alike.
            sampler=TraceIdRatioBased(settings.sample),
            resource=Resource({"service.name": "allears", "service.instance.id": node}),
            id_generator=_Known(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("allears")

    def now(self) -> int:
        return time.time_ns()

    def record(
        self, name: str, cause: str, since: int, facts: Mapping[str, Fact], *, first: bool = False, error: str = ""
    ) -> None:
        trace_id, span_id = _told(cause)
        parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(1))
        around = Context() if first else trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())
        token = _NEXT.set((trace_id, span_id) if first else None)
        try:
            span = self._tracer.start_span(name, context=around, start_time=since, attributes=dict(facts))
        finally:
            _NEXT.reset(token)
        if error:
            span.set_status(trace.StatusCode.ERROR, error)
        span.end()

    def parent(self, cause: str) -> str:
        trace_id, span_id = ids(cause)
        return f"00-{trace_id:032x}-{span_id:016x}-01"

    def close(self) -> None:
        self._provider.shutdown()


def _told(cause: str) -> tuple[int, int]:
    if cause.startswith("00-") and len(cause) == 55:
        return int(cause[3:35], 16), int(cause[36:52], 16)
    return ids(cause)
