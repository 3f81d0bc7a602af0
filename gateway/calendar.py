"""The company's working time: when people are there, and when a promised number of working hours is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.config import CompanySettings, ConfigError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: How far ahead a deadline is looked for; a calendar without open days promises nothing beyond it.
HORIZON = timedelta(days=366)


class Calendar:
    """Opening hours in the company's zone. Raises :class:`ConfigError` for hours or days that cannot be read."""

    def __init__(self, company: CompanySettings) -> None:
        self._zone = _zone(company.timezone)
        self._hours = {day: _span(day, text) for day, text in company.hours.items()}
        self._holidays = frozenset(_day("company.holidays", d) for d in company.holidays)
        self._workdays = frozenset(_day("company.workdays", d) for d in company.workdays)
        self._open = lru_cache(maxsize=1000)(self._spans)
        self._ahead = lru_cache(maxsize=100)(self._days_from)
        self._ends = lru_cache(maxsize=1000)(self._end)

    def open_at(self, at: datetime) -> bool:
        """Whether people are at work at ``at``."""
        return any(start <= at < end for start, end in self._open(at.astimezone(self._zone).date()))

    def after(self, at: datetime, hours: float) -> datetime:
        """The moment (UTC) when ``hours`` working hours have passed since ``at``; plain hours if nobody ever works."""
        return self._ends(at, hours)

    def _end(self, at: datetime, hours: float) -> datetime:
        left, start = timedelta(hours=hours), at.astimezone(UTC)
        for opens, closes in self._from(start):
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
        return start + timedelta(hours=hours)

    def spans(self, at: datetime, days: int = 10) -> tuple[tuple[datetime, datetime], ...]:
        """When people are at work from ``at`` on (UTC)."""
        found = self._ahead(at.astimezone(self._zone).date(), days)
        return tuple((max(opens, at), closes) for opens, closes in found if closes > at)

    def _from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        first = start.astimezone(self._zone).date()
        for week in range(0, HORIZON.days + 1, 7):
            for opens, closes in self._ahead(first + timedelta(days=week), 7):
                if closes > start:
                    yield max(opens, start), closes

    def _days_from(self, first: date, days: int) -> tuple[tuple[datetime, datetime], ...]:
        return tuple(span for n in range(days) for span in self._open(first + timedelta(days=n)))

    def _spans(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """In UTC: a clock change inside a working day must not stretch a promise."""
        if day in self._holidays:
            return ()
        name = WEEKDAYS[day.weekday()]
        if day in self._workdays and name not in self._hours:
            name = next(iter(self._hours), name)
        if name not in self._hours:
            return ()
        opens, closes = (datetime.combine(day, at, self._zone).astimezone(UTC) for at in self._hours[name])
        return ((opens, closes),)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise ConfigError(
            f"there is no time zone `{name}`; use one like `Asia/Shanghai`", key="company.timezone"
        ) from err


def _span(day: str, text: str) -> tuple[time, time]:
    try:
        opens, closes = (_clock(part) for part in text.split("-"))
    except ValueError as err:
        raise ConfigError(f"`{text}` is no opening time; write `09:00-18:00`", key=f"company.hours.{day}") from err
    if opens >= closes:
        raise ConfigError(f"`{text}` ends before it begins", key=f"company.hours.{day}")
    return opens, closes


def _clock(text: str) -> time:
    return time.max if text.strip() == "24:00" else time.fromisoformat(text.strip())


def _day(key: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as err:
        raise ConfigError(f"`{text}` is no date; write `2026-01-01`", key=key) from err
