"""Telephone numbers, checked against the numbering plans of the world (phonenumbers)."""

from __future__ import annotations

import re

import phonenumbers

from normalizer.entities.entity import View

_CANDIDATE = re.compile(
    r"(?<![a-z0-9_#])(?<!\d[.\-])(?<!-)((?:\+|00)?\(?\d(?:[ \-.()/]{0,3}\d){6,14})"
    r"(?: ?(?:x|ext\.?|分机) ?\d{1,6}|-\d{3,4})?(?![0-9a-z])"
)
_CN_MOBILE = re.compile(r"(?:\+?86)?(1[3-9]\d{9})")
_CN_MOBILE_GROUPS = re.compile(r"(?:\+?(?:00)?86[ \-)]*)?1[3-9]\d(?:\d{8}|([ \-]?)(?:\d{4}\1\d{4}|\d{3}\1\d{5}))")
_CN_HOTLINE = re.compile(r"(?:400|800)\d{7}")
#: Shapes that only telephone numbers have: a trunk prefix, or 3-3-4.
_NORTH_AMERICAN = re.compile(r"\(?[2-9]\d{2}\)?[ \-.]{1,2}\d{3}[ \-.]\d{4}|[2-9]\d{9}")
_GROUPED = re.compile(
    rf"\(?0\d{{1,4}}\)?[ \-/]?\d{{3,4}}(?:[ \-]?\d{{2,4}}){{1,3}}|1 ?(?:{_NORTH_AMERICAN.pattern})|{_NORTH_AMERICAN.pattern}"
)
_NOT_DIGIT = re.compile(r"[^\d+]")

#: Regions whose plans are tried after the deployment's own for a number that is written as one.
_REGIONS = ("CN", "US", "TW", "HK", "GB", "JP", "KR")


def look(view: View) -> None:
    """Take telephone numbers as E.164; a company's hotline is no contact of the customer."""
    if not view.has_digit:
        return
    for match in _CANDIDATE.finditer(view.plain):
        start, end = match.span()
        if view.free(start, end):
            _judge(view, match.group(1), start, end)


def _judge(view: View, written: str, start: int, end: int) -> None:
    named = view.context(start, "phone", "own", "theirs")
    figures = _NOT_DIGIT.sub("", written)
    if _CN_HOTLINE.fullmatch(figures):
        view.take("hotline", figures, start, end, "phone.hotline", 0.95)
        return
    number = _valid(figures, written, view.country, named=named is not None)
    if not number:
        if named and named.label != "theirs" and len(figures) <= 15 and figures.strip("0"):
            view.take("phone", figures, start, end, "phone.said", 0.6)
        return
    theirs = named is not None and named.label == "theirs"
    sure = 0.97 if named else 0.85
    view.take("their_phone" if theirs else "phone", number, start, end, "phone.plan", sure)


def _valid(figures: str, written: str, country: str, *, named: bool) -> str:
    """The number as E.164, or nothing. Without a telling word a number must be written as one to be taken for one."""
    mobile = _CN_MOBILE.fullmatch(figures)
    if mobile and (named or _CN_MOBILE_GROUPS.fullmatch(written.strip("() "))):
        return "+86" + mobile.group(1)
    if figures.startswith("00"):
        figures = "+" + figures[2:]
    if figures.startswith("+") or named:
        home = ("US",) if _NORTH_AMERICAN.fullmatch(written) and not written.isdigit() else ()
        regions = dict.fromkeys((*home, country, *_REGIONS)) if not figures.startswith("+") else (country,)
        return next((number for region in regions if (number := _in_plan(figures, region))), "")
    if not _GROUPED.fullmatch(written.strip()):
        return ""
    return _in_plan(figures, country) or (_in_plan(figures, "US") if _NORTH_AMERICAN.fullmatch(written) else "")


def _in_plan(figures: str, region: str) -> str:
    try:
        number = phonenumbers.parse(figures, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
