"""Slack: the vendor's signature, threads, markup, and a WebSocket whose events come again until they are acknowledged."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels._platforms.base import File
from channels._platforms.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, Slack, sign
from channels._slack_events import plain
from channels.base import (
    Attachment,
    BadSignature,
    Button,
    Delivery,
    Inbound,
    Outbound,
    Refused,
    Request,
    Retry,
    Unauthorized,
)
from channels.slack import Settings
from channels.slack import Slack as Channel
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def channel(**changes: Any) -> Channel:
    tree = {"bot_token": BOT_TOKEN, "signing_secret": SIGNING_SECRET, **changes}
    return Channel("main", config.convert(tree, Settings))


def delivery(event: Any, at: datetime = NOW) -> Request:
    body = json.dumps(event).encode()
    return Request(headers=sign(body, str(int(at.timestamp()))), body=body, at=NOW)


def message(**more: Any) -> dict[str, Any]:
    event = {
        "type": "message",
        "user": "U1",
        "channel": "D1",
        "channel_type": "im",
        "text": "hi",
        "ts": "1795330800.000100",
    }
    return {"type": "event_callback", "event_id": "Ev1", "event": {**event, **more}}


def read(**more: Any) -> tuple[Inbound, ...]:
    return channel(channels=True).accept(delivery(message(**more)))


def reply(thread: str = "D1", **more: Any) -> Outbound:
    return Outbound(key="k1", channel="slack", account="main", thread=thread, **{"text": "Got it.", **more})


# --- who calls


def test_the_vendors_signature() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a"
        b"14d10d2c447fce8b6703c"
    )
    wanted = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"x-slack-request-timestamp": "1531420618", "x-slack-signature": wanted}
    ours = channel(signing_secret="8f742231b10e8888abcd99yyyzzz85a5")
    at = datetime.fromtimestamp(1531420618, UTC)
    with pytest.raises(Exception) as caught:
        ours.accept(Request(headers=headers, body=body, at=at))
    assert not isinstance(caught.value, BadSignature)
    for later in (timedelta(minutes=6), timedelta(minutes=-6)):
        with pytest.raises(BadSignature):
            ours.accept(Request(headers=headers, body=body, at=at + later))


def test_a_stranger_learns_nothing_from_the_handshake() -> None:
    body = b'{"type": "url_verification", "challenge": "x"}'
    with pytest.raises(BadSignature):
        channel().handshake(Request(headers={}, body=body, at=NOW))


@pytest.mark.parametrize("settings", [{"bot_token": ""}, {"mode": "socket"}, {"signing_secret": ""}])
def test_without_its_credentials_it_does_not_start(settings: dict[str, str]) -> None:
    with pytest.raises(Exception, match="must not be empty"):
        channel(**settings)


# --- what is said


def test_threads() -> None:
    (direct,) = read()
    (inside,) = read(thread_ts="1795330000.000001")
    (public,) = read(channel="C1", channel_type="channel")
    assert [direct.thread, inside.thread, public.thread] == [
        "D1",
        "D1:1795330000.000001",
        "public:C1:1795330800.000100",
    ]
    assert public.public
    assert channel().accept(delivery(message(channel="C1", channel_type="channel"))) == ()


def test_markup_is_read_as_people_read_it() -> None:
    said = (
        "<@U1|wang> see <https://x.example/a?b=1&amp;c=2|the page> or <https://y.example> &lt;3 <!here> <#C1|general>"
    )
    assert plain(said) == "@wang see the page (https://x.example/a?b=1&c=2) or https://y.example <3 @here #general"
    assert plain("<mailto:a@x.example|a@x.example>") == "a@x.example"


def test_bots_are_not_customers() -> None:
    assert read(bot_id="B1")[0].machine == "echo"
    assert read(subtype="bot_message", bot_id="B1", user=None)[0].machine == "echo"
    for subtype in ("channel_join", "channel_topic", "reminder_add"):
        assert read(subtype=subtype) == ()


def test_a_link_that_slack_unfolds_is_no_edit() -> None:
    same = {"type": "message", "user": "U1", "text": "hi", "ts": "1795330800.000100"}
    assert read(subtype="message_changed", message=same, previous_message=same) == ()


@pytest.mark.parametrize(
    "kind", ["channel_archive", "reaction_added", "pin_removed", "team_join", "member_joined_channel"]
)
def test_housekeeping_is_no_message(kind: str) -> None:
    assert channel().accept(delivery({"type": "event_callback", "event_id": "E", "event": {"type": kind}})) == ()


# --- what goes out


async def test_words_go_as_words(tools: GatewayTools) -> None:
    async with Slack() as platform:
        await channel(**platform.settings).send(reply(text="a < b & <@U1> *no markup*"), tools)
        assert platform.sent[0]["text"] == "a < b & <@U1> *no markup*"


async def test_answers_go_into_their_thread(tools: GatewayTools) -> None:
    async with Slack() as platform:
        ours = channel(**platform.settings)
        for thread in ("D1", "D1:1795330000.000001", "public:C1:1795330800.000100"):
            await ours.send(reply(thread), tools)
        assert [line["thread"] for line in platform.sent] == [
            "D1",
            "D1:1795330000.000001",
            "public:C1:1795330800.000100",
        ]


async def test_choices_come_back_as_they_went(tools: GatewayTools) -> None:
    async with Slack() as platform:
        await platform.say("hi")
        thread = platform.thread_of(platform.person("王芳"))
        await channel(**platform.settings).send(reply(thread, buttons=(Button(label="退款", value="refund"),)), tools)
        await platform.say(choice="refund")
        call = platform.webhook(platform.held[-1])
        (pressed,) = channel().accept(Request(headers=call.headers, body=call.body, at=platform.now()))
        assert (pressed.choice, pressed.text, pressed.thread) == ("refund", "退款", thread)


async def test_files_go_both_ways(tools: GatewayTools, tmp_path: Path) -> None:
    kept = await Blobs(tmp_path / "blobs").put(b"%PDF-1.4 x", name="小票.pdf", type="application/pdf", limit=999)
    async with Slack() as platform:
        ours = channel(**platform.settings)
        await ours.send(reply(text="See here.", attachments=(kept,)), tools)
        assert platform.lines[-1].files[0].data == b"%PDF-1.4 x"
        assert platform.sent[0]["text"] == "See here."
        id = platform.keep(File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff"))
        call = await ours.fetching(Attachment(url=f"{platform.url}/files/{id}"), tools)
        assert (await tools.http(call)).body == b"\xff\xd8\xff"
        stranger = await ours.fetching(Attachment(url="https://evil.example/files/1"), tools)
        assert not stranger.headers


async def test_what_slack_says_in_the_body(tools: GatewayTools) -> None:
    async with Slack() as platform:
        with pytest.raises(Unauthorized):
            await channel(**{**platform.settings, "bot_token": "xoxb-other"}).send(reply(), tools)
        with pytest.raises(Refused, match="no_text"):
            await channel(**platform.settings).send(reply(text=""), tools)
        platform.script = [(429, {"Retry-After": "7"})]
        with pytest.raises(Retry) as caught:
            await channel(**platform.settings).send(reply(), tools)
        assert (caught.value.after, caught.value.everyone) == (7.0, True)


# --- the WebSocket


async def next_message(deliveries: Any) -> Delivery:
    async for delivery in deliveries:
        if delivery.messages:
            found: Delivery = delivery
            return found
    raise AssertionError("the WebSocket ended")


async def test_an_event_comes_again_until_it_is_acknowledged(tools: GatewayTools) -> None:
    async with Slack() as platform:
        assert channel(**platform.settings).pulling
        await platform.say("灯笼坏了")
        first = channel(**platform.settings).deliveries(None, tools)
        lost = await next_message(first)
        assert lost.messages[0].text == "灯笼坏了"
        await first.aclose()  # it ends between the commit and the acknowledgement
        assert len(platform.held) == 1
        second = channel(**platform.settings).deliveries(None, tools)
        again = await next_message(second)
        assert again.messages[0].external_id == lost.messages[0].external_id
        assert again.ack is not None
        await again.ack()
        await platform.say("还在吗")
        following = await next_message(second)
        assert following.messages[0].text == "还在吗"
        assert len(platform.held) == 1
        await second.aclose()


async def test_slack_may_want_the_connection_anew(tools: GatewayTools) -> None:
    async with Slack() as platform:
        deliveries = channel(**platform.settings).deliveries(None, tools)
        assert (await anext(deliveries)).messages == ()
        await platform.refresh()
        await platform.say("after it")
        assert (await next_message(deliveries)).messages[0].text == "after it"
        await deliveries.aclose()


async def test_what_cannot_be_read_is_shown_and_acknowledged(tools: GatewayTools) -> None:
    async with Slack() as platform:
        platform.held.append({"type": "event_callback", "event": {"type": "message", "channel": "D1", "ts": 7}})
        deliveries = channel(**platform.settings).deliveries(None, tools)
        odd = await next_message(deliveries)
        assert odd.messages[0].placeholder
        assert odd.ack is not None
        await deliveries.aclose()


async def test_wrong_tokens_are_told(tools: GatewayTools) -> None:
    async with Slack() as platform:
        wrong = channel(**{**platform.settings, "app_token": "xapp-other"})
        assert [finding.ok for finding in await wrong.check(tools)] == [True, False]
        with pytest.raises(Unauthorized):
            await anext(wrong.deliveries(None, tools))
        assert APP_TOKEN not in repr(vars(wrong))
