"""A day and time to come, as customers write them: "明天下午三点", "Monday 10am", "20:00". For appointments, so never past."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from normalizer.record import Moment

_HAN_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九十")} | {"两": 2}
_HAN_TIME = re.compile(
    r"(凌晨|早上|早晨|上午|中午|下午|傍晚|晚上|今晚|明晚)?(\d{1,2}|十[一二]?|[一二两三四五六七八九])(?:点钟?|时(?!候|间))(半|一刻|三刻|[0-5]?\d分?)?"
)
_LATIN_TIME = re.compile(
    r"(?<![\d:])(\d{1,2})(?::([0-5]\d))?\s*(am|pm|a\.m\.|p\.m\.|o'clock)(?![a-z])|\b(noon|midday)\b"
)
_CLOCK = re.compile(r"(凌晨|早上|上午|中午|下午|傍晚|晚上)?\s*(?<![\d:])([01]?\d|2[0-3])[:：]([0-5]\d)(?![\d:])")
_LATER = ("下午", "傍晚", "晚上", "今晚", "明晚")
_DAYS = (
    (3, ("大后天",)),
    (2, ("后天", "day after tomorrow")),
    (1, ("明天", "明日", "明早", "明晚", "tomorrow")),
    (0, ("今天", "今日", "今晚", "today", "tonight", "this afternoon", "this morning", "this evening")),
)
_WEEKDAY = re.compile(r"(下个?)?(?:周|星期|礼拜)([一二三四五六日天])")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def read(text: str, moments: Iterable[Moment], now: datetime) -> tuple[date | None, time | None]:
    """Day and time in the zone of ``now``, from folded text; ``moments`` are what the record has found in it."""
    at = _time(text)
    day = _day(text, now.date()) or next((found for m in moments if (found := _of(m)) >= now.date()), None)
    if day is None and at is not None:
        day = now.date() + timedelta(days=0 if at > now.time() else 1)
    return day, at


def _of(moment: Moment) -> date:
    return date.fromisoformat(moment.iso[:10])


def _day(text: str, today: date) -> date | None:
    for ahead, words in _DAYS:
        if any(word in text for word in words):
            return today + timedelta(days=ahead)
    if found := _WEEKDAY.search(text):
        return _next(
            today, "一二三四五六日天".index(found[2]) % 7 if found[2] != "天" else 6, weeks=1 if found[1] else 0
        )
    name = next((n for n, each in enumerate(_NAMES) if re.search(rf"\b{each}\b", text)), None)
    return None if name is None else _next(today, name, weeks=0)


def _next(today: date, weekday: int, *, weeks: int) -> date:
    """That day of this week, or the next one if it is over; with ``weeks`` 1 that of next week."""
    monday = today - timedelta(days=today.weekday())
    day = monday + timedelta(days=weekday, weeks=weeks)
    return day if day >= today else day + timedelta(weeks=1)


def _time(text: str) -> time | None:
    if found := _HAN_TIME.search(text):
        return _clock(found[1] or "", _number(found[2]), _minutes(found[3] or ""))
    if found := _LATIN_TIME.search(text):
        if found[4]:
            return time(12)
        late = found[3].startswith("p") or (found[3] == "o'clock" and int(found[1]) < 8)
        hour = int(found[1]) % 12 + (12 if late else 0) if found[3] != "o'clock" or late else int(found[1])
        return time(hour, int(found[2] or 0)) if hour < 24 else None
    if found := _CLOCK.search(text):
        return _clock(found[1] or "", int(found[2]), int(found[3]))
    return None


def _clock(part: str, hour: int, minute: int) -> time | None:
    """ "三点" alone is the afternoon's: nobody asks to be called at three in the night."""
    if hour < 12 and (part in _LATER or (part == "中午" and hour < 6) or (not part and 0 < hour < 7)):
        hour += 12
    return time(hour, minute) if hour < 24 else None


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    return _HAN_DIGITS[text] if len(text) == 1 else 10 + _HAN_DIGITS[text[1]]


def _minutes(text: str) -> int:
    return {"半": 30, "一刻": 15, "三刻": 45}.get(text) or int(text.rstrip("分") or 0)
