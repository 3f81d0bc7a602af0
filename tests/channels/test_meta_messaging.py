"""Messenger and Instagram beyond the contract: kinds of message, public comments, echoes, windows, files, set-up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.base import Answer, Button, ChannelError, Expired, Inbound, Outbound, Refused, Retry, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.contract.case import Case, load

BOTH = pytest.mark.parametrize("case", [load("messenger"), load("instagram")], ids=lambda case: case.name)


def read(case: Case, kind: str) -> list[Inbound]:
    return list(case.channel().accept(case.request(case.fixture(kind))))


def out(case: Case, **changes: Any) -> Outbound:
    given = {"key": "k1", "channel": case.name, "account": "main", "thread": case.module.THREAD, "text": "您好"}
    return Outbound(**{**given, **changes})


@asynccontextmanager
async def connected(case: Case, folder: Path, **changes: Any) -> AsyncIterator[tuple[Any, Any, GatewayTools]]:
    """A running fake, a channel that talks to it, and what the gateway lends a channel."""
    egress = Egress(("127.0.0.0/8",))
    async with case.module.Platform() as platform:
        channel = case.channel(**{**platform.settings, **changes})
        yield platform, channel, GatewayTools(egress, Blobs(folder), platform.now)
    await egress.close()


# --- what comes in ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("kind", "text", "choice", "placeholder", "files"),
    [
        ("postback", "投诉", "complain", "", 0),
        ("sticker", "", "", "a sticker", 0),
        ("location", "灯笼店 (31.2304, 121.4737)", "", "a location", 0),
        ("link", "看这个\n灯笼 https://shop.example/lantern", "", "", 0),
        ("story", "", "", "a mention in a story", 1),
        ("story_reply", "这个灯笼会破", "", "an answer to a story of ours", 0),
        ("unsupported", "", "", "a message of a kind that Meta does not pass on", 0),
        ("voice", "", "", "", 1),
    ],
)
def test_every_kind_of_message_says_what_it_is(
    case: Case, kind: str, text: str, choice: str, placeholder: str, files: int
) -> None:
    (said,) = read(case, kind)
    assert (said.kind, said.text, said.choice, said.placeholder) == ("message", text, choice, placeholder)
    assert len(said.attachments) == files
    assert said.replies_until is not None


@BOTH
def test_a_batch_keeps_people_apart(case: Case) -> None:
    messages = read(case, "batch")
    assert [m.text for m in messages] == ["第一条", "第二条", "The lantern leaks oil.", "我要退款"]
    assert len({m.thread for m in messages}) == 2
    assert messages[1].reply_to == case.expected[0]["external_id"]
    assert messages[3].choice == "refund"


@BOTH
def test_a_link_that_is_signed_anew_makes_no_second_message(case: Case) -> None:
    body = case.fixture("attachment")
    (first,) = case.channel().accept(case.request(body))
    (again,) = case.channel().accept(case.request(body.replace(b"_nc_ohc=abc", b"_nc_ohc=xyz")))
    assert first.attachments != again.attachments
    assert first.digest == again.digest


@BOTH
def test_what_our_people_say_elsewhere_stands_in_the_customers_thread(case: Case) -> None:
    (said,) = read(case, "echo")
    assert (said.kind, said.machine, said.thread, said.delivery) == ("event", "echo", case.module.THREAD, "sent")
    assert said.text == "您好，我们看一下。"


def test_an_echo_of_ours_proves_that_it_was_sent() -> None:
    (said,) = read(load("messenger"), "echo_of_ours")
    assert (said.kind, said.delivery, said.delivered_key) == ("status", "sent", "k1")
    assert said.refers_to == "m_KXGKDUpO6xbVdAmZe"


@BOTH
def test_receipts_and_reactions_ask_for_nothing(case: Case) -> None:
    (delivered,) = read(case, "delivery")
    assert (delivered.kind, delivered.delivery) == ("status", "delivered")
    assert [m.kind for m in read(case, "read")] == ([] if case.name == "messenger" else ["status"])
    (reaction,) = read(case, "reaction")
    assert (reaction.kind, reaction.text, reaction.replies_until) == ("event", "😠", None)


@BOTH
def test_in_standby_people_decide(case: Case) -> None:
    (said,) = read(case, "standby")
    assert (said.kind, said.silent) == ("message", "person")


@BOTH
def test_comments_are_public_and_each_person_has_a_conversation(case: Case) -> None:
    (first,), (below,) = read(case, "comment"), read(case, "comment_below")
    owner = case.module.THREAD.partition("/")[0]
    assert first.public
    assert first.thread == below.thread == f"public:{owner}/9_71/5501"
    assert (first.external_id, first.text, first.sender.id) == ("9_71", "灯笼三天就破了，没人管", "5501")
    assert first.replies_until is None
    (ours,) = read(case, "comment_ours")
    assert (ours.kind, ours.machine) == ("event", "echo")


def test_a_comment_is_edited_and_removed() -> None:
    case = load("messenger")
    (edited,), (removed,) = read(case, "comment_edited"), read(case, "comment_removed")
    assert (edited.kind, edited.refers_to, edited.text) == ("edit", "9_71", "灯笼两天就破了")
    assert (removed.kind, removed.refers_to) == ("delete", "9_71")
    assert [m.kind for m in read(case, "like")] == ["event"]
    (post,) = read(case, "post")
    assert post.public
    assert post.text == "这家店不退款"


def test_a_mention_is_for_a_person_and_both_forms_of_comments_are_read() -> None:
    case = load("instagram")
    (mention,) = read(case, "mention")
    assert (mention.kind, mention.placeholder) == ("event", "a mention in comment 9_80 below media 180")
    (comment,), (plain,) = read(case, "comment_in_entry"), read(case, "comment")
    assert (comment.external_id, comment.thread, comment.text) == (plain.external_id, plain.thread, plain.text)


# --- what goes out ------------------------------------------------------------------------------------


@BOTH
async def test_choices_are_quick_replies(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (platform, channel, tools):
        await channel.send(out(case, buttons=tuple(Button(label=f"选 {n}", value=f"v{n}") for n in range(13))), tools)
        assert len(platform.sent[0]["buttons"]) == 13


@BOTH
async def test_a_file_is_uploaded_and_sent(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (platform, channel, tools):
        kept = await Blobs(tmp_path).put(b"%PDF-1.4 a letter", name="信.pdf", type="application/pdf", limit=1000)
        await channel.send(out(case, text="", attachments=(kept,)), tools)
        (file,) = platform.lines[-1].files
        assert (file.data, file.name) == (b"%PDF-1.4 a letter", "pdf")


async def test_instagram_refuses_what_it_cannot_show(tmp_path: Path) -> None:
    case = load("instagram")
    async with connected(case, tmp_path) as (platform, channel, tools):
        kept = await Blobs(tmp_path).put(b"PK\x03\x04", name="a.zip", type="application/zip", limit=1000)
        with pytest.raises(Refused):
            await channel.send(out(case, text="", attachments=(kept,)), tools)
        assert not platform.sent


@BOTH
async def test_a_comment_is_answered_below_it(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (platform, channel, tools):
        id = platform.comment("李明", "灯笼三天就破了")
        thread = platform.lines[-1].thread
        receipt = await channel.send(out(case, thread=thread, text="请私信我们", reply_to=id), tools)
        assert platform.public == [{"text": "请私信我们", "below": id}]
        assert receipt.external_ids
        assert platform.sent[0]["thread"] == thread


@BOTH
@pytest.mark.parametrize("told", [True, False], ids=["our clock", "the platform's error"])
async def test_after_a_day_people_may_answer_and_the_bot_may_not(case: Case, told: bool, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (platform, channel, tools):
        until = platform.now() + timedelta(days=7) if told else None
        platform.later = timedelta(hours=30)
        await channel.send(out(case, kind="human", text="我来处理", replies_until=until), tools)
        with pytest.raises(Expired):
            await channel.send(out(case, kind="answer", replies_until=until), tools)
        platform.later = timedelta(days=8)
        with pytest.raises(Expired):
            await channel.send(out(case, kind="human", replies_until=until), tools)
        assert [said["text"] for said in platform.sent] == ["我来处理"]


@BOTH
async def test_without_the_feature_a_day_is_the_end_for_all(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path, human_agent=False) as (platform, channel, tools):
        platform.later = timedelta(hours=25)
        for until in (None, platform.now() - timedelta(hours=1)):
            with pytest.raises(Expired):
                await channel.send(out(case, kind="human", replies_until=until), tools)
        assert not platform.sent


@BOTH
async def test_without_a_token_of_the_page_nothing_is_sent(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (_, channel, tools):
        with pytest.raises(Refused, match="no token for 99"):
            await channel.send(out(case, thread="99/1"), tools)


@BOTH
@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ('"code":10,"error_subcode":2018278', Expired),
        ('"code":10,"error_subcode":2534022', Expired),
        ('"code":10', Unauthorized),
        ('"code":551,"error_subcode":1545041', Refused),
        ('"code":613', Retry),
        ('"code":1200', Retry),
        ('"code":7777,"is_transient":true', Retry),
        ('"code":100,"error_subcode":2018001', Refused),
    ],
)
def test_the_code_decides_whatever_the_status(case: Case, error: str, wanted: type[ChannelError]) -> None:
    (graph,) = case.channel()._graphs.values()
    with pytest.raises(wanted):
        graph.outcome(Answer(status=403, body=f'{{"error":{{"message":"x",{error}}}}}'.encode()))


@BOTH
async def test_what_has_no_id_of_the_platforms_is_answered_without_pointing_at_it(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (platform, channel, tools):
        for asked in ("m_1:edit:1", "event:0123", "m_2"):
            await channel.send(out(case, reply_to=asked), tools)
        quoted = ["m_1", "", "m_2"] if case.name == "messenger" else ["", "", ""]
        assert [said["reply_to"] for said in platform.sent] == quoted


# --- connecting ---------------------------------------------------------------------------------------


@BOTH
async def test_setting_up_subscribes_every_page(case: Case, tmp_path: Path) -> None:
    async with connected(case, tmp_path) as (platform, channel, tools):
        url = "http://127.0.0.1:9/in/x/main"  # nobody answers there
        findings = await channel.set_up(url, tools)
        assert [finding.ok for finding in findings] == ([True] if case.name == "instagram" else [False, True])
        assert platform.subscriptions["me"]["subscribed_fields"].startswith("messages,")
        assert any(url in step for step in channel.steps(url))


def test_with_facebook_login_the_page_speaks_for_instagram() -> None:
    case = load("instagram")
    page, own = case.channel(login="facebook"), case.channel()
    assert (page.speaker("1"), own.speaker("1")) == ("me", "1")
    (graph,), (other,) = page._graphs.values(), own._graphs.values()
    assert graph._url("me").startswith("https://graph.facebook.com/v25.0/me?appsecret_proof=")
    assert other._url("me") == "https://graph.instagram.com/v25.0/me"
