"""A wake whose signals to pages get lost on the way, as they may between two nodes."""

from __future__ import annotations

from gateway.wake import WORK, Hint, LocalWake, Wake


class LosingWake(LocalWake):
    """Workers hear the signals of ``behind``; who shows something hears none."""

    def __init__(self, behind: Wake) -> None:
        super().__init__(poll=0.2)
        self._behind = behind

    def signal(self, topic: str, hint: Hint | None = None) -> None:
        if topic in WORK:
            self._behind.signal(topic, hint)
