"""An access token that is asked for once and used until shortly before it ends."""

from __future__ import annotations

import asyncio

from channels.base import AskToken, Tools

#: A token is asked for again so many seconds before it ends; one that is good for less is used for a while all the same.
EARLY, SHORTEST = 300.0, 30.0


def lasts(seconds: float) -> float:
    """How long a token is used that is good for so many seconds."""
    return max(seconds - EARLY, SHORTEST)


class OwnToken:
    """:class:`channels.base.Token` of one process."""

    def __init__(self) -> None:
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()

    async def get(self, ask: AskToken, tools: Tools, *, refused: str = "") -> str:
        async with self._lock:
            now = tools.now().timestamp()
            if not self._token or self._token == refused or now >= self._until:
                self._token, seconds = await ask(tools)
                self._until = now + lasts(seconds)
            return self._token
