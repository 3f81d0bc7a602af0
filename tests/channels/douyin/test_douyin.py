"""Douyin: the vector, content in both forms, and what is off until somebody knows what is unproven."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels._platforms.douyin import CLIENT_SECRET, OPEN_ID, TOKEN, sign
from channels.base import BadSignature, Inbound, Request
from channels.douyin import Douyin, Settings
from gateway import config

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HERE = Path(__file__).parent


def channel(**changes: Any) -> Douyin:
    tree = {"unproven": True, "client_secret": CLIENT_SECRET, "token": TOKEN, "open_id": OPEN_ID, **changes}
    return Douyin("main", config.convert(tree, Settings))


def accept(tree: Any) -> tuple[Inbound, ...]:
    body = json.dumps(tree).encode()
    return channel().accept(Request(headers={"x-douyin-signature": sign(body)}, body=body, at=NOW))


def capture(name: str = "text", **content: Any) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    tree["content"] |= content
    return tree


def test_the_vector() -> None:
    body = b'{"event":"verify_webhook","client_key":"abc","content":{"challenge":12345}}'
    assert sign(body, "douyin-secret-1") == "20a527dd702764fc8130123b91e3ff9dc3bb88f3"
    ours, headers = channel(client_secret="douyin-secret-1"), {"x-douyin-signature": sign(body, "douyin-secret-1")}
    answer = ours.handshake(Request(headers=headers, body=body, at=NOW))
    assert answer is not None
    assert json.loads(answer.body) == {"challenge": 12345}
    with pytest.raises(BadSignature):
        ours.handshake(Request(headers={}, body=body, at=NOW))


def test_it_starts_only_for_who_knows_what_is_unproven() -> None:
    with pytest.raises(Exception, match="unproven"):
        channel(unproven=False)


def test_content_comes_as_a_tree_or_as_a_text() -> None:
    tree = capture()
    (plain,) = accept(tree)
    (text,) = accept({**tree, "content": json.dumps(tree["content"])})
    assert (plain.text, plain.sender.name) == (text.text, text.sender.name)
    assert plain.sender.name == "王芳"


def test_kinds() -> None:
    assert accept(capture(message_type="image"))[0].placeholder == "[image]"
    gone = accept(capture("delete"))[0]
    assert (gone.kind, gone.refers_to, gone.thread) == ("delete", "7123456789", "7112345/_000wangfang")
    assert accept(capture() | {"event": "im_enter_direct_msg"}) == ()
