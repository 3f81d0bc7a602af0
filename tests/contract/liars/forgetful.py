"""Invents a new id for every delivery, so one complaint counts many times, also after a restart."""

from __future__ import annotations

import itertools
from typing import ClassVar

import msgspec

from channels.api import Api
from channels.base import Inbound, Promise, Request

_COUNT = itertools.count()


class Forgetful(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("dedupe", "restart")

    def accept(self, request: Request) -> tuple[Inbound, ...]:
        return tuple(msgspec.structs.replace(m, external_id=f"id-{next(_COUNT)}") for m in super().accept(request))


CHANNEL = Forgetful
