"""LINE: the vendor's signature, what comes of each event, and messages that a repeat does not double."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels._platforms.base import File
from channels._platforms.line import CHANNEL_SECRET, TOKEN, Line
from channels.base import Attachment, BadSignature, Button, Inbound, Outbound, Refused, Request, Unknown
from channels.line import Line as Channel
from channels.line import Settings
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
USER = "U206d25c2ea6bd87c17655609a1c37cb8"


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def channel(**changes: Any) -> Channel:
    return Channel("main", config.convert({"channel_secret": CHANNEL_SECRET, "token": TOKEN, **changes}, Settings))


def delivery(*events: dict[str, Any], secret: str = CHANNEL_SECRET) -> Request:
    body = msgspec.json.encode({"destination": "U0", "events": events})
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return Request(headers={"x-line-signature": signature}, body=body, at=NOW)


def event(kind: str, **more: Any) -> dict[str, Any]:
    source = {"type": "user", "userId": USER}
    base = {"type": kind, "mode": "active", "timestamp": 1795330800000, "source": source, "webhookEventId": "01K"}
    return {**base, **more}


def read(kind: str, **more: Any) -> Inbound:
    return channel(groups=True).accept(delivery(event(kind, **more)))[0]


def reply(key: str = "k1", **more: Any) -> Outbound:
    return Outbound(key=key, channel="line", account="main", thread=USER, text="收到。", **more)


def test_the_vendors_signature() -> None:
    ours = channel(channel_secret="channel_secret")
    good = "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="
    request = Request(headers={"x-line-signature": good}, body=b"bodybodybodybody", at=NOW)
    with pytest.raises(Exception) as caught:
        ours.accept(request)
    assert not isinstance(caught.value, BadSignature)
    with pytest.raises(BadSignature):
        ours.accept(msgspec.structs.replace(request, headers={"x-line-signature": "invalid_signature"}))


def test_lines_own_test_has_no_events() -> None:
    assert channel().accept(delivery()) == ()


def test_kinds_of_messages() -> None:
    place = read(
        "message", message={"id": "1", "type": "location", "title": "店", "address": "台北市", "latitude": 25.0}
    )
    assert place.text.startswith("📍 店 台北市 (25.0")
    sticker = read("message", message={"id": "2", "type": "sticker", "stickerId": "1", "text": "謝謝"})
    assert (sticker.text, sticker.placeholder) == ("謝謝", "[sticker]")
    file = read("message", message={"id": "3", "type": "file", "fileName": "小票.pdf", "fileSize": 90}).attachments[0]
    assert (file.name, file.size, file.url) == ("小票.pdf", 90, "line:3")
    outside = {"type": "external", "originalContentUrl": "https://x.example/a.jpg"}
    picture = read("message", message={"id": "4", "type": "image", "contentProvider": outside, "imageSet": {"id": "A"}})
    assert (picture.attachments[0].url, picture.part_of) == ("https://x.example/a.jpg", "A")
    assert "hologram" in read("message", message={"id": "5", "type": "hologram"}).placeholder


def test_what_is_no_message() -> None:
    pressed = read("postback", postback={"data": "refund"})
    assert (pressed.choice, pressed.text) == ("refund", "refund")
    gone = read("unfollow")
    assert (gone.kind, gone.machine) == ("status", "blocked")
    for kind in ("join", "beacon", "memberJoined", "videoPlayComplete", "delivery"):
        assert channel(groups=True).accept(delivery(event(kind))) == ()


def test_groups_are_public_and_off_by_default() -> None:
    said = event("message", message={"id": "1", "type": "text", "text": "x"})
    said["source"] = {"type": "group", "groupId": "C1", "userId": USER}
    assert channel().accept(delivery(said)) == ()
    (message,) = channel(groups=True).accept(delivery(said))
    assert (message.thread, message.public, message.sender.id) == ("public:C1", True, USER)


def test_while_another_module_has_the_chat_nothing_is_answered_by_itself() -> None:
    assert read("message", mode="standby", message={"id": "1", "type": "text", "text": "x"}).silent == "person"


async def test_a_repeat_is_no_second_message(tools: GatewayTools) -> None:
    async with Line() as platform:
        ours = channel(**platform.settings)
        platform.script = [(0, {})]
        with pytest.raises(Unknown):
            await ours.send(reply(), tools)
        await ours.send(reply(), tools)
        await ours.send(reply("k2"), tools)
        assert len(platform.sent) == 2


async def test_choices_come_back_as_they_went(tools: GatewayTools) -> None:
    async with Line() as platform:
        await channel(**platform.settings).send(reply(buttons=(Button(label="退款", value="demand:refund"),)), tools)
        assert platform.sent[0]["buttons"] == ["退款"]
        await platform.say(choice="demand:refund")
        (message,) = channel().accept(delivery(platform.held[0]))
        assert message.choice == "demand:refund"


async def test_a_file_is_fetched_from_the_data_host_with_the_token_and_from_elsewhere_without(
    tools: GatewayTools,
) -> None:
    async with Line() as platform:
        ours = channel(**platform.settings)
        await platform.say(files=(File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff"),))
        (message,) = ours.accept(delivery(platform.held[0]))
        answer = await tools.http(await ours.fetching(message.attachments[0], tools))
        assert answer.body == b"\xff\xd8\xff"
        elsewhere = await ours.fetching(Attachment(url="https://x.example/a.jpg"), tools)
        assert not elsewhere.headers


async def test_the_webhook_is_entered(tools: GatewayTools) -> None:
    async with Line() as platform:
        ours = channel(**platform.settings)
        assert all(finding.ok for finding in await ours.set_up("https://intake.example/in/line/main", tools))
        assert platform.door == "https://intake.example/in/line/main"
        assert all(not finding.ok for finding in await channel(**{**platform.settings, "token": "x"}).check(tools))
        with pytest.raises(Refused):
            await ours.send(msgspec.structs.replace(reply(), text="x" * 5001), tools)
