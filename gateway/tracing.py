"""The way of a message as OpenTelemetry traces, from the door to the ticket, over whatever nodes it went.

A trace's id and that of its first span derive from the message's key, so every node knows them without being told: nothing
is carried along, nothing is stored. Spans have ids and names of the configuration, never a customer's words or address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from channels.base import Inbound

if TYPE_CHECKING:
    from gateway.config import TracingSettings

Fact = str | int | bool


class Tracing(Protocol):
    """Spans of the messages' ways. Each is told when it is over."""

    def now(self) -> int:
        """When a span begins."""
        ...

    def record(
        self, name: str, cause: str, since: int, facts: Mapping[str, Fact], *, first: bool = False, error: str = ""
    ) -> None:
        """Something was done for the message with the key ``cause``; ``first``: it came in."""
        ...

    def parent(self, cause: str) -> str:
        """The W3C ``traceparent`` of a message, for a system that gets its ticket; empty where nobody traces."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class NoTracing:
    """Where no endpoint is named."""

    # ruff: noqa: ARG002 - nobody looks at what is done

    def now(self) -> int:
        return 0

    def record(
        self, name: str, cause: str, since: int, facts: Mapping[str, Fact], *, first: bool = False, error: str = ""
    ) -> None:
        return

    def parent(self, cause: str) -> str:
        return ""

    def close(self) -> None:
        return


def tracing(settings: TracingSettings, node: str) -> Tracing:
    """As configured. Raises :class:`ConfigError` when the extra is not installed."""
    from gateway.config import ConfigError  # the configuration knows the sinks, and they know traces

    if not settings.endpoint:
        return NoTracing()
    try:
        from gateway.opentelemetry import OpenTelemetry  # an extra, and half a second of imports
    except ImportError as err:
        raise ConfigError(
            "needs OpenTelemetry; `pip install 'allears[otel]'`, or leave the endpoint empty", key="tracing.endpoint"
        ) from err
    return OpenTelemetry(settings, node)


def ids(cause: str) -> tuple[int, int]:
    """Trace id and first span's id of a message; neither is zero."""
    digest = hashlib.sha256(b"allears trace " + cause.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1


def cause(message: Inbound) -> str:
    """The key of a message."""
    return f"{message.channel}/{message.account}/{message.external_id}"


_REPLY = re.compile(r"(/heard)?/reply\d+(\.\d+)?$")
_PARENT = re.compile(rb'"traceparent":"(00-[0-9a-f]{32}-[0-9a-f]{16}-01)"')


def parent_of(event: bytes) -> str:
    """The ``traceparent`` in an event's JSON; empty where there is none."""
    told = _PARENT.search(event)
    return told[1].decode() if told else ""


def cause_of(key: str, body: bytes) -> str:
    """What an outbox row follows from: its event's ``traceparent``, or the key of the message; else the row's own key."""
    return parent_of(body) or _REPLY.sub("", key)
