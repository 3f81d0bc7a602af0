"""Reads an edit as another message, and a deletion as nothing."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from channels.api import Api
from channels.base import Inbound, Promise, Request


class Overwriter(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("edits",)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        messages = super().accept(request)
        return tuple(msgspec.structs.replace(m, kind="message", refers_to="") for m in messages if m.kind != "delete")


CHANNEL = Overwriter
