"""What is said in a call goes to desks on other nodes sealed."""

from __future__ import annotations

import base64

from channels.base import Secret
from gateway.call_hints import CallHints
from gateway.keys import Keys

SHOWN = {"since": 0.0, "lines": [{"speaker": "customer", "text": "my lamp is broken"}], "known": 1, "deaf": False}


def hints(secret: str = "s" * 40) -> CallHints:
    return CallHints(Keys(Secret(secret)))


def test_another_node_reads_it_and_redis_does_not() -> None:
    hint = hints().hint("c1", SHOWN)
    assert hints().shown("c1", hint) == SHOWN
    assert b"lamp" not in base64.b64decode(hint["call"])


def test_nobody_puts_words_in_a_customers_mouth() -> None:
    hint = hints().hint("c1", SHOWN)
    assert hints().shown("c2", hint) is None, "it is bound to its conversation"
    assert hints("x" * 40).shown("c1", hint) is None
    for forged in ("", "AAAA", "not base64!", base64.b64encode(b"{}" * 40).decode(), "ÿ"):
        assert hints().shown("c1", {"call": forged}) is None
