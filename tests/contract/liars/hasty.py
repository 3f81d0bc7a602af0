"""Answers before anything is written."""

from __future__ import annotations

from typing import ClassVar

from channels.api import Api
from channels.base import Answer, Promise, Request


class Hasty(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("ack_after_durable",)

    def handshake(self, request: Request) -> Answer | None:
        return Answer(status=200)


CHANNEL = Hasty
