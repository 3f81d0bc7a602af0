"""Reads the wrong words, by the wrong clock, and shows its secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from channels.api import Api
from channels.base import Inbound, Promise, Request


class Careless(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("parses", "order", "quiet")

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        return tuple(msgspec.structs.replace(m, text=m.text[::-1], at=start) for m in super().accept(request))

    def __repr__(self) -> str:
        return f"Careless({[str(secret) for secret in self._settings.webhook_secrets]})"


CHANNEL = Careless
