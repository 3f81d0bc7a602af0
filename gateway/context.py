"""The parts of a running gateway, handed to whoever needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from channels.base import Channel
from gateway.keys import Keys
from gateway.pace import Pace
from gateway.store.base import Store
from gateway.tracing import NoTracing, Tracing
from gateway.wake import Wake

if TYPE_CHECKING:
    from bot.knowledge import Knowledge
    from gateway.blobs import Blobs
    from gateway.config import Config
    from gateway.egress import Egress
    from gateway.metrics import Metrics
    from gateway.sinks.base import Sink
    from gateway.systems import System
    from normalizer.rules import Rules
    from transcription.base import Transcript


def utc_now() -> datetime:
    """The clock of the house. Only ``gateway`` reads it."""
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Gateway:
    """Everything that runs, by name. ``knowledge`` and ``rules`` may be swapped while running (hot reload)."""

    config: Config
    store: Store
    wake: Wake
    blobs: Blobs
    egress: Egress
    keys: Keys
    metrics: Metrics
    pace: Pace
    channels: Mapping[tuple[str, str], Channel]
    """By (channel, account)."""
    sinks: Mapping[str, Sink]
    knowledge: Knowledge
    rules: Rules
    knowledge_folder: Path | None = None
    rules_folder: Path | None = None
    """Where the knowledge and the rules are the user's own; None: those that come along."""
    systems: Mapping[str, System] = field(default_factory=dict)
    """The company's own systems, where actions are carried out."""
    tracing: Tracing = field(default_factory=NoTracing)
    data: Path = Path("data")
    """This node's own folder, for what is not whole yet; where all is embedded, everything lies there."""
    shelf: Path = Path("models")
    """The folder of the speech models."""
    heard_live: dict[str, tuple[str, Transcript]] = field(default_factory=dict)
    """(conversation, transcript) of recordings, by digest, that were heard while they were spoken."""
    draining: bool = False
    """The node stops: whatever sends requests here should look for another."""
    clock: Callable[[], datetime] = field(default=utc_now)


#: Where HTTP handlers find it: ``request.app[GATEWAY]``.
GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
