"""Falls over at bytes it did not expect, and passes over events it does not know."""

from __future__ import annotations

import json
from typing import ClassVar

from channels.api import Api
from channels.base import Inbound, Promise, Request


class Brittle(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("malformed", "unknown_event")

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        json.loads(request.body)
        return tuple(m for m in super().accept(request) if m.kind != "event")


CHANNEL = Brittle
