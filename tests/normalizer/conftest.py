"""The packaged rules and a short way to say a message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels.base import Inbound, Sender
from normalizer.normalize import normalize
from normalizer.record import ComplaintRecord
from normalizer.rules import Rules, compile_rules

DATA = Path(__file__).resolve().parents[2] / "normalizer" / "data"

#: A Sunday, four in the afternoon in Shanghai.
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

Say = Callable[..., ComplaintRecord]


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    """The packaged data files."""
    return {path.name: path.read_text(encoding="utf-8") for path in DATA.glob("*.yaml")}


@pytest.fixture(scope="session")
def rules(files: dict[str, str]) -> Rules:
    """The packaged rules."""
    return compile_rules(files)


@pytest.fixture
def message() -> Callable[..., Inbound]:
    """An inbound message with some fields set."""

    def build(text: str = "", **fields: Any) -> Inbound:
        told: dict[str, Any] = {
            "channel": "webchat",
            "account": "main",
            "external_id": "m1",
            "thread": "t1",
            "sender": Sender(id="u1"),
            "at": AT,
            "text": text,
        }
        return Inbound(**(told | fields))

    return build


@pytest.fixture
def say(rules: Rules, message: Callable[..., Inbound]) -> Say:
    """Normalize a text; ``so_far``, ``key``, ``country``, ``timezone``, ``transcript`` go to normalize, the rest to the message."""

    def build(
        text: str = "", *, key: str = "k1", so_far: ComplaintRecord | None = None, **fields: Any
    ) -> ComplaintRecord:
        ours: dict[str, Any] = {
            name: fields.pop(name) for name in ("country", "timezone", "transcript", "replaces") if name in fields
        }
        return normalize(
            message(text, **fields),
            key=key,
            rules=rules,
            received_at=AT,
            processed_at=AT,
            conversation="c1",
            so_far=so_far,
            **({"timezone": "Asia/Shanghai"} | ours),
        )

    return build
