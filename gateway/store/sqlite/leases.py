"""Leases where there is one process: it gets whatever it asks for, and keeps it until it gives it back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from gateway.store.base import Held, Stale


class Leases:
    """In memory: the database's lock sees to it that no earlier process can show one of its tokens."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._jobs: set[str] = set()
        self._next = itertools.count(1)

    def take(self, name: str) -> int:
        if name not in self._tokens:
            self._tokens[name] = next(self._next)
        return self._tokens[name]

    def free(self, name: str) -> None:
        self._tokens.pop(name, None)

    def held(self, prefix: str) -> tuple[Held, ...]:
        return tuple(Held(name=name, node=0, mine=True) for name in self._tokens if name.startswith(prefix))

    def take_jobs(self, names: Sequence[str], most: int) -> tuple[str, ...]:
        free = tuple(name for name in dict.fromkeys(names) if name not in self._jobs)[:most]
        self._jobs.update(free)
        return free

    def free_jobs(self, names: Sequence[str]) -> None:
        self._jobs.difference_update(names)

    def check(self, shown: tuple[str, int] | None) -> None:
        """Raises Stale for a lease that was given back."""
        if shown is not None and self._tokens.get(shown[0]) != shown[1]:
            raise Stale(f"`{shown[0]}` was given back")
