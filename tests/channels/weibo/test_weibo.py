"""Weibo: the vendor's vector, mentions, and what is off until somebody knows what is unproven."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from channels._platforms.weibo import APP_SECRET, TOKEN, signed
from channels.base import Inbound, Request
from channels.weibo import Settings, Weibo
from gateway import config

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SAID = {"type": "text", "sender_id": 7, "created_at": "Mon Jul 16 18:09:20 +0800 2012", "text": "hi", "data": {}}


def channel(**changes: Any) -> Weibo:
    tree = {"unproven": True, "app_secret": APP_SECRET, "token": TOKEN, **changes}
    return Weibo("main", config.convert(tree, Settings))


def read(**more: Any) -> Inbound:
    body = json.dumps({**SAID, **more}).encode()
    return channel().accept(Request(query=signed(str(int(NOW.timestamp() * 1000)), "1"), body=body, at=NOW))[0]


def test_the_vendors_vector() -> None:
    found = signed("1397022061823", "57155157", "xyz123xyz")
    assert found["signature"] == "90e4c22c90a58f26526c2dd5b6c56c8822edeaa1"


def test_it_starts_only_for_who_knows_what_is_unproven() -> None:
    with pytest.raises(Exception, match="unproven"):
        channel(unproven=False)


def test_kinds() -> None:
    assert read().at == datetime(2012, 7, 16, 10, 9, 20, tzinfo=UTC)
    assert read(type="mention").thread == "public:7"
    assert read(type="image").placeholder == "[image]"
    assert read(type="position", data={"latitude": "1", "longitude": "2"}).text == "📍 (1, 2)"
    gone = read(type="event", data={"subtype": "unfollow"})
    assert (gone.kind, gone.machine) == ("status", "blocked")
    assert read(type="event", data={"subtype": "menu"}).kind == "event"


def test_the_same_words_of_another_second_are_another_message() -> None:
    assert read().external_id == read().external_id
    assert read().external_id != read(created_at="Mon Jul 16 18:09:21 +0800 2012").external_id
