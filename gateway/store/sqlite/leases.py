"""Leases where there is one process: it gets whatever it asks for, and keeps it until it gives it back."""

from __future__ import annotations

import itertools

from gateway.store.base import Stale


class Leases:
    """In memory: the database's lock sees to it that no earlier process can show one of its tokens."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._next = itertools.count(1)

    def take(self, name: str) -> int:
        if name not in self._tokens:
            self._tokens[name] = next(self._next)
        return self._tokens[name]

    def free(self, name: str) -> None:
        self._tokens.pop(name, None)

    def check(self, shown: tuple[str, int] | None) -> None:
        """Raises Stale for a lease that was given back."""
        if shown is not None and self._tokens.get(shown[0]) != shown[1]:
            raise Stale(f"`{shown[0]}` was given back")
