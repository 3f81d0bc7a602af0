"""WeCom: the vendor's vector, callbacks that wake, cursors that move with the commit, and what comes back of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels._platforms.base import File
from channels._platforms.wecom import WeCom
from channels.base import Attachment, BadSignature, Expired, Inbound, Outbound, Refused, Request, Unauthorized
from channels.wecom import Settings
from channels.wecom import WeCom as Channel
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.channels.wecom import case


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def channel(**changes: Any) -> Channel:
    return Channel("main", config.convert({**case.SETTINGS, **changes}, Settings))


async def pages(ours: Channel, tools: GatewayTools, cursor: str | None = "") -> tuple[list[Inbound], str]:
    """All messages until the channel has nothing more to ask for, and the cursor then."""
    found: list[Inbound] = []
    async for delivery in ours.deliveries(cursor, tools):
        if not delivery.messages and delivery.cursor is None:
            return found, cursor or ""
        found, cursor = [*found, *delivery.messages], delivery.cursor
    raise AssertionError("it asks for ever")


# --- callbacks


def test_the_vendors_set_up_request() -> None:
    ours = channel(corp_id="wx5823bf96d3bd56c7", token="QDG6eK", aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")
    query = {
        "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        "timestamp": "1409659589",
        "nonce": "263014780",
        "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
    }
    at = datetime.fromtimestamp(1409659589, UTC)
    answer = ours.handshake(Request(method="GET", query=query, at=at))
    assert answer is not None
    assert answer.body == b"1616140317555161061"
    for wrong in ({**query, "echostr": query["echostr"][:-4] + "AAA="}, {**query, "msg_signature": ""}):
        with pytest.raises(BadSignature):
            ours.handshake(Request(method="GET", query=wrong, at=at))
    with pytest.raises(BadSignature):
        ours.handshake(Request(method="GET", query=query, at=at + timedelta(minutes=11)))


async def test_a_callback_wakes_the_watcher_and_says_nothing_itself(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        ours = channel(**platform.settings)
        deliveries = ours.deliveries("", tools)
        while (await anext(deliveries)).cursor is not None:
            pass
        waiting = asyncio.ensure_future(anext(deliveries))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await platform.say("灯笼坏了")
        call = platform.webhook(platform.items[-1])
        request = Request(query=dict(_query(call.url)), body=call.body, at=platform.now())
        assert ours.accept(request) == ()
        (message,) = (await waiting).messages
        assert message.text == "灯笼坏了"
        await deliveries.aclose()
        with pytest.raises(BadSignature):
            ours.accept(msgspec.structs.replace(request, query={**request.query, "nonce": "1"}))


def _query(url: str) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    return parse_qsl(url.partition("?")[2])


# --- asking


async def test_pages_are_asked_for_until_there_is_no_more(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        for n in range(2500):
            platform.items.append(_said(f"m{n}", platform.now()))
        messages, cursor = await pages(channel(**platform.settings), tools)
        assert [m.external_id for m in messages] == [f"m{n}" for n in range(2500)]
        platform.items.append(_said("later", platform.now()))
        messages, _ = await pages(channel(**platform.settings), tools, cursor)
        assert [m.external_id for m in messages] == ["later"]


def _said(id: str, at: datetime, **more: Any) -> dict[str, Any]:
    base = {"msgid": id, "open_kfid": "wk", "external_userid": "wm1", "send_time": int(at.timestamp()), "origin": 3}
    return {**base, "msgtype": "text", "text": {"content": id}, **more}


async def test_what_was_said_before_the_first_connect_is_history(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        platform.items.append(_said("yesterday", platform.now() - timedelta(days=1)))
        platform.items.append(_said("now", platform.now()))
        messages, _ = await pages(channel(**platform.settings), tools, None)
        assert [(m.external_id, m.silent) for m in messages] == [("yesterday", "history"), ("now", "")]


async def test_kinds_of_messages(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        now = platform.now()
        spot = {"latitude": 23.1, "longitude": 113.3, "name": "体育西路站", "address": "天河区"}
        platform.items += [
            _said("a", now, msgtype="location", location=spot),
            _said("b", now, msgtype="file", file={"media_id": "F"}),
            _said("c", now, text={"content": "退款", "menu_id": "refund"}),
            _said("d", now, msgtype="channels_shop_product", channels_shop_product={"price": 1}),
            _said("e", now, origin=5),
            {"msgid": "f", "odd": True},
        ]
        place, file, menu, unknown, own, unread = (await pages(channel(**platform.settings), tools))[0]
        assert (place.text, place.placeholder) == ("📍 体育西路站 天河区 (23.1, 113.3)", "a location")
        assert file.attachments[0].url == "media:F"
        assert (menu.text, menu.choice) == ("退款", "refund")
        assert "channels_shop_product" in unknown.placeholder
        assert (own.machine, own.replies_until) == ("echo", None)
        assert unread.placeholder
        assert b'"odd"' in unread.raw


async def test_events(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        id = await platform.say("发错了")
        await platform.say(delete_of=id)
        base = {"send_time": int(platform.now().timestamp()), "origin": 4, "msgtype": "event"}
        for n, kind in enumerate(("enter_session", "session_status_change", "quantum_leap")):
            event = {"event_type": kind, "open_kfid": "wk", "external_userid": "wm1"}
            platform.items.append({**base, "msgid": f"e{n}", "event": event})
        failed = {"event_type": "msg_send_fail", "external_userid": "wm1", "fail_msgid": "k1", "fail_type": 6}
        platform.items.append({**base, "msgid": "e9", "event": failed})
        messages, _ = await pages(channel(**platform.settings), tools)
        assert [(m.kind, m.refers_to, m.delivery) for m in messages] == [
            ("message", "", ""),
            ("delete", id, ""),
            ("event", "", ""),
            ("status", "k1", "failed"),
        ]
        assert "five messages" in messages[-1].text


# --- what goes out


def reply(thread: str, **more: Any) -> Outbound:
    return Outbound(key="wecom/1/reply0", channel="wecom", account="main", thread=thread, text="收到。", **more)


async def test_a_message_of_ours_has_an_id_of_ours(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        await platform.say("你好")
        thread = platform.person("王芳").id
        (id,) = (await channel(**platform.settings).send(reply(thread), tools)).external_ids
        assert id == platform.sent[0]["id"]
        assert len(id) <= 32
        assert id.isalnum()


async def test_five_messages_and_no_more(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        await platform.say("你好")
        thread = platform.person("王芳").id
        ours = channel(**platform.settings)
        for _ in range(5):
            await ours.send(reply(thread), tools)
        with pytest.raises(Expired):
            await ours.send(reply(thread), tools)
        with pytest.raises(Refused):
            await ours.send(reply("nobody"), tools)


async def test_files_go_both_ways(tools: GatewayTools, tmp_path: Path) -> None:
    kept = await Blobs(tmp_path / "blobs").put(b"%PDF-1.4 x", name="小票.pdf", type="application/pdf", limit=999)
    async with WeCom() as platform:
        await platform.say("看图", files=(File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff"),))
        ours = channel(**platform.settings)
        words, picture = (await pages(ours, tools))[0]
        assert (words.text, words.attachments) == ("看图", ())
        answer = await tools.http(await ours.fetching(picture.attachments[0], tools))
        assert answer.body == b"\xff\xd8\xff"
        await ours.send(reply(picture.thread, attachments=(kept,)), tools)
        assert platform.lines[-1].files[0].data == b"%PDF-1.4 x"


async def test_wrong_credentials_are_told(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        (finding,) = await channel(**{**platform.settings, "secret": "another"}).check(tools)
        assert not finding.ok
        (finding,) = await channel(**{**platform.settings, "open_kfid": "wkother"}).check(tools)
        assert not finding.ok
        assert platform.settings["open_kfid"] in finding.detail
        with pytest.raises(Unauthorized):
            await pages(channel(**{**platform.settings, "secret": "another"}), tools)


async def test_a_file_that_is_gone_is_a_plain_error(tools: GatewayTools) -> None:
    async with WeCom() as platform:
        call = await channel(**platform.settings).fetching(Attachment(url="media:none"), tools)
        assert (await tools.http(call)).status == 404
