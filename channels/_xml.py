"""Platforms' XML as trees of names and texts, by a parser that takes no declarations.

Entities (billion laughs, external files) can only be declared in a DTD, so a document with one is refused
(https://docs.python.org/3/library/xml.html#xml-security).
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from channels.base import BadPayload

#: Deepest nesting; no platform sends more than about 5.
MAX_DEPTH = 16


def read_xml(body: bytes) -> dict[str, Any]:
    """The children of the root by name: a text, a tree, or a list where a name comes again.

    Raises:
        BadPayload: not XML, too deep, or with declarations.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refused
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as err:
        raise BadPayload(f"not XML: {type(err).__name__}") from None
    found = builder.done
    return found if isinstance(found, dict) else {}


def _refused(*_: object) -> None:
    raise BadPayload("a document type declaration")


class _Builder:
    def __init__(self) -> None:
        self._open: list[dict[str, Any]] = []
        self._texts: list[list[str]] = []
        self.done: Any = None

    def start(self, name: str, attributes: object) -> None:  # noqa: ARG002 - no platform of ours uses them
        if len(self._open) >= MAX_DEPTH:
            raise BadPayload(f"nested deeper than {MAX_DEPTH}")
        self._open.append({})
        self._texts.append([])

    def text(self, data: str) -> None:
        self._texts[-1].append(data)

    def end(self, name: str) -> None:
        tree, text = self._open.pop(), "".join(self._texts.pop())
        value: Any = tree or text
        if not self._open:
            self.done = tree
            return
        above = self._open[-1]
        if name not in above:
            above[name] = value
        elif isinstance(above[name], list):
            above[name].append(value)
        else:
            above[name] = [above[name], value]
