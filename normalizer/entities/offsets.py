"""Days and times that are said by their distance: "2 weeks from tomorrow", "in 3 days", "20 minutes ago", 两小时前."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from normalizer.entities import numerals
from normalizer.entities.entity import Entity, View
from normalizer.record import Moment

_NUMBER = r"(\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|a couple of|half an)"
_UNIT = r"(min(?:ute)?|hour|hr|day|week|month|year)s?"
_ANCHORED = re.compile(
    rf"(?<![a-z\d]){_NUMBER} {_UNIT} (from now|from today|from tomorrow|from tmrw|from yesterday|after today|after tomorrow|before yesterday"
    r"|before today|ago|later|hence)(?![a-z])"
)
_IN = re.compile(rf"(?<![a-z])(?:in|within) (?:about |the next )?{_NUMBER} {_UNIT}(?:'? time)?(?![a-z])")
_BEFORE_A_DAY = re.compile(
    rf"(?<![a-z\d]){_NUMBER} (day|week|month|year)s? (before|prior to|after|from|since) (?:the )?$"
)
_HAN = re.compile(r"(\d{1,3}|[一二两三四五六七八九十]{1,3}|半)个?多?(分钟|小时|钟头)(?:之|以)?前")
#: A promise from now: who speaks, or a word of intent, stands right before it ("客服说2小时后回电"); behind a deed
#: (用了2小时后) it starts in the story.
_HAN_AFTER = re.compile(
    r"(?:^|(?<=[他她们会将请在约说诺]))(\d{1,3}|[一二两三四五六七八九十]{1,3}|半)个?(分钟|小时|钟头)(?:之|以)?后"
)
#: Days told from the day before in the story: "on 3 October … the next day", "10月3日下单，第二天".
_FOLLOWS = re.compile(
    rf"(?<![a-z\d])(?:the (?:next|following) day|{_NUMBER} (day|week)s? later)(?![a-z])"
    r"|(?<![\d每的])(?:第二天|次日|隔天|(\d{1,2}|[一二两三四五六七八九十]{1,2})(天|周)(?:之|以)?后)"
)
_HAN_DAYS = {"天": "day", "周": "week"}
_ANCHOR = {"from tomorrow": 1, "from tmrw": 1, "after tomorrow": 1, "from yesterday": -1, "before yesterday": -1}
_WORDS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0,
    "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0,
    "a couple of": 2.0, "half an": 0.5, "半": 0.5,
}  # fmt: skip
_MINUTES = {"min": 1, "minute": 1, "hour": 60, "hr": 60, "分钟": 1, "小时": 60, "钟头": 60}
#: "back in 3 days" is a promise; further than this it is more often a length of time ("in 20 years I never…").
_MAX_IN = {"year": 2, "month": 12, "week": 12, "day": 60, "hour": 72, "hr": 72, "min": 600, "minute": 600}


def look(view: View) -> None:
    """Take the distances from now. Runs before the words for days, of which they are made."""
    plain = view.plain
    if any(word in plain for word in (" from ", " after ", " before ", " ago", " later", " hence")):
        for match in _ANCHORED.finditer(plain):
            count, unit, way = _count(match.group(1)), match.group(2), match.group(3)
            sign = -1 if way == "ago" or way.startswith("before") else 1
            if way != "later" or unit in _MINUTES:  # "3 weeks later" starts from a day in the story
                _take(view, match, count * sign, unit, view.at + timedelta(days=_ANCHOR.get(way, 0)), 0.85)
    if "in " in plain:
        for match in _IN.finditer(plain):
            count, unit = _count(match.group(1)), match.group(2)
            if 0 < count <= _MAX_IN[unit] and not (
                unit in ("month", "year") and match.group(1) == "a"
            ):  # "in a year" is a rate
                _take(view, match, count, unit, view.at, 0.6)
    if "小时" in plain or "分钟" in plain or "钟头" in plain:
        for match in _HAN.finditer(plain):
            _take(view, match, -_count(match.group(1)), match.group(2), view.at, 0.8)
        for match in _HAN_AFTER.finditer(plain):
            _take(view, match, _count(match.group(1)), match.group(2), view.at, 0.7)


def follow(view: View) -> None:
    """Take days told from a day that was said before in the text; without one they are left open."""
    for match in _FOLLOWS.finditer(view.plain):
        told = [e for e in view.found if e.kind == "date" and e.end <= match.start() and len(e.value.iso) >= 10]
        if not told:
            continue
        day = date.fromisoformat(max(told, key=lambda entity: entity.end).value.iso[:10])
        count = _count(match.group(1) or match.group(3) or "one")
        unit = match.group(2) or _HAN_DAYS.get(match.group(4) or "天", "day")
        iso = moved(day, count, unit).isoformat()
        view.take("date", Moment(iso=iso), *match.span(), "date.story", 0.7)


def shift(view: View) -> None:
    """Move days that a distance stands right before: "3 days after January 12th"."""
    for index, entity in enumerate(view.found):
        if entity.kind != "date" or len(entity.value.iso) < 10:
            continue
        start = max(0, entity.start - 40)
        match = _BEFORE_A_DAY.search(view.plain[start : entity.start])
        if match and view.free(start + match.start(), entity.start):
            sign = -1 if match.group(3) in ("before", "prior to") else 1
            day = moved(date.fromisoformat(entity.value.iso[:10]), _count(match.group(1)) * sign, match.group(2))
            place = start + match.start(), entity.end
            view.found[index] = Entity("date", Moment(iso=day.isoformat()), *place, "date.distance", 0.85)


def moved(day: date, count: float, unit: str) -> date:
    """A day some days, weeks, months or years away; the last of the month where there is no such day."""
    if unit in ("day", "week"):
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + int(count * (12 if unit == "year" else 1))
    year, month = min(max(months // 12, 1), 9998), months % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


def _count(written: str) -> float:
    known = _WORDS.get(written)
    return known if known is not None else float(written if written.isdigit() else numerals.chinese(written) or 0)


def _take(view: View, match: re.Match[str], count: float, unit: str, since: datetime, sure: float) -> None:
    if not count:
        return
    if unit in _MINUTES:
        iso = (since + timedelta(minutes=count * _MINUTES[unit])).strftime("%Y-%m-%dT%H:%M")
    else:
        iso = moved(since.date(), count, unit).isoformat()
    view.take("date", Moment(iso=iso), *match.span(), "date.distance", sure)
