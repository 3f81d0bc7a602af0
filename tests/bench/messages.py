"""What the benchmarks say: short questions and complaints as shops get them, in Chinese and English."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

#: Questions that the sample knowledge answers.
QUESTIONS: Sequence[str] = (
    "怎么退货？",
    "How do I return an item?",
    "你们支持哪些付款方式？",
    "Where is my order?",
    "如何开发票",
    "What are your opening hours?",
)
#: Complaints that go to a person; the bot answers with a receipt.
COMPLAINTS: Sequence[str] = (
    "订单号 20261122123456 到现在没收到，太慢了，我要退款！电话 13800138000",
    "The blender I bought stopped working after two days, I want a refund. Order A12345678, mail me at ann@example.com",
)


def text(conversation: int, turn: int) -> str:
    """Every fourth conversation ends with a complaint; all others are questions."""
    if turn and conversation % 4 == 0:
        return COMPLAINTS[conversation // 4 % len(COMPLAINTS)]
    return QUESTIONS[(conversation + turn) % len(QUESTIONS)]


def bodies(run: str, count: int) -> Iterator[bytes]:
    """``count`` bodies for ``POST /v1/messages``: conversations of two turns, all first turns before all second ones."""
    conversations = (count + 1) // 2
    for n in range(count):
        turn, conversation = divmod(n, conversations)
        message = {
            "external_id": f"{run}-{n:06x}",
            "thread": f"{run}-thread-{conversation:06x}",
            "sender": {"id": f"{run}-customer-{conversation:06x}", "name": "Wang Fang"},
            "text": text(conversation, turn),
        }
        yield json.dumps(message, ensure_ascii=False).encode()
