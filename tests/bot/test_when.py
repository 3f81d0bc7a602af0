"""Days and times to come, as customers write them on a Friday afternoon."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.knowledge import Knowledge
from bot.skills.callback import zone_of
from bot.when import read
from normalizer.record import Moment

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day", "clock"),
    [
        ("明天上午10点", "2026-11-21", "10:00"),
        ("明天下午三点半", "2026-11-21", "15:30"),
        ("后天早上九点一刻", "2026-11-22", "09:15"),
        ("周一下午三点", "2026-11-23", "15:00"),
        ("下周二14:30", "2026-11-24", "14:30"),
        ("星期天中午十二点", "2026-11-22", "12:00"),
        ("晚上8点", "2026-11-20", "20:00"),
        ("三点", "2026-11-20", "15:00"),
        ("下午一点", "2026-11-21", "13:00"),
        ("下週三下午兩點", "2026-11-25", "14:00"),
        ("tomorrow 3pm", "2026-11-21", "15:00"),
        ("on Monday at 10:30 am please", "2026-11-23", "10:30"),
        ("friday 4 p.m.", "2026-11-20", "16:00"),
        ("12am tomorrow", "2026-11-21", "00:00"),
        ("tomorrow at noon", "2026-11-21", "12:00"),
        ("9 o'clock tomorrow", "2026-11-21", "09:00"),
        ("17:45", "2026-11-20", "17:45"),
    ],
)
def test_read(text: str, day: str, clock: str, knowledge: Knowledge) -> None:
    found = read(knowledge.utterance(text).folded, (), NOW)
    assert tuple(str(part)[:10] for part in found) == (day, f"{clock}:00")


@pytest.mark.parametrize("text", ["好的谢谢", "as soon as possible", "25点", "call 13812345678", "订单20261102003317"])
def test_what_names_no_time(text: str, knowledge: Knowledge) -> None:
    assert read(knowledge.utterance(text).folded, (), NOW) == (None, None)


def test_a_date_of_the_record_counts_when_it_is_to_come(knowledge: Knowledge) -> None:
    folded = knowledge.utterance("12月3日上午九点").folded
    assert str(read(folded, (Moment(iso="2026-12-03T09:00"),), NOW)[0]) == "2026-12-03"
    assert read(knowledge.utterance("那天").folded, (Moment(iso="2026-11-01"),), NOW) == (None, None)


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+8613812345678", "Asia/Shanghai"),
        ("+442079460958", "Europe/London"),
        ("+12015550123", "America/New_York"),
        ("110", "Asia/Tokyo"),
    ],
)
def test_the_zone_of_a_number(phone: str, zone: str) -> None:
    assert zone_of(phone, "Asia/Tokyo") == zone
