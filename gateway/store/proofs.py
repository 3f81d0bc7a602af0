"""Proofs and codes as rows, and what hangs together by proofs: the same in every store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.store import rows
from gateway.store.base import Code, Proof
from gateway.store.identity import is_address

#: More identities and addresses are no one person.
MOST = 200
#: Other conversations that are shown of a contact.
SHOWN = 20

PROOF = "n, one, other, how, at, by, undone_at, undone_by"
CODE = "k.id, c.id, k.identity, k.address, k.about, k.language, k.by, k.at, k.expires_at, k.tries, k.state"
CODES = f"SELECT {CODE} FROM code k JOIN conversation c ON c.n = k.conv"  # noqa: S608 - our own columns


def proof(row: Sequence[Any]) -> Proof:
    """From the columns of :data:`PROOF`."""
    n, one, other, how, at, by, undone_at, undone_by = row
    return Proof(
        n=n,
        one=one,
        other=other,
        how=how,
        at=rows.when(at),
        by=by,
        undone_at=rows.when_or_none(undone_at),
        undone_by=undone_by,
    )


def code(row: Sequence[Any]) -> Code:
    """From the columns of :data:`CODE`."""
    id, conv, who, address, about, language, by, at, expires_at, tries, state = row
    return Code(
        id=id,
        conversation=conv,
        identity=who,
        address=address,
        about=about,
        language=language,
        by=by,
        at=rows.when(at),
        expires_at=rows.when(expires_at),
        tries=tries,
        state=state,
    )


class Reach:
    """All that hangs together with some nodes. The store asks for the proofs at ``edge``, until there is none.

    ``found`` has each node with the proofs that lead there; the nearest first.
    """

    def __init__(self, nodes: Iterable[str]) -> None:
        self.found: dict[str, tuple[Proof, ...]] = dict.fromkeys(nodes, ())
        self.edge = list(self.found)

    def add(self, proofs: Iterable[Proof]) -> None:
        """The standing proofs that name a node of the edge, oldest first."""
        ties: dict[str, list[tuple[str, Proof]]] = defaultdict(list)
        for one in proofs:
            ties[one.one].append((one.other, one))
            ties[one.other].append((one.one, one))
        edge, self.edge = self.edge, []
        for node in edge:
            if len(self.found) >= MOST:
                self.edge = []
                return
            for far, one in ties[node]:
                if far not in self.found:
                    self.found[far] = (*self.found[node], one)
                    self.edge.append(far)


def ways(reached: Iterable[str]) -> tuple[str, ...]:
    """What could prove it, the best first: addresses, then identities."""
    return tuple(sorted(reached, key=lambda node: not is_address(node)))
