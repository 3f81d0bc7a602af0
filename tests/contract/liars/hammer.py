"""Calls every failure temporary, loses the thread, cuts long texts and forgets the buttons; its check finds all well."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from channels.api import Api
from channels.base import ChannelError, Finding, Outbound, Promise, Receipt, Retry, Tools


class Hammer(Api):
    breaks: ClassVar[tuple[Promise, ...]] = ("retry", "thread", "limits", "check", "send")

    async def send(self, out: Outbound, tools: Tools) -> Receipt:
        wrong = msgspec.structs.replace(out, thread="somewhere", reply_to="", text=out.text[:10], buttons=())
        try:
            return await super().send(wrong, tools)
        except ChannelError as err:
            raise Retry(str(err)) from err

    async def check(self, tools: Tools) -> tuple[Finding, ...]:
        return (Finding(what="everything", ok=True),)


CHANNEL = Hammer
