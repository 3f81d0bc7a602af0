"""WhatsApp beyond the contract: all kinds of message, users without numbers, the window, templates, statuses, files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels._platforms.base import File
from channels._platforms.whatsapp import NUMBER
from channels.base import (
    Answer,
    Attachment,
    BadPayload,
    Button,
    Expired,
    Inbound,
    Outbound,
    Refused,
    Retry,
    Unauthorized,
    Unknown,
)
from channels.whatsapp import WhatsApp
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.contract.case import Case, load

CASE = load("whatsapp")
Platform = CASE.module.Platform
THREAD = CASE.module.THREAD
PHOTO = File(name="crack.png", type="image/png", data=b"not really a picture")


def read(kind: str, case: Case = CASE) -> list[Inbound]:
    channel: WhatsApp = case.channel()
    return list(channel.accept(case.request(case.fixture(kind))))


def out(**changes: Any) -> Outbound:
    given: dict[str, Any] = {"key": "k1", "channel": "whatsapp", "account": "main", "thread": THREAD, "text": "您好"}
    return Outbound(**{**given, **changes})


@asynccontextmanager
async def connected(folder: Path, **changes: Any) -> AsyncIterator[tuple[Any, WhatsApp, GatewayTools]]:
    """A running fake, a channel that talks to it, and what the gateway lends a channel."""
    egress = Egress(("127.0.0.0/8",))
    async with Platform() as platform:
        settings = {**platform.settings, **changes}
        yield platform, CASE.channel(**settings), GatewayTools(egress, Blobs(folder), platform.now)
    await egress.close()


# --- what comes in ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "choice", "placeholder"),
    [
        ("button", "我要退款", "refund", ""),
        ("list", "换货", "exchange", ""),
        ("form", "Sent\norder: 20261101\nfault: cracked", "", "a form that was filled in"),
        ("location", "灯笼店, 南京东路 1 号 (31.2304, 121.4737)", "", "a location"),
        ("contacts", "李明, +86 139 0013 9000, li@example.com", "", "a contact"),
        ("order", "这次别再破了\n2 × lantern-7, 59.5 CNY", "", "an order"),
        ("unsupported", "", "", "a message that WhatsApp does not pass on (poll_creation)"),
    ],
)
def test_every_kind_of_message_says_what_it_is(kind: str, text: str, choice: str, placeholder: str) -> None:
    (message,) = read(kind)
    assert (message.kind, message.text, message.choice, message.placeholder) == ("message", text, choice, placeholder)


@pytest.mark.parametrize(("kind", "refers_to"), [("reaction", "wamid.ours"), ("number_changed", "")])
def test_what_asks_for_no_answer_is_an_event(kind: str, refers_to: str) -> None:
    (message,) = read(kind)
    assert (message.kind, message.refers_to, message.replies_until) == ("event", refers_to, None)
    assert message.text
    assert not message.placeholder


def test_a_batch_keeps_people_and_numbers_apart() -> None:
    messages = read("batch")
    assert [m.sender.id for m in messages] == ["8613800138000", "GB.1349120865530274"] + ["8613800138000"] * 3
    assert [m.sender.phone for m in messages[:2]] == ["+8613800138000", ""]
    assert [m.sender.verified for m in messages[:2]] == [True, False]
    assert [m.kind for m in messages] == ["message"] * 4 + ["status"]
    assert messages[1].thread == f"{NUMBER}/GB.1349120865530274"


def test_a_voice_note_is_known_as_sound_before_it_is_fetched() -> None:
    (message,) = read("voice")
    (file,) = message.attachments
    assert (file.type, file.name, file.url) == ("audio/ogg", "voice.ogg", f"media:{NUMBER}/1908647269898587")


def test_statuses_say_what_became_of_which_message() -> None:
    sent, failed = read("statuses")
    assert (sent.kind, sent.delivery, sent.refers_to, sent.delivered_key) == ("status", "sent", "wamid.ours", "k1")
    assert (failed.delivery, failed.text) == ("failed", "131026: Message undeliverable")
    assert failed.thread == f"{NUMBER}/GB.1349120865530274"


def test_a_new_kind_with_words_keeps_them() -> None:
    body = CASE.fixture("text").replace(b'"type":"text"', b'"type":"hologram"')
    (message,) = CASE.channel().accept(CASE.request(body))
    assert message.text == CASE.expected[0]["text"]
    assert "hologram" in message.placeholder


def test_half_an_emoji_loses_no_message() -> None:
    body = CASE.fixture("text").replace(b"\\ud83c\\udfee", b"\\ud83c")
    assert body != CASE.fixture("text")
    (message,) = CASE.channel().accept(CASE.request(body))
    assert message.text == "灯笼收到就是破的，我要退款！?"


def test_a_message_without_an_id_gets_the_same_one_each_time() -> None:
    body = CASE.fixture("text").replace(CASE.expected[0]["external_id"].encode(), b"")
    first, again = (CASE.channel().accept(CASE.request(body))[0] for _ in range(2))
    assert first.external_id == again.external_id != ""


def test_what_is_for_a_page_is_not_taken_for_whatsapp() -> None:
    body = CASE.fixture("text").replace(b"whatsapp_business_account", b"page")
    with pytest.raises(BadPayload):
        CASE.channel().accept(CASE.request(body))


def test_the_published_signature_fits() -> None:
    """GitHub publishes a pair for the same algorithm."""
    channel = CASE.channel(app_secret="It's a Secret to Everybody")
    good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    with pytest.raises(BadPayload):  # the signature is good, the body is none of Meta's
        channel.accept(CASE.request(b"Hello, World!", headers={"x-hub-signature-256": good}))


def test_a_wrong_verify_token_gets_no_challenge() -> None:
    request = CASE.module.HANDSHAKE
    for query in ({"hub.verify_token": "guess"}, {"hub.mode": "unsubscribe"}, {"hub.challenge": "9" * 200}):
        answer = CASE.channel().handshake(CASE.request(b"", method="GET", query={**request.query, **query}))
        assert (answer.status, answer.body) == (403, b"")


# --- what goes out ------------------------------------------------------------------------------------


async def test_a_user_without_a_number_is_answered_by_id(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        await platform.say("My lantern leaks", person="@rosie")
        thread = platform.thread_of(platform.person("@rosie"))
        assert "/CN." in thread
        await channel.send(out(thread=thread), tools)
        assert platform.sent[0]["thread"] == thread


async def test_few_short_choices_are_buttons_and_more_are_a_list(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        short = tuple(Button(label=f"选 {n}", value=f"v{n}") for n in range(3))
        await channel.send(out(buttons=short), tools)
        await channel.send(out(buttons=(*short, Button(label="四", value="v4"))), tools)
        await channel.send(out(buttons=(*short[:2], Button(label="longer than twenty chars", value="v"))), tools)
        await channel.send(out(text="长" * 2000, buttons=short), tools)
        assert [len(said["buttons"]) for said in platform.sent] == [3, 4, 3, 3]


async def test_a_file_is_uploaded_and_sent(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        kept = await Blobs(tmp_path).put(b"%PDF-1.4 a letter", name='Brief "1".pdf', type="application/pdf", limit=1000)
        await channel.send(out(text="", attachments=(kept,)), tools)
        (file,) = platform.lines[-1].files
        assert (file.data, file.name) == (b"%PDF-1.4 a letter", "Brief 1.pdf")


async def test_a_file_of_a_customer_is_fetched_in_two_steps(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        id = platform.keep(PHOTO)
        file = Attachment(url=f"media:{NUMBER}/{id}")
        answer = await tools.http(await channel.fetching(file, tools))
        assert answer.body == PHOTO.data
        with pytest.raises(Refused):
            await channel.fetching(Attachment(url=f"media:{NUMBER}/gone"), tools)


async def test_after_the_window_a_template_carries_the_reply(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        until = platform.now() + timedelta(hours=24)
        platform.later = timedelta(hours=25)
        await channel.send(
            out(text="退款已办。\n三天内到账。", kind="human", language="zh-Hans", replies_until=until), tools
        )
        # Nobody told when the window ends: the platform's error says it, and the template follows.
        await channel.send(out(text="Refunded.", kind="human", language="en"), tools)
        assert [said["text"] for said in platform.sent] == ["退款已办。 三天内到账。", "Refunded."]


async def test_without_a_template_the_window_ends_it(tmp_path: Path) -> None:
    async with connected(tmp_path, templates={}) as (platform, channel, tools):
        platform.later = timedelta(hours=25)
        for until in (None, platform.now() - timedelta(hours=1)):
            with pytest.raises(Expired):
                await channel.send(out(replies_until=until), tools)
        assert not platform.sent


async def test_a_reply_too_long_for_the_template_is_not_cut(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        platform.later = timedelta(hours=25)
        with pytest.raises(Expired):
            await channel.send(out(text="长" * 1100, kind="human"), tools)
        assert not platform.sent


async def test_an_unknown_template_is_told(tmp_path: Path) -> None:
    async with connected(tmp_path, templates={"human": {"name": "nope"}}) as (platform, channel, tools):
        platform.later = timedelta(hours=25)
        with pytest.raises(Refused, match="no such template"):
            await channel.send(out(kind="human", language="en"), tools)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (131047, Expired),
        (131056, Retry),
        (130429, Retry),
        (131026, Refused),
        (190, Unauthorized),
        (210, Unauthorized),
        (131042, Unauthorized),
        (99999, Refused),
    ],
)
def test_the_code_decides_whatever_the_status(code: int, wanted: type[Exception]) -> None:
    graph = CASE.channel()._graph
    body = b'{"error":{"message":"x","code":%d}}' % code
    with pytest.raises(wanted) as caught:
        graph.outcome(Answer(status=400, body=body))
    assert str(code) in str(caught.value)
    assert code != 130429 or vars(caught.value)["everyone"]


async def test_an_answer_that_names_no_message_is_in_doubt(tmp_path: Path) -> None:
    async with connected(tmp_path) as (platform, channel, tools):
        platform.script[:] = [(0, {})]
        with pytest.raises(Unknown):
            await channel.send(out(), tools)
        assert len(platform.sent) == 1


# --- connecting ---------------------------------------------------------------------------------------


async def test_setting_up_registers_the_address_and_says_what_is_missing(tmp_path: Path) -> None:
    async with connected(tmp_path, business_account_id="") as (_, channel, tools):
        findings = await channel.set_up("http://127.0.0.1:9/in/whatsapp/main", tools)
        assert [finding.ok for finding in findings] == [False, False]  # nobody answers there, and an id is missing
        assert any(
            "https://shop.example/in/whatsapp/main" in step
            for step in channel.steps("https://shop.example/in/whatsapp/main")
        )
