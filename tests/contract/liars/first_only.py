"""Reads the first message of a delivery and forgets the others."""

from __future__ import annotations

from typing import ClassVar

from channels.api import Api
from channels.base import Inbound, Promise, Request


class FirstOnly(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("whole_batch",)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        return super().accept(request)[:1]


CHANNEL = FirstOnly
