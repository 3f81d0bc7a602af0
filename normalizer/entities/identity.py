"""Identity card and bank card numbers. They are found to be covered up, never to be kept.

Identity cards: the check digit of GB 11643 (and ISO 7064). Cards: Luhn (ISO/IEC 7812) with the first digits and the
length of a payment network. Accounts: IBAN (ISO 13616).
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
#: First digits and lengths of the networks: Visa, Mastercard, JCB, Discover, American Express, Diners Club, UnionPay, and
#: the old debit cards of ICBC. One number in ten passes Luhn: without these every long order number might be a card.
_NETWORK = re.compile(
    r"(?:4\d{12}(?:\d{3})?|(?:5[1-5]|2[2-7])\d{14}|35(?:2[89]|[3-8]\d)\d{12}|(?:6011|64[4-9]\d|65\d\d)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|6[02]\d{14,17}|9558\d{15})"
)
#: Names another number right before it: what stands here is that number, whatever its checksum.
_OTHER = re.compile(
    r"(?:订单|运单|单号|工单|流水|交易|发票|order|tracking|booking|invoice|waybill|ticket|reference|case)"
    r"(?: ?(?:编号|号码|号|number|num|no|id|ref))?[ .:#=是为]{0,4}$"
)


def find(plain: str) -> Iterator[tuple[str, int, int]]:
    """Guarded numbers in a folded text as (kind, start, end): ``idcard``, ``card``, ``account``."""
    if _MANY.search(plain):
        for match in _LONG.finditer(plain):
            kind = _kind(_NOT_DIGIT.sub("", match.group()))
            if kind == "idcard" or (kind and not _OTHER.search(plain[max(0, match.start() - 24) : match.start()])):
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
    if _NETWORK.fullmatch(figures) and luhn.is_valid(figures):
        return "card" if len(set(figures)) > 1 else ""
    return ""


def _is_resident_number(figures: str) -> bool:
    """Check digit and birth date; a place code that was abolished since is still somebody's number."""
    try:
        ric.get_birth_date(figures.upper())
        return bool(ric.calc_check_digit(figures.upper()) == figures[-1].upper()) and figures[0] in "12345678"
    except (ValidationError, ValueError):
        return False
