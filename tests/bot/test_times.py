"""Deadlines as customers read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.times import deadline

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "language", "zone", "said"),
    [
        (datetime(2026, 11, 20, 9, tzinfo=UTC), "en", "Asia/Shanghai", "17:00 today (Shanghai time)"),
        (datetime(2026, 11, 20, 17, tzinfo=UTC), "en", "Asia/Shanghai", "01:00 tomorrow (Shanghai time)"),
        (datetime(2026, 11, 20, 17, tzinfo=UTC), "en", "UTC", "17:00 today (UTC)"),
        (datetime(2026, 11, 23, 2, tzinfo=UTC), "zh-Hans", "Asia/Shanghai", "11月23日（周一）10:00"),
        (datetime(2026, 11, 23, 2, tzinfo=UTC), "zh-Hant", "Asia/Taipei", "11月23日（週一）10:00"),
        (datetime(2026, 11, 23, 15, tzinfo=UTC), "en", "America/New_York", "10:00 on Monday 23 Nov (New York time)"),
        (datetime(2026, 11, 18, 15, tzinfo=UTC), "en", "UTC", "15:00 on Wednesday 18 Nov (UTC)"),
        (None, "en", "UTC", ""),
    ],
)
def test_deadline(at: datetime | None, language: str, zone: str, said: str) -> None:
    assert deadline(at, NOW, zone, language) == said
