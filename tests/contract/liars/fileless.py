"""Drops the text when there is a file, and the file too."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from channels.api import Api
from channels.base import Inbound, Promise, Request


class Fileless(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("attachments",)

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        return tuple(msgspec.structs.replace(m, attachments=()) for m in super().accept(request))


CHANNEL = Fileless
