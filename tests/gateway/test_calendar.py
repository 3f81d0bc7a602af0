"""Promised hours are working hours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.calendar import Calendar
from gateway.config import CompanySettings, ConfigError

WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-18:00")


def company(**changes: object) -> CompanySettings:
    return CompanySettings(**{"timezone": "Asia/Shanghai", "hours": WEEK, **changes})  # type: ignore[arg-type]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-20T02:00", 2, "2026-11-20T04:00"),  # Friday 10:00 in Shanghai: the same day
        ("2026-11-20T09:00", 2, "2026-11-23T02:00"),  # Friday 17:00: one hour left, then Monday 10:00
        ("2026-11-21T12:00", 8, "2026-11-23T09:00"),  # Saturday: a whole Monday of nine hours, less one
        ("2026-11-20T01:00", 9, "2026-11-20T10:00"),  # exactly to the end of the day
        ("2026-11-19T16:00", 0.5, "2026-11-20T01:30"),  # midnight: starts at nine
    ],
)
def test_deadlines_run_in_working_hours(start: str, hours: float, due: str) -> None:
    assert Calendar(company()).after(utc(start), hours) == utc(due)


def test_holidays_are_closed_and_make_up_days_open() -> None:
    calendar = Calendar(company(holidays=("2026-11-23",), workdays=("2026-11-22",)))
    assert calendar.after(utc("2026-11-20T10:00"), 1) == utc("2026-11-22T02:00")
    assert calendar.after(utc("2026-11-22T10:00"), 1) == utc("2026-11-24T02:00")
    assert calendar.open_at(utc("2026-11-22T02:00"))
    assert not calendar.open_at(utc("2026-11-23T02:00"))


def test_a_clock_change_does_not_stretch_a_promise() -> None:
    calendar = Calendar(company(timezone="Europe/Berlin", hours={"sun": "00:00-12:00"}))
    # On 25 October 2026 the clock goes back at 03:00: the twelve hours on the wall are thirteen on the watch.
    assert calendar.after(utc("2026-10-24T22:00"), 12) == utc("2026-10-25T10:00")


def test_a_company_that_never_opens_promises_plain_hours() -> None:
    assert Calendar(company(hours={})).after(utc("2026-11-20T10:00"), 5) == utc("2026-11-20T15:00")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"timezone": "Mars/Olympus"}, "company.timezone"),
        ({"hours": {"mon": "9 to 5"}}, "company.hours.mon"),
        ({"hours": {"mon": "18:00-09:00"}}, "company.hours.mon"),
        ({"holidays": ("1 May",)}, "company.holidays"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Calendar(company(**changes))
    assert caught.value.key == key
