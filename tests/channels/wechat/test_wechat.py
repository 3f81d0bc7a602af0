"""WeChat's official accounts: the vendors' vectors, what comes, what may be answered, and a token that ends early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels import _wechat_crypto as crypto
from channels._platforms.base import File
from channels._platforms.wechat import AES_KEY, APP_ID, TOKEN, WeChat, seal, signed, xml
from channels._query_signature import signature
from channels._xml import MAX_DEPTH, read_xml
from channels.base import (
    Attachment,
    BadPayload,
    BadSignature,
    Expired,
    Inbound,
    Outbound,
    Refused,
    Request,
    Secret,
    Unauthorized,
)
from channels.wechat import Settings
from channels.wechat import WeChat as Channel
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
FOLLOWER = "oMgHVjngRipVsoxg6TuX3vz6glDg"


def channel(**changes: Any) -> Channel:
    tree = {"app_id": APP_ID, "app_secret": "s", "token": TOKEN, "aes_key": AES_KEY, **changes}
    return Channel("main", config.convert(tree, Settings))


def delivery(message: dict[str, Any], *, at: datetime = NOW, **how: Any) -> Request:
    sealed = seal(xml(message), b"0123456789abcdef", **how)
    query = signed(str(int(at.timestamp())), "77", sealed)
    body = f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()
    return Request(url="https://intake.example/in/wechat/main", query=query, body=body, at=NOW)


def said(**content: Any) -> dict[str, Any]:
    base = {"ToUserName": "gh_1", "FromUserName": FOLLOWER, "CreateTime": int(NOW.timestamp()), "MsgType": "text"}
    return {**base, "MsgId": "1", **content}


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def reply(text: str = "收到。", **more: Any) -> Outbound:
    return Outbound(key="k1", channel="wechat", account="main", thread=FOLLOWER, text=text, **more)


# --- signatures and encryption


def test_the_vendors_signatures() -> None:
    assert signature("AAAAA", "1714037059", "486452656") == "899cf89e464efb63f54ddac96b0a0a235f53aa78"
    assert signature("testtoken123", "1700000000", "847263") == "0592e36abe49fe045db0d6d9e8aef00aa4d44db7"


def test_the_vendors_encrypted_message() -> None:
    sealed = "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q=="
    assert signature("123456", "1411443780", "437374425", sealed) == "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"
    key = crypto.aes_key(Secret("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"))
    assert crypto.opened([key], "wx49f0ab532d5d035a", sealed) == b"5927782489442352469"
    with pytest.raises(BadPayload):
        crypto.opened([key], "wx0000000000000000", sealed)


def test_the_fake_encrypts_as_the_vendor_does() -> None:
    wanted = (
        "QCTqNwyPmqRu4xuyqVsja5s+0ClVuEaW2zX8wnejNT2huKxNlR1FPuGspGDb+e+57DwfI6w/M/Ot/r8ooNuM0ME6f5fWDeMMBX3Yh+QCewQp"
        "EX1zjmmuVxS4UekV/ZOF"
    )
    message = b"<xml><ToUserName><![CDATA[gh_1]]></ToUserName></xml>"
    assert seal(message, b"1234567890123456") == wanted
    assert signed("1700000000", "847263", wanted, token="testtoken123")["msg_signature"] == (
        "471af65c1a8e1c20f959cd3d22ba2cce122ab766"
    )


@pytest.mark.parametrize("age", [timedelta(minutes=11), timedelta(minutes=-11)])
def test_an_old_request_is_no_request(age: timedelta) -> None:
    with pytest.raises(BadSignature):
        channel().accept(delivery(said(Content="x"), at=NOW - age))


def test_what_is_not_encrypted_proves_nothing() -> None:
    query = signed(str(int(NOW.timestamp())), "77", "")
    with pytest.raises(BadSignature):
        channel().accept(Request(query=query, body=xml(said(Content="x")), at=NOW))
    plain = channel(mode="plain", aes_key="")
    (message,) = plain.accept(Request(query=query, body=xml(said(Content="x")), at=NOW))
    assert message.text == "x"


def test_the_compatible_mode_reads_the_encrypted_copy_alone() -> None:
    good = delivery(said(Content="the truth"))
    body = good.body.replace(b"<xml>", b"<xml><Content>a lie</Content><FromUserName>somebody</FromUserName>")
    (message,) = channel(mode="compatible").accept(msgspec.structs.replace(good, body=body))
    assert (message.text, message.sender.id) == ("the truth", FOLLOWER)


def test_the_key_before_the_last_change_still_opens() -> None:
    old = "z" * 42 + "A"
    request = delivery(said(Content="x"), key=old)
    with pytest.raises(BadPayload):
        channel().accept(request)
    assert channel(old_aes_key=old).accept(request)[0].text == "x"


def test_json_is_read_as_well() -> None:
    sealed = seal(msgspec.json.encode(said(Content="灯", MsgId=7)), b"0123456789abcdef")
    request = Request(
        query=signed(str(int(NOW.timestamp())), "77", sealed), body=msgspec.json.encode({"Encrypt": sealed}), at=NOW
    )
    (message,) = channel().accept(request)
    assert (message.text, message.external_id) == ("灯", "7")


@pytest.mark.parametrize("settings", [{"aes_key": "short"}, {"aes_key": ""}, {"token": ""}, {"app_secret": ""}])
def test_without_its_credentials_it_does_not_start(settings: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"must|43"):
        channel(**settings)


# --- XML


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Content>&a;</Content></xml>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>',
        b"<xml>" + b"<a>" * (MAX_DEPTH + 1),
        b"<xml><a></xml>",
        b"<xml>&undefined;</xml>",
        b"\xff\xfe\x00",
    ],
)
def test_hostile_xml_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        read_xml(body)


def test_xml_as_a_tree() -> None:
    assert read_xml(b"<xml><a>1</a><b><c>2</c></b><i>x</i><i>y</i><e/></xml>") == {
        "a": "1",
        "b": {"c": "2"},
        "i": ["x", "y"],
        "e": "",
    }


# --- what comes


def read(**content: Any) -> Inbound:
    return channel().accept(delivery(said(**content)))[0]


def test_places_links_and_what_cannot_be_shown() -> None:
    place = read(MsgType="location", Location_X="23.13", Location_Y="113.35", Scale=20, Label="体育西路")
    assert (place.text, place.placeholder) == ("📍 体育西路 (23.13, 113.35)", "a location")
    assert (
        read(MsgType="link", Title="订单", Description="", Url="https://x.example/1").text
        == "订单\nhttps://x.example/1"
    )
    odd = read(MsgType="hologram")
    assert (odd.text, odd.kind) == ("", "message")
    assert "hologram" in odd.placeholder


@pytest.mark.parametrize("kind", ["device_text", "device_event", "device_status"])
def test_what_a_bound_device_sends_is_nobodys_word(kind: str) -> None:
    assert channel().accept(delivery(said(MsgType=kind, DeviceID="123", Content="MTIz"))) == ()


@pytest.mark.parametrize(
    ("kind", "more", "type"),
    [
        ("image", {}, "image/jpeg"),
        ("voice", {"Format": "amr"}, "audio/amr"),
        ("voice", {"Format": "speex"}, "audio/speex"),
        ("video", {}, "video/mp4"),
        ("shortvideo", {}, "video/mp4"),
    ],
)
def test_files_are_named_for_fetching(kind: str, more: dict[str, str], type: str) -> None:
    (file,) = read(MsgType=kind, MediaId="m-1", **more).attachments
    assert (file.url, file.type, file.state) == ("media:m-1", type, "pending")


@pytest.mark.parametrize("event", ["CLICK", "VIEW", "SCAN", "TEMPLATESENDJOBFINISH", "kf_switch_session", "LOCATION"])
def test_housekeeping_is_no_message(event: str) -> None:
    assert channel().accept(delivery(said(MsgType="event", Event=event, EventKey="1"))) == ()


def test_who_ceases_to_follow_cannot_be_reached() -> None:
    gone = read(MsgType="event", Event="unsubscribe", MsgId="")
    assert (gone.kind, gone.machine, gone.replies_until) == ("status", "blocked", None)
    assert gone.external_id == f"{FOLLOWER}:{int(NOW.timestamp())}:unsubscribe:"


# --- what goes out


async def test_a_token_that_ends_early_is_renewed_once(tools: GatewayTools) -> None:
    async with WeChat() as platform:
        platform.wrote[FOLLOWER] = platform.now()
        ours = channel(**platform.settings)
        await ours.send(reply("一"), tools)
        await ours.send(reply("二"), tools)
        assert platform.tokens_given == 1
        platform.expire_token()
        await ours.send(reply("三"), tools)
        assert platform.tokens_given == 2
        assert [line["text"] for line in platform.sent] == ["一", "二", "三"]


async def test_five_messages_within_48_hours_and_no_more(tools: GatewayTools) -> None:
    async with WeChat() as platform:
        platform.wrote[FOLLOWER] = platform.now()
        ours = channel(**platform.settings)
        for _ in range(5):
            await ours.send(reply(), tools)
        with pytest.raises(Expired):
            await ours.send(reply(), tools)
        platform.replies.clear()
        platform.wrote[FOLLOWER] = platform.now() - timedelta(hours=49)
        with pytest.raises(Expired):
            await ours.send(reply(), tools)
        with pytest.raises(Refused):
            await ours.send(msgspec.structs.replace(reply(), thread="nobody"), tools)


async def test_pictures_are_uploaded_and_other_files_refused_with_the_reason(
    tools: GatewayTools, tmp_path: Path
) -> None:
    photo = await Blobs(tmp_path / "blobs").put(
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", name='a"b.gif', type="image/gif", limit=999
    )
    async with WeChat() as platform:
        platform.wrote[FOLLOWER] = platform.now()
        ours = channel(**platform.settings)
        await ours.send(reply("", attachments=(photo,)), tools)
        assert len(platform.sent[0]["files"]) == 1
        pdf = Attachment(name="a.pdf", type="application/pdf", size=9, digest=photo.digest, state="kept")
        with pytest.raises(Refused, match="application/pdf"):
            await ours.send(reply("", attachments=(pdf,)), tools)


async def test_a_customers_file_is_fetched_with_the_token(tools: GatewayTools) -> None:
    async with WeChat() as platform:
        id = platform.keep(File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff"))
        call = await channel(**platform.settings).fetching(Attachment(url=f"media:{id}"), tools)
        answer = await tools.http(call)
        assert (answer.status, answer.body) == (200, b"\xff\xd8\xff")
        assert platform.token not in repr(call)


async def test_a_wrong_secret_is_told_to_the_operator(tools: GatewayTools) -> None:
    async with WeChat() as platform:
        wrong = channel(**{**platform.settings, "app_secret": "another"})
        (finding,) = await wrong.check(tools)
        assert not finding.ok
        assert "app_secret" in finding.detail
        with pytest.raises(Unauthorized):
            await wrong.send(reply(), tools)


async def test_many_at_once_get_their_answers(tools: GatewayTools) -> None:
    async with WeChat() as platform:
        ours = channel(**platform.settings)
        for n in range(20):
            platform.wrote[f"f{n}"] = platform.now()
        outs = [msgspec.structs.replace(reply(str(n)), thread=f"f{n}") for n in range(20)]
        await asyncio.gather(*(ours.send(out, tools) for out in outs))
        assert {line["thread"]: line["text"] for line in platform.sent} == {f"f{n}": str(n) for n in range(20)}
