"""Actions: what the bot may have done in the company's own systems, declared in the knowledge.

The bot names an action and what it is to be done with; the gateway carries it out. What moves money is done without a
person only up to a limit that the author has written down, whatever else the file says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Literal, cast, get_args

from bot.yamlfile import Node

#: ``read`` looks something up, ``change`` changes something that can be changed back, ``money`` pays.
Effect = Literal["read", "change", "money"]
#: When a person at the desk has to agree: for every one, for sums above the limit, or for none.
Approval = Literal["always", "above", "never"]

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
_LIMIT = re.compile(r"(\d{1,9}(?:\.\d{1,2})?)\s*([A-Z]{3})\Z")


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest sum that is paid without a person, and its ISO 4217 currency."""

    amount: Decimal
    currency: str

    def covers(self, said: str) -> bool:
        """Whether a sum as slots hold it (``50.00 CNY``) is within the limit; a sum without a currency is in ours."""
        amount, _, currency = said.partition(" ")
        try:
            value = Decimal(amount)
        except InvalidOperation:
            return False
        return value.is_finite() and 0 < value <= self.amount and currency in ("", self.currency)


@dataclass(frozen=True, slots=True)
class Action:
    """``send`` are the values that go out with it, ``returns`` those that come back and may be said in the answer; an answer
    that lacks one of its values is not given.

    ``system`` names the table ``[systems.<name>]`` of the configuration: where it is sent and with which secret.
    """

    name: str
    system: str
    effect: Effect
    send: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    amount: str = ""
    """The value among ``send`` that is the sum."""
    limit: Limit | None = None
    approve: Approval = "never"
    confirm: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """What the customer is told when the system says no (else a plain sentence)."""
    file: str = ""
    line: int = 0

    @property
    def asks_first(self) -> bool:
        """Whether the customer must say yes: always, unless it only looks something up."""
        return self.effect != "read" or bool(self.confirm)

    def wants_approval(self, values: Mapping[str, str]) -> bool:
        """Whether a person has to agree to it with these values."""
        if self.approve == "always":
            return True
        if self.effect != "money" and self.approve == "never":
            return False
        return self.limit is None or not self.limit.covers(values.get(self.amount, ""))


def read(name: str, node: Node, texts: Mapping[str, Mapping[str, str]]) -> Action:
    """One action of a file; ``texts`` are its ``confirm`` and ``refused`` by language."""
    get = node.fields("system", "effect", "send", "returns", "amount", "limit", "approve", "confirm", "refused")
    if not NAME.match(name):
        node.problems.add(node, f"`{name}` cannot be the name of an action: small letters, digits, `-` and `_`")
    system = get["system"].text()
    if not NAME.match(system):
        node.problems.add(node, f"the action `{name}` names no `system`, where it is carried out")
    effect = cast(Effect, get["effect"].choice(*get_args(Effect), default="change"))
    return Action(
        name=name,
        system=system,
        effect=effect,
        send=get["send"].texts(),
        returns=_names(get["returns"]),
        amount=get["amount"].text(),
        limit=_limit(get["limit"]),
        approve=cast(
            Approval, get["approve"].choice(*get_args(Approval), default="above" if effect == "money" else "never")
        ),
        confirm=texts["confirm"],
        refused=texts["refused"],
        file=node.file,
        line=node.line,
    )


def _names(node: Node) -> tuple[str, ...]:
    return tuple(_checked(node.texts(), node))


def _checked(names: Iterable[str], node: Node) -> Iterable[str]:
    for name in names:
        if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            yield name
        else:
            node.problems.add(node, f"`{name}` cannot be the name of a value")


def _limit(node: Node) -> Limit | None:
    if node.missing:
        return None
    found = _LIMIT.match(node.text())
    if found is None:
        node.problems.add(node, f"`{node.text()}` is no limit; write it as 200 CNY")
        return None
    return Limit(Decimal(found[1]), found[2])
