"""YAML with line numbers: every value knows where it stands, so that a problem can be shown to the author."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

_Loader: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Deeper files are refused: knowledge needs six levels.
MAX_DEPTH = 20


class Problem(NamedTuple):
    """One thing that is wrong with a knowledge file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass
class Problems:
    """Collects problems, so that an author sees all of them at once."""

    found: list[Problem] = field(default_factory=list)

    def add(self, node: Node, text: str) -> None:
        self.found.append(Problem(node.file, node.line, text))


class Raw:
    """A value as it stands in a file. PyYAML's own nodes carry two positions each and take ten times the memory."""

    __slots__ = ("line", "quoted", "value")

    def __init__(self, value: str | list[Raw] | list[tuple[Raw, Raw]], line: int, quoted: bool = False) -> None:
        self.value = value
        self.line = line
        self.quoted = quoted


class _Map(Raw):
    __slots__ = ()
    value: list[tuple[Raw, Raw]]


class _List(Raw):
    __slots__ = ()
    value: list[Raw]


class _Scalar(Raw):
    __slots__ = ()
    value: str


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file. Reading a wrong type adds a problem and gives the empty value of the right one."""

    file: str
    line: int
    raw: Raw | None
    problems: Problems

    def _child(self, raw: Raw | None) -> Node:
        return Node(self.file, raw.line if raw else self.line, raw, self.problems)

    @property
    def missing(self) -> bool:
        return self.raw is None

    @property
    def is_list(self) -> bool:
        return isinstance(self.raw, _List)

    @property
    def is_map(self) -> bool:
        return isinstance(self.raw, _Map)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Key and value of a mapping; a key that stands twice is a problem."""
        if self.raw is None:
            return
        if not isinstance(self.raw, _Map):
            self.problems.add(self, "a table of `key: value` lines is wanted here")
            return
        seen: set[str] = set()
        for key, value in self.raw.value:
            name = key.value if isinstance(key, _Scalar) else ""
            if not name or name in seen:
                self.problems.add(
                    self._child(key), f"the key `{name}` stands twice" if name else "a plain key is wanted"
                )
                continue
            seen.add(name)
            yield name, self._child(value)

    def fields(self, *known: str) -> dict[str, Node]:
        """The children by name; an unknown name is a problem, a missing one is an empty node."""
        children = {name: self._child(None) for name in known}
        for name, node in self.items():
            if name in children:
                children[name] = node
            else:
                self.problems.add(node, f"unknown key `{name}`; there are {', '.join(known)}")
        return children

    def each(self) -> Iterator[Node]:
        """The items of a list; a single value counts as a list of one."""
        if self.raw is None:
            return
        if isinstance(self.raw, _List):
            for item in self.raw.value:
                yield self._child(item)
        else:
            yield self

    def text(self, default: str = "") -> str:
        if self.raw is None:
            return default
        if not isinstance(self.raw, _Scalar):
            self.problems.add(self, "a text is wanted here")
            return default
        text = self.raw.value
        return text if self.raw.quoted else text.strip()  # who writes quotes means the blanks

    def texts(self) -> tuple[str, ...]:
        return tuple(text for node in self.each() if (text := node.text()))

    def flag(self, default: bool = False) -> bool:
        text = self.text()
        if text and text not in ("true", "false"):
            self.problems.add(self, f"`true` or `false` is wanted, not `{text}`")
        return text == "true" if text in ("true", "false") else default

    def choice(self, *allowed: str, default: str) -> str:
        text = self.text(default)
        if text not in allowed:
            self.problems.add(self, f"`{text}` is none of {', '.join(allowed)}")
            return default
        return text


class _Refused(Exception):
    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


def read(file: str, text: str, problems: Problems) -> Node:
    """The file's root node; what is not YAML, or uses anchors, or is too deep, is a problem and reads as empty."""
    empty = Node(file, 1, None, problems)
    try:
        raw = _read(text)
    except _Refused as error:
        problems.found.append(Problem(file, error.line, str(error)))
        return empty
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.found.append(
            Problem(file, mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}")
        )
        return empty
    except yaml.YAMLError as error:
        problems.found.append(Problem(file, 1, f"not YAML: {error}".splitlines()[0]))
        return empty
    return Node(file, 1, raw, problems) if raw is not None else empty


def _read(text: str) -> Raw | None:
    """The file's one document. Aliases can blow a small file up to gigabytes, and deep nesting can overflow the stack;
    neither is needed."""
    root: list[Raw] = []
    open_: list[list[Raw]] = [root]
    starts: list[tuple[yaml.Event, int]] = []
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.ScalarEvent):
            open_[-1].append(_Scalar(event.value, line, event.style in ("'", '"')))
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(open_) > MAX_DEPTH:
                raise _Refused("nested too deep", line)
            open_.append([])
            starts.append((event, line))
        elif isinstance(event, yaml.CollectionEndEvent):
            items = open_.pop()
            start, line = starts.pop()
            if isinstance(start, yaml.MappingStartEvent):
                open_[-1].append(_Map(list(zip(items[::2], items[1::2])), line))
            else:
                open_[-1].append(_List(items, line))
        elif isinstance(event, yaml.AliasEvent):
            raise _Refused("aliases (`*name`) are not allowed", line)
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Refused("not YAML: a second document (`---`) is not allowed", line)
    return root[0] if root else None
