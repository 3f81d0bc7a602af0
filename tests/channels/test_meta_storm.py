"""Meta's platforms with all their faults: each message of a customer once, and what we say seen once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels._platforms import base as platforms
from channels.base import Outbound
from tests.channels.meta_town import Town, open_town

SAID = (
    "灯笼收到就是破的，我要退款！订单号 2026110{n}",
    "My lantern {n} leaks oil. I want my money back.",
    "第 {n} 次问了，没人理我",
    "还有人吗？{n}",
)


async def settled(town: Town) -> None:
    """Time passes until nothing waits any more."""
    for _ in range(20):
        await town.work()
        if not any(row.state in ("waiting", "sending") for row in await town.rows()):
            return
        town.platform.later += timedelta(seconds=70)
    pytest.fail("something waits for ever")


@pytest.mark.parametrize("name", ["whatsapp", "messenger", "instagram"])
async def test_nothing_is_lost_or_doubled(name: str, tmp_path: Path) -> None:
    platform: Any = platforms.load(name)(pace=0.0, seed=7)
    async with open_town(platform, tmp_path) as town:
        platform.faults = {
            "twice": 0.4,
            "swapped": 0.3,
            "lost": 0.4,
            "forged": 0.3,
            "strange": 0.3,
            "broken": 0.2,
            "cut": 0.3,
        }
        said = [text.format(n=n) for n, text in enumerate(SAID * 4)]
        for n, text in enumerate(said):
            await platform.say(text, person=f"p{n % 5}")
            await town.work()
        await settled(town)
        assert 401 in platform.answers
        rows = (await town.gateway.store.inbox(limit=500)).items
        messages = [await town.gateway.store.inbox_message(row.id) for row in rows]
        assert sorted(m.text for m in messages if m.kind == "message") == sorted(said)
        seen = Counter((one["thread"], one["text"]) for one in platform.sent)
        sent = Counter(map(told, [row for row in await town.rows() if row.state == "sent"]))
        assert sent
        assert seen == sent
        assert {row.state for row in await town.rows()} <= {"sent", "superseded"}


def told(row: Any) -> tuple[str, str]:
    out = msgspec.json.decode(row.body, type=Outbound)
    return out.thread, out.text
