"""Months as numbers, for what is kept and dropped by month (UTC)."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.store import rows


def of(at: datetime) -> int:
    """The month's number, from year 0."""
    utc = at.astimezone(UTC)
    return utc.year * 12 + utc.month - 1


def start(month: int) -> int:
    """Its first moment, in microseconds since 1970."""
    year, index = divmod(month, 12)
    return rows.micros(datetime(year, index + 1, 1, tzinfo=UTC))


def name(month: int) -> str:
    """``2026_11``."""
    year, index = divmod(month, 12)
    return f"{year:04d}_{index + 1:02d}"


def parse(text: str) -> int:
    """The month of a :func:`name`."""
    year, _, number = text.partition("_")
    return int(year) * 12 + int(number) - 1


def before(at: datetime, kept: int) -> int:
    """The first month that is kept when that many whole months before this one are."""
    return of(at) - kept
