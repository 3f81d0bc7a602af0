"""Talking from a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels._platforms.telegram import Telegram
from gateway.simulate.prompt import Prompt, shown


async def test_lines_and_words_with_a_colon(platform: Telegram, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    platform.saw("1", "Which one?", id="9", buttons=[("Refund", "refund"), ("A person", "human")])
    prompt = Prompt(platform, person="Tom")
    for line in (
        "broken",
        ":edit broken!",
        f":file {tmp_path / 'a.jpg'}",
        ":press 2",
        ":do sticker",
        ":person Li",
        "你好",
    ):
        await prompt.take(line)
    kinds = [next(key for key in update if key != "update_id") for update in platform.held]
    assert kinds == ["message", "edited_message", "message", "callback_query", "message", "message"]
    assert platform.held[1]["edited_message"]["message_id"] == platform.held[0]["message"]["message_id"]
    assert platform.held[3]["callback_query"]["data"] == "human"
    assert platform.held[-1]["message"]["from"]["first_name"] == "Li"


@pytest.mark.parametrize("line", [":nothing", ":fault never", ":press 1", ":file /no/such/file", ":do fly"])
async def test_what_does_not_go_is_said(platform: Telegram, line: str) -> None:
    with pytest.raises((ValueError, KeyError, OSError, IndexError)):
        await Prompt(platform).take(line)


async def test_what_we_said_is_shown_with_its_buttons(platform: Telegram) -> None:
    platform.saw("1", "Which one?\nOr none?", id="9", buttons=[("Refund", "refund")])
    assert shown(platform.lines[0]) == ["< Which one?", "< Or none?", "  (1) Refund"]
