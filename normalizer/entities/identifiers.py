"""Order, tracking, invoice and model numbers: by the word beside them, or by a form that nothing else has."""

from __future__ import annotations

import re

from normalizer.entities.entity import View
from normalizer.rules import Identifier

_TOKEN = re.compile(r"(?<![a-z0-9])[a-z0-9](?:[a-z0-9]|[\-_/](?=[a-z0-9])){2,39}(?![a-z0-9])")
_DATE = re.compile(r"(?:19|20)\d\d[\-/]\d{1,2}(?:[\-/]\d{1,2})?")

#: Words that carry an order number where no other family claims the token.
_WEAK_TRACKING = ("单号",)


def look(view: View) -> None:
    """Take the tokens with digits that are a number of something."""
    if not view.has_digit:
        return
    for match in _TOKEN.finditer(view.plain):
        token = match.group()
        if not token.isalpha() and any(char.isdigit() for char in token):
            _judge(view, token, *match.span())


def _judge(view: View, token: str, start: int, end: int) -> None:
    by_form = _by_form(view, token)
    hit = view.context(start, *(i.name for i in view.rules.identifiers))
    if hit:
        named = next(i for i in view.rules.identifiers if i.name == hit.label)
        digits = sum(char.isdigit() for char in token)
        if by_form and by_form.field == "tracking_numbers" and named.field == "order_numbers":
            named = named if "order" in hit.rule or "订单" in hit.rule else by_form
        if digits >= named.digits and not _DATE.fullmatch(token) and _follows_no_unit(view.plain, end):
            view.take(named.field, _shown(view, start, end), start, end, f"{named.name}.context", 0.95)
            return
    if by_form:
        view.take(by_form.field, _shown(view, start, end), start, end, f"{by_form.name}.form", 0.85)


def _by_form(view: View, token: str) -> Identifier | None:
    if len(token) < 8 and "-" not in token:
        return None
    for identifier in view.rules.identifiers:
        if any(pattern.fullmatch(token) for pattern in identifier.patterns):
            return identifier
    return None


def _follows_no_unit(plain: str, end: int) -> bool:
    return plain[end : end + 1] not in ("元", "块", "天", "次", "个", "年", "月", "日", "%")


def _shown(view: View, start: int, end: int) -> str:
    return view.text.quote(start, end).upper() if view.text.raw.isascii() else view.plain[start:end].upper()
