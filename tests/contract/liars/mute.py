"""Leaves the set-up request to the messages' door."""

from __future__ import annotations

from typing import ClassVar

from channels.base import Answer, Promise, Request
from channels.webchat import Webchat


class Mute(Webchat):
    breaks: ClassVar[tuple[Promise, ...]] = ("handshake",)

    def handshake(self, request: Request) -> Answer | None:
        return None


CHANNEL = Mute
