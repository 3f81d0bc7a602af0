"""Texts with variables and conditions: ``{order_number}``, and ``when: has order_number``.

Nothing of Python is evaluated: a variable is a name, a condition is one of five small forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_.]*\Z")

#: What the bot itself knows; the author adds slots and facts.
BUILT_IN = frozenset(("company", "bot", "number", "status_url", "respond_by", "customer"))

Test = Literal["always", "open", "closed", "has", "lacks", "is"]


@dataclass(frozen=True, slots=True)
class Condition:
    """``open``, ``closed``, ``has NAME``, ``lacks NAME`` or ``NAME is VALUE``; the empty one always holds."""

    test: Test = "always"
    name: str = ""
    value: str = ""

    def holds(self, variables: Mapping[str, str], open_now: bool) -> bool:
        match self.test:
            case "open":
                return open_now
            case "closed":
                return not open_now
            case "has":
                return bool(variables.get(self.name))
            case "lacks":
                return not variables.get(self.name)
            case "is":
                return variables.get(self.name, "").casefold() == self.value.casefold()
            case _:
                return True


def condition(source: str) -> Condition:
    """Read a condition. Raises ``ValueError`` saying what forms there are."""
    match source.split(maxsplit=2):
        case []:
            return Condition()
        case [("open" | "closed") as test]:
            return Condition("open" if test == "open" else "closed")
        case ["has", name] if _NAME.match(name):
            return Condition("has", name)
        case ["lacks", name] if _NAME.match(name):
            return Condition("lacks", name)
        case [name, "is", value] if _NAME.match(name):
            return Condition("is", name, value)
        case _:
            raise ValueError(f"`{source}` is no condition; write open, closed, has NAME, lacks NAME or NAME is VALUE")


@dataclass(frozen=True, slots=True)
class Variant:
    """A text and when it is said."""

    when: Condition
    say: str


@dataclass(frozen=True, slots=True)
class Text:
    """The first variant whose condition holds is said."""

    variants: tuple[Variant, ...]

    @property
    def variables(self) -> set[str]:
        """Names that the text or its conditions use."""
        used = {name for each in self.variants for name in _VARIABLE.findall(each.say)}
        return used | {each.when.name for each in self.variants if each.when.name}

    def say(self, variables: Mapping[str, str], open_now: bool = True) -> str:
        """The text for this customer, or an empty one where no condition holds. An unknown value shows as nothing."""
        return fill(self.chosen(variables, open_now), variables)

    def chosen(self, variables: Mapping[str, str], open_now: bool = True) -> str:
        """The text whose condition holds, with its variables still open."""
        return next((each.say for each in self.variants if each.when.holds(variables, open_now)), "")


def plain(text: str) -> Text:
    return Text((Variant(Condition(), text),))


def lacks(text: str, names: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """Those of ``names`` that the text says and nobody has filled in."""
    used = set(_VARIABLE.findall(text))
    return [name for name in names if name in used and not variables.get(name)]


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Put the values in. They come from customers: they are text, and never read as a template again."""
    return _VARIABLE.sub(lambda found: variables.get(found.group(1), ""), text) if "{" in text else text
