"""Takes its own mail for a customer's."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import ClassVar

import msgspec

from channels.base import Delivery, Promise, Tools
from channels.email import Email


class Parrot(Email):
    breaks: ClassVar[tuple[Promise, ...]] = ("no_echo",)

    async def deliveries(self, cursor: str | None, tools: Tools) -> AsyncGenerator[Delivery, None]:
        async for delivery in super().deliveries(cursor, tools):
            messages = tuple(msgspec.structs.replace(m, machine="") for m in delivery.messages)
            yield msgspec.structs.replace(delivery, messages=messages)


CHANNEL = Parrot
