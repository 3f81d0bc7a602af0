"""What a fake platform really did, noted beside it: in which order it told things, what was forged, what was strange."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from channels._platforms.base import Platform, Saying
from channels.base import Call

#: What every message of a customer carries: who they are and which of theirs it is.
MARK = re.compile(r"\(([a-z]+\d+-\d+)\)")
#: The gateway's answers that let nobody in; 0 and 503: it was not there.
REFUSED = frozenset({0, 401, 403, 503})


class Watch:
    """Stands between a running platform and the gateway. What it notes owes nothing to the gateway's own books."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.order: list[str] = []
        """Marks of what set out for the gateway, each once, in the order in which it did."""
        self.forged: Counter[int] = Counter()
        """What the gateway answered to forgeries."""
        self.strange: list[Any] = []
        self._is_asked = type(platform).deliver is not Platform.deliver
        self._forgeries: list[Call] = []
        self._forge, self._post, self._strange = platform.forged, platform.post, platform.strange
        self._until_taken = platform._until_taken
        for name, method in (
            ("forged", self._note_forgery),
            ("post", self._note_answer),
            ("strange", self._note_strange),
            ("_until_taken", self._note_departure),
        ):
            setattr(platform, name, method)

    def said(self, mark: str) -> None:
        """A customer has said it. Where the platform is asked, that is the order."""
        if self._is_asked:
            self.order.append(mark)

    def _note_forgery(self, call: Call) -> Call:
        forgery = self._forge(call)
        self._forgeries.append(forgery)
        return forgery

    async def _note_answer(self, call: Call) -> int:
        status = await self._post(call)
        if any(call is forgery for forgery in self._forgeries):
            self._forgeries.remove(call)
            self.forged[status] += 1
        return status

    def _note_strange(self, said: Saying) -> Any | None:
        event = self._strange(said)
        self.strange += [] if event is None else [event]
        return event

    async def _note_departure(self, event: Any) -> None:
        if not self._is_asked and not any(event is one for one in self.strange):
            self.order += [mark for mark in MARK.findall(repr(event)) if mark not in self.order]
        await self._until_taken(event)
