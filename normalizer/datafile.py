"""YAML data files read into plain values that still know the file and line they stand on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RulesError(ValueError):
    """A data file says something that cannot be used; the message names file and line."""


class Place:
    """A node of a data file."""

    __slots__ = ("file", "node")

    def __init__(self, file: str, node: yaml.Node) -> None:
        self.file, self.node = file, node

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return int(self.node.start_mark.line) + 1

    def error(self, why: str) -> RulesError:
        """An error that points here."""
        return RulesError(f"{self.file}:{self.line}: {why}")

    def items(self) -> Iterator[tuple[str, Place]]:
        """The entries of a mapping. Raises :class:`RulesError` when it is none, or a key stands twice."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("expected `name: …` entries")
        seen = set()
        for key, value in self.node.value:
            name = str(key.value)
            if name in seen:
                raise Place(self.file, key).error(f"`{name}` stands here for the second time")
            seen.add(name)
            yield name, Place(self.file, value)

    def mapping(self, *known: str) -> dict[str, Place]:
        """A mapping as a dict; with ``known``, other keys are errors."""
        found = dict(self.items())
        for name, place in found.items():
            if known and name not in known:
                raise place.error(f"`{name}` is not known here; use one of: {', '.join(known)}")
        return found

    def sequence(self) -> list[Place]:
        """The elements of a list; a single value is a list of one."""
        if isinstance(self.node, yaml.SequenceNode):
            return [Place(self.file, child) for child in self.node.value]
        return [self]

    def text(self) -> str:
        """A single value as written. Raises :class:`RulesError` for a list, a mapping or nothing."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.error("expected one word or number")
        return str(self.node.value).strip()

    def texts(self) -> list[str]:
        """A list of words."""
        return [place.text() for place in self.sequence()]

    def number(self) -> float:
        """A number. Raises :class:`RulesError`."""
        try:
            return float(self.text())
        except ValueError:
            raise self.error("expected a number") from None


def read(file: str, text: str) -> Place:
    """Parse one data file. Raises :class:`RulesError`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        raise RulesError(f"{file}:{line}: {err.problem}") from None
    except yaml.YAMLError as err:
        raise RulesError(f"{file}:1: {err}") from None
    if node is None:
        raise RulesError(f"{file}:1: the file is empty")
    return Place(file, node)
