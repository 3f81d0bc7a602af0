"""A bar that grows, on a terminal; silence anywhere else."""

from __future__ import annotations

import sys

WIDTH = 30


class Bar:
    """``with Bar("name") as bar: bar.show(3, 10, "3 of 10")``. A ``total`` of 0 shows the text alone."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, done: float, total: float, text: str) -> None:
        """Draw it anew."""
        if not sys.stderr.isatty():
            return
        filled = round(WIDTH * min(1.0, done / total)) if total else 0
        bar = f"[{'=' * filled}{' ' * (WIDTH - filled)}] " if total else ""
        print(f"\r\x1b[K{self._title} {bar}{text}", end="", file=sys.stderr, flush=True)
        self._shown = True
