"""Text that was made to hurt: bounded time, no crash, a record in the end."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

HOSTILE = {
    "one letter": "a" * 1_000_000,
    "one han": "退" * 1_000_000,
    "one numeral": "一" * 1_000_000,
    "digits": "1" * 1_000_000,
    "digit groups": "1 " * 500_000,
    "dots": "1." * 500_000,
    "brackets": "(" * 100_000,
    "nested": "[(" * 50_000 + ")]" * 50_000,
    "control": "\x00\x01\x07\x1b" * 20_000,
    "bidi": "\u202e\u2066\u200b" * 30_000,
    "emoji": "😡🤬👩‍👩‍👧‍👦" * 20_000,
    "surrogates": "\ud83d\ude00\ud800" * 20_000,
    "combining": "e" + "\u0301" * 100_000,
    "zalgo": ("a" + "\u0300" * 40) * 5_000,
    "mail": "a@" * 50_000,
    "mail tail": "a@" + "b." * 50_000,
    "url": "http://" * 20_000,
    "domains": "a." * 100_000 + "com",
    "long domain": "a-" * 100_000 + ".com",
    "spaces": " " * 1_000_000,
    "spaced han": "退 " * 100_000,
    "words": "refund " * 20_000,
    "negation": "not " * 50_000,
    "no good": "不" * 20_000 + "好",
    "currency": "$" * 100_000,
    "money": "花了" * 50_000,
    "streets": "路1号" * 40_000,
    "streets long": "很长的路" * 20_000 + "1号",
    "dates": "1月1日" * 40_000,
    "orders": "order number " * 10_000,
    "cards": "4111 1111 1111 1111 " * 5_000,
    "names": "my name is " * 10_000,
    "newlines": "\n" * 500_000,
    "stops": "。" * 500_000,
    "currencies and digits": "5元" * 50_000,
    "dashes": "1-" * 100_000,
    "feast days": "last easter monday " * 10_000,
    "weekdays of a month": "friday the 13th " * 10_000,
    "shared months": "1 and " * 30_000 + "june",
    "denials": "no damage and no delay " * 10_000,
    "english numbers": "twenty " * 20_000 + "dollars",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(say: Any, name: str) -> None:
    say("warm")
    before = time.process_time()
    record = say(HOSTILE[name], subject=HOSTILE[name][:5000])
    spent = time.process_time() - before
    assert spent < 2.0, f"{spent:.2f} s"
    assert msgspec.json.encode(record)
