"""Whether a user's pattern can run away: a repeat inside a repeat is refused rather than timed out."""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Not all type checkers know these two modules.
codes: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

#: Repeats up to this many are counted as bounded.
_FEW = 64


def unsafe(pattern: str) -> str:
    """Why the pattern is refused, or nothing. Raises ``re.error`` when it is none."""
    return _look(parser.parse(pattern), inside=False)


def _look(nodes: Any, *, inside: bool) -> str:
    for operation, value in nodes:
        repeats = operation in (codes.MAX_REPEAT, codes.MIN_REPEAT)
        unbounded = repeats and value[1] > _FEW
        if unbounded and inside:
            return "a repeat stands inside a repeat"
        if operation is codes.GROUPREF:
            return "it refers back to a group"
        for child in _children(value):
            if why := _look(child, inside=inside or (repeats and value[1] > 1)):
                return why
    return ""


def _children(value: Any) -> list[Any]:
    if isinstance(value, parser.SubPattern):
        return [value]
    if isinstance(value, (tuple, list)):
        return [child for item in value for child in _children(item)]
    return []
