"""Identity card and bank card numbers. They are found to be covered up, never to be kept.

Identity cards: the check digit of GB 11643 (and ISO 7064). Cards: Luhn (ISO/IEC 7812) and the first digit of a
payment card. Accounts: IBAN (ISO 13616).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from normalizer.entities.entity import View

#: Where these find nothing there is no guarded number; they are quick to ask.
_MANY = re.compile(r"[0-9][0-9 \-]{12}")
_ACCOUNT = re.compile(r"[a-z]{2}[0-9]{2} ?[a-z0-9]{4}")
_LONG = re.compile(r"(?<![0-9a-z])(?<![0-9][\-])\d(?:[ \-]?\d){12,18}x?(?![0-9a-z])")
_IBAN = re.compile(r"(?<!\w)[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?(?!\w)")
_RESIDENT = re.compile(
    r"(?<![0-9])[1-8]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9x](?![0-9])"
)
_NOT_DIGIT = re.compile(r"[ \-]")


def find(plain: str) -> Iterator[tuple[str, int, int]]:
    """Guarded numbers in a folded text as (kind, start, end): ``idcard``, ``card``, ``account``."""
    if _MANY.search(plain):
        for match in _LONG.finditer(plain):
            if kind := _kind(_NOT_DIGIT.sub("", match.group())):
                yield kind, match.start(), match.end()
    if _ACCOUNT.search(plain):
        for match in _IBAN.finditer(plain):
            if iban.is_valid(match.group()):
                yield "account", match.start(), match.end()


def suspect(plain: str) -> Iterator[tuple[int, int]]:
    """Spans to cover: guarded numbers, and identity numbers with a slip in the check digit."""
    for _, start, end in find(plain):
        yield start, end
    for match in _RESIDENT.finditer(plain) if _MANY.search(plain) else ():
        yield match.span()


def look(view: View) -> None:
    """Take identity and card numbers; a number that only fails its checksum counts beside a card word."""
    if not view.has_digit:
        return
    for kind, start, end in find(view.plain):
        view.take(kind, "", start, end, f"{kind}.checksum", 0.99)
    if any(hit.label in ("card", "idcard") for hit in view.hits.get("context", ())):
        for match in _LONG.finditer(view.plain):
            if hit := view.context(match.start(), "card", "idcard"):
                view.take(hit.label, "", match.start(), match.end(), f"{hit.label}.context", 0.8)


def _kind(figures: str) -> str:
    if len(figures) == 18 and _is_resident_number(figures):
        return "idcard"
    if 13 <= len(figures) <= 19 and figures[0] in "3456" and figures.isdigit() and luhn.is_valid(figures):
        return "card" if len(set(figures)) > 1 else ""
    return ""


def _is_resident_number(figures: str) -> bool:
    """Check digit and birth date; a place code that was abolished since is still somebody's number."""
    try:
        ric.get_birth_date(figures.upper())
        return bool(ric.calc_check_digit(figures.upper()) == figures[-1].upper()) and figures[0] in "12345678"
    except (ValidationError, ValueError):
        return False
