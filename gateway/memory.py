"""What the gateway remembers for a channel: :class:`channels.base.Memory` on the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from channels.base import Memo, Retry
from gateway.store.base import Store, StoreUnavailable

#: Keys asked for at once.
CHUNK = 500


class StoreMemory:
    """One channel's memory."""

    def __init__(self, store: Store, channel: str) -> None:
        self._store, self._channel = store, channel

    async def recall(self, keys: Iterable[str]) -> Mapping[str, str]:
        """The values that are known. Raises :class:`Retry` while the store is away."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, str] = {}
        try:
            for start in range(0, len(wanted), CHUNK):
                found.update(await self._store.recall(self._channel, wanted[start : start + CHUNK]))
        except StoreUnavailable as err:
            raise Retry("the store is not available") from err
        return found

    async def remember(self, memos: Sequence[Memo]) -> None:
        """Keep facts; durable when this returns. Raises :class:`Retry` while the store is away."""
        try:
            await self._store.remember(self._channel, memos)
        except StoreUnavailable as err:
            raise Retry("the store is not available") from err
