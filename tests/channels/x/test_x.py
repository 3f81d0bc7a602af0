"""X: the vectors, posts that everybody reads, and what is off until somebody knows what is unproven."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels._platforms.x import CONSUMER_SECRET, TOKEN, USER, X, sign
from channels.base import Inbound, Outbound, Refused, Request, Retry
from channels.x import Settings
from channels.x import X as Channel
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TREE = {"unproven": True, "consumer_secret": CONSUMER_SECRET, "token": TOKEN, "user_id": USER}


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def channel(**changes: Any) -> Channel:
    return Channel("main", config.convert({**TREE, **changes}, Settings))


def accept(tree: Any) -> tuple[Inbound, ...]:
    body = json.dumps(tree).encode()
    return channel().accept(Request(headers={"x-twitter-webhooks-signature": sign(body)}, body=body, at=NOW))


def post(**more: Any) -> dict[str, Any]:
    base = {
        "created_at": "Mon Dec 23 13:20:23 +0000 2019",
        "id_str": "9",
        "text": "@shop it &lt;broke&gt;",
        "user": {"id_str": "7"},
    }
    return {"for_user_id": USER, "tweet_create_events": [{**base, **more}]}


def reply(thread: str, **more: Any) -> Outbound:
    return Outbound(key="k", channel="x", account="main", thread=thread, text="Please write to us.", **more)


def test_it_starts_only_for_who_knows_what_is_unproven() -> None:
    with pytest.raises(Exception, match="unproven"):
        channel(unproven=False)


def test_the_vectors() -> None:
    ours = channel(consumer_secret="x-consumer-secret-1")
    answer = ours.handshake(Request(method="GET", query={"crc_token": "challenge_string"}, at=NOW))
    assert answer is not None
    assert json.loads(answer.body) == {"response_token": "sha256=BZg+oRfBaXR72d1lukzK6Kr4tuI5iOlDr/k3qZh7L1s="}
    body = b'{"for_user_id":"1"}'
    headers = {"x-twitter-webhooks-signature": "sha256=zgX/tZXMSSH62I34oqthOLC9XP0kWXQBhPBfdDqfEtU="}
    assert ours.accept(Request(headers=headers, body=body, at=NOW)) == ()


def test_mentions_are_public() -> None:
    (mention,) = accept(post())
    assert (mention.thread, mention.text, mention.public) == ("public:9", "@shop it <broke>", True)
    assert mention.at == datetime(2019, 12, 23, 13, 20, 23, tzinfo=UTC)
    (answer,) = accept(post(in_reply_to_status_id_str="5"))
    assert (answer.thread, answer.reply_to) == ("public:5", "5")
    assert accept(post(user={"id_str": USER}))[0].machine == "echo"
    assert accept(post(retweeted_status={"id_str": "1"})) == ()
    assert accept(post(extended_tweet={"full_text": "the whole"}))[0].text == "the whole"


def test_housekeeping_is_no_message() -> None:
    for kind in ("direct_message_mark_read_events", "follow_events", "favorite_events"):
        assert accept({"for_user_id": USER, kind: [{}], "users": {}}) == ()


def test_the_newer_envelope() -> None:
    flat = {"id": "1", "event_type": "MessageCreate", "sender_id": "7", "dm_conversation_id": f"7-{USER}", "text": "hi"}
    flat["created_at"] = "2026-11-22T07:00:00.000Z"
    (message,) = accept({"data": {"event_uuid": "u", "event_type": "dm.received", "payload": flat}})
    assert (message.thread, message.text, message.at.hour) == ("7", "hi", 7)
    (secret,) = accept({"data": {"event_uuid": "u", "event_type": "chat.received", "payload": {}}})
    assert "encrypted" in secret.placeholder


async def test_a_post_is_answered_where_it_stands(tools: GatewayTools) -> None:
    async with X() as platform:
        ours = channel(**platform.settings)
        await ours.send(reply("public:9"), tools)
        await ours.send(reply("public:5", reply_to="9"), tools)
        assert [line["reply_to"] for line in platform.sent] == ["9", "9"]


async def test_who_takes_no_messages_is_no_fault_of_the_token(tools: GatewayTools) -> None:
    async with X() as platform:
        platform.script = [(403, {}), (429, {"x-rate-limit-reset": "99999999999"})]
        with pytest.raises(Refused):
            await channel(**platform.settings).send(reply("7"), tools)
        with pytest.raises(Retry) as caught:
            await channel(**platform.settings).send(reply("7"), tools)
        assert caught.value.everyone
