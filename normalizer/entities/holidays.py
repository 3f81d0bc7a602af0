"""Feast days: the same day every year, a weekday of a month, or counted from Easter.

``MM-DD``; ``MM-weekday-n`` (the n-th such weekday of the month: Thanksgiving is ``11-thu-4``); ``easter``. Each may end with
``+days`` or ``-days``.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

#: A feast so many days ahead is this year's (an order for Christmas), further ahead it is the last one.
AHEAD = 45

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RULE = re.compile(r"(?:(\d\d)-(\d\d)|(\d\d)-([a-z]{3})-(\d)|easter)([+-]\d+)?\Z")
_YEAR_AFTER = re.compile(r"\.?,?(?:[\s\-/]|\sof\s)((?:19|20)\d\d)(?!\d)|,?(?: of)? (this|last|next) year(?![a-z])")
_YEAR_BEFORE = re.compile(r"(?<!\d)(去年|今年|前年|明年|本年|(?:19|20)\d\d)(?:年的?|的)?$")
_WAY_BEFORE = re.compile(r"(?<![a-z])(?:(last|previous|past)|(next|following|coming)) $")
_YEARS = {"去年": -1, "今年": 0, "本年": 0, "前年": -2, "明年": 1, "last": -1, "this": 0, "next": 1}


def day_of(rule: str, year: int) -> date | None:
    """The feast's day in a year; None where there is none. Raises ValueError where the rule cannot be read."""
    match = _RULE.match(rule)
    if not match:
        raise ValueError(f"`{rule}` is no feast day; write MM-DD, MM-thu-4 or easter, each with +days or -days")
    month, day, of_month, weekday, number, away = match.groups()
    try:
        if month:
            found = date(year, int(month), int(day))
        elif of_month:
            first = date(year, int(of_month), 1)
            found = first + timedelta(days=(_WEEKDAYS.index(weekday) - first.weekday()) % 7 + 7 * (int(number) - 1))
        else:
            found = easter(year)
        return found + timedelta(days=int(away or 0))
    except (ValueError, OverflowError):
        return None


def easter(year: int) -> date:
    """Easter Sunday of the western churches (Meeus, Jones and Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def said(plain: str, start: int, end: int, rule: str, today: date) -> tuple[date | None, int, int]:
    """The day that is meant, and the span with the words around it that say which year's."""
    if after := _YEAR_AFTER.match(plain, end):
        year = int(after.group(1)) if after.group(1) else today.year + _YEARS[after.group(2)]
        return day_of(rule, year), start, after.end()
    if before := _YEAR_BEFORE.search(plain[max(0, start - 6) : start]):
        word = before.group(1)
        year = int(word) if word.isdigit() else today.year + _YEARS[word]
        return day_of(rule, year), start - len(before.group()), end
    if way := _WAY_BEFORE.search(plain[max(0, start - 10) : start]):
        return _next_to(rule, today, ahead=bool(way.group(2))), start - len(way.group()), end
    found = day_of(rule, today.year)
    if found is None or found > today + timedelta(days=AHEAD):
        found = day_of(rule, today.year - 1)
    return found, start, end


def _next_to(rule: str, today: date, *, ahead: bool) -> date | None:
    """The first one after today, or the last one before."""
    days = [day for year in (today.year - 1, today.year, today.year + 1) if (day := day_of(rule, year))]
    if ahead:
        return min((day for day in days if day > today), default=None)
    return max((day for day in days if day < today), default=None)
