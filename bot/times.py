"""A deadline as a customer reads it, in the company's zone."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh-Hans": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "zh-Hant": ("週一", "週二", "週三", "週四", "週五", "週六", "週日"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def deadline(at: datetime | None, now: datetime, zone: str, language: str, *, named: bool = False) -> str:
    """In Chinese the zone is said only where it is ``named``: customers and company mostly share one.

    ``17:30 today (Shanghai time)``, ``10:00 on Monday 23 Nov (Shanghai time)``, ``11月23日（周一）10:00``."""
    if at is None:
        return ""
    place = _zone(zone)
    local, today = at.astimezone(place), now.astimezone(place).date()
    days = (local.date() - today).days
    clock = f"{local.hour:02}:{local.minute:02}"
    day = _DAYS.get(language, _DAYS["en"])[local.weekday()]
    if language.startswith("zh"):
        spoken = {0: "今天", 1: "明天"}.get(days) or f"{local.month}月{local.day}日（{day}）"
        place_name = f"（{_spoken(zone)}）" if named else ""
        return f"{spoken}{clock}{place_name}"
    spoken = {0: "today", 1: "tomorrow"}.get(days) or f"on {day} {local.day} {_MONTHS[local.month - 1]}"
    return f"{clock} {spoken} ({_spoken(zone)})"


def _spoken(zone: str) -> str:
    """``Shanghai time``: letters like CST name several zones."""
    city = zone.rpartition("/")[2].replace("_", " ")
    return city if city == "UTC" else f"{city} time"
