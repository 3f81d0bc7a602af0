"""Mastodon: pages, threads, who reads along, edits and deletions, posts that mention nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels._mastodon_posts import Reader, words
from channels._platforms.base import File
from channels._platforms.mastodon import BOT, ME, TOKEN, Mastodon
from channels.base import Delivery, Inbound, Memo, Outbound, Refused, Retry, Unauthorized, Unknown
from channels.mastodon import Mastodon as Channel
from channels.mastodon import Settings, _unnamed
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Notes:
    """What the channel remembers, as long as the test lasts."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def recall(self, keys: Iterable[str]) -> Mapping[str, str]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    async def remember(self, memos: Sequence[Memo]) -> None:
        self.kept |= {memo.key: memo.value for memo in memos}


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.mastodon.POLL", 0.01)
    monkeypatch.setattr("channels.mastodon.BREATH", 0.0)


def channel(notes: Notes | None = None, **settings: Any) -> Channel:
    made = Channel("main", config.convert(settings, Settings))
    made.use_memory(notes or Notes())
    return made


class Watch:
    """A watcher that commits, as the gateway's does, until it is told to stop."""

    def __init__(self, ours: Channel, tools: GatewayTools, notes: Notes, cursor: str | None = None) -> None:
        self._deliveries = ours.deliveries(cursor, tools)
        self._notes, self.cursor = notes, cursor
        self.messages: list[Inbound] = []

    async def next(self) -> Delivery:
        return await anext(self._deliveries)

    async def commit(self, delivery: Delivery) -> None:
        self.messages += delivery.messages
        self.cursor = self.cursor if delivery.cursor is None else delivery.cursor
        await self._notes.remember(delivery.memos)

    async def until(self, count: int) -> list[Inbound]:
        while len(self.messages) < count:
            await self.commit(await self.next())
        return self.messages

    async def started(self) -> None:
        while not self.cursor:
            await self.commit(await self.next())

    async def stop(self) -> None:
        await self._deliveries.aclose()


def reply(thread: str, text: str = "Got it.", **more: Any) -> Outbound:
    return Outbound(**{"key": "k1", "channel": "mastodon", "account": "main", "thread": thread, "text": text, **more})


async def test_after_a_crash_and_a_long_pause_all_is_there_in_order(tools: GatewayTools) -> None:
    notes = Notes()
    async with Mastodon() as platform:
        first = Watch(channel(notes, **platform.settings), tools, notes)
        await first.started()
        await platform.say("one")
        await first.until(1)
        await platform.say("two")
        while not (await first.next()).messages:
            pass  # it came, and was not committed
        await first.stop()
        for n in range(100):
            await platform.say(f"missed {n}")
        second = Watch(channel(notes, **platform.settings), tools, notes, first.cursor)
        found = await second.until(101)
        assert [m.text for m in found] == ["two", *(f"missed {n}" for n in range(100))]
        assert len({m.thread for m in [*first.messages, *found]}) == 1
        await second.stop()


async def test_what_was_said_before_the_first_connect_is_history(tools: GatewayTools) -> None:
    class Old(Mastodon):
        def now(self) -> datetime:
            return NOW.replace(year=2020)

    notes = Notes()
    async with Old() as platform:
        await platform.say("old")
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        assert [m.silent for m in await watch.until(1)] == ["history"]
        await watch.stop()


async def test_edits_and_deletions_are_found(tools: GatewayTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.mastodon.LOOK", 1)
    notes = Notes()
    async with Mastodon() as platform:
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.started()
        id = await platform.say("helo")
        (first,) = await watch.until(1)
        await platform.say("hello", edit_of=id)
        edited = (await watch.until(2))[1]
        assert (edited.kind, edited.refers_to, edited.text, edited.thread) == ("edit", id, "hello", first.thread)
        await platform.say(delete_of=id)
        gone = (await watch.until(3))[2]
        assert (gone.kind, gone.refers_to, gone.thread, gone.sender.id) == ("delete", id, first.thread, first.sender.id)
        for _ in range(6):
            await watch.commit(await watch.next())
        assert len(watch.messages) == 3
        await watch.stop()


async def test_a_public_mention_is_answered_by_a_direct_post_and_goes_on_in_private(tools: GatewayTools) -> None:
    notes = Notes()
    async with Mastodon() as platform:
        ours = channel(notes, **platform.settings)
        watch = Watch(ours, tools, notes)
        await watch.started()
        who = platform.person("Ann").id
        id = await platform.say("broken!", person="Ann", thread=f"public:{platform.number()}/{who}")
        (first,) = await watch.until(1)
        assert first.public
        receipt = await ours.send(reply(first.thread, reply_to=first.external_id), tools)
        assert platform.direct == list(receipt.external_ids)
        root = first.thread.removeprefix("public:").partition("/")[0]
        await platform.say("my order is 5", person="Ann", thread=f"{root}/{who}", reply_to=receipt.external_ids[0])
        second = (await watch.until(2))[1]
        assert not second.public
        assert second.thread == f"{id}/{who}" or second.thread.endswith(f"/{who}")
        await watch.stop()


async def test_a_repeat_is_no_second_post(tools: GatewayTools) -> None:
    async with Mastodon() as platform:
        ours = channel(**platform.settings)
        platform.script = [(0, {})]
        with pytest.raises(Unknown):
            await ours.send(reply("5/ann"), tools)
        await ours.send(reply("5/ann"), tools)
        assert [one["text"] for one in platform.sent] == ["Got it."]


async def test_a_reply_to_what_is_gone_is_posted_all_the_same(tools: GatewayTools) -> None:
    async with Mastodon() as platform:
        await channel(**platform.settings).send(reply("5/ann", reply_to="99"), tools)
        assert [one["reply_to"] for one in platform.sent] == [""]


async def test_pictures_go_out_and_other_files_do_not(tools: GatewayTools, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    kept = await blobs.put(b"\xff\xd8\xff", name="a.jpg", type="image/jpeg", limit=999)
    picture = msgspec.structs.replace(kept, type="image/jpeg")
    paper = await blobs.put(b"%PDF-1.4 x", name="a.pdf", type="application/pdf", limit=999)
    async with Mastodon() as platform:
        ours = channel(**platform.settings)
        await ours.send(reply("5/ann", attachments=(picture,)), tools)
        assert [f.name for f in platform.lines[-1].files] == ["a.jpg"]
        with pytest.raises(Refused):
            await ours.send(reply("5/ann", key="k2", attachments=(paper,)), tools)


async def test_a_file_of_a_customer(tools: GatewayTools) -> None:
    notes = Notes()
    async with Mastodon() as platform:
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.started()
        await platform.say("see", files=(File(name="破.jpg", type="image/jpeg", data=b"\xff\xd8\xff"),))
        (message,) = await watch.until(1)
        assert message.attachments[0].url.startswith(platform.url)
        await watch.stop()


async def test_errors(tools: GatewayTools) -> None:
    async with Mastodon() as platform:
        ours = channel(**platform.settings)
        soon = datetime.now(UTC).replace(microsecond=0).isoformat()
        platform.script = [(429, {"X-RateLimit-Reset": soon})]
        with pytest.raises(Retry) as caught:
            await ours.send(reply("5/ann"), tools)
        assert caught.value.after == 1.0
        for status, error in ((403, Refused), (401, Unauthorized), (502, Retry), (422, Refused)):
            platform.script = [(status, {})]
            with pytest.raises(error):
                await ours.send(reply("5/ann"), tools)


async def test_set_up_lets_strangers_in(tools: GatewayTools) -> None:
    async with Mastodon() as platform:
        findings = await channel(**platform.settings).set_up("", tools)
        assert [finding.ok for finding in findings] == [True, True]
        assert platform.policy["for_private_mentions"] == "accept"
        (wrong,) = await channel(instance=platform.url, token="other").check(tools)
        assert not wrong.ok


# --- what is said


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<br />two</p><p>three</p>", "one\ntwo\n\nthree"),
        ("<p>1 &lt; 2 &amp; 3</p>", "1 < 2 & 3"),
        ("<script>alert(1)</script><p>x</p><style>p{}</style>", "x"),
        ('<a href="https://a.example/b">here</a>', "here (https://a.example/b)"),
        ('<a href="javascript:alert(1)">here</a>', "here"),
        (
            '<a href="https://a.example/long"><span class="invisible">https://</span><span>a.example/long</span></a>',
            "https://a.example/long",
        ),
        ('<a href="https://i.example/tags/x" class="mention hashtag">#<span>x</span></a>', "#x"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    ],
)
def test_words_of_html(html: str, text: str) -> None:
    assert words(html) == text


def read(**more: Any) -> Inbound:
    account = {"id": "7", "acct": "ann@remote.example", "display_name": "Ann", "bot": False}
    us = {"id": ME, "username": BOT, "acct": BOT}
    status = {
        "id": "5",
        "created_at": "2026-11-22T07:00:00.000Z",
        "visibility": "direct",
        "content": "<p>@lumi hi</p>",
        "account": account,
        "mentions": [us],
        **more,
    }
    found = Reader("mastodon", "main", ME).mention({"type": "mention", "status": status}, "5", NOW)
    assert found is not None
    return found


def test_who_reads_along() -> None:
    assert read().thread == "5/ann@remote.example"
    for visibility in ("public", "unlisted", "private"):
        assert read(visibility=visibility).public
    us, other = {"id": ME, "username": BOT, "acct": BOT}, {"id": "8", "username": "eve", "acct": "eve"}
    assert read(mentions=[us, other]).public
    herself = {"id": "7", "username": "ann", "acct": "ann@remote.example"}
    assert not read(mentions=[us, herself]).public


def test_kinds() -> None:
    assert read().text == "hi"
    assert read(content="<p>hello @lumi, broken</p>").text == "hello @lumi, broken"
    assert read(content="<p>@lumi@instance.example hi</p>").text == "hi"
    assert read(content="<p>@other hi</p>").text == "@other hi"
    assert read(content="<p>@lumi</p>").placeholder
    assert read(spoiler_text="anger").subject == "anger"
    assert read(account={"id": "9", "acct": "bot", "bot": True}).machine == "auto_reply"
    assert "could not be read" in read(id=5).placeholder
    assert Reader("mastodon", "main", ME).mention({"type": "favourite"}, "", NOW) is None


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("ask @eve now", "ask @\u200beve now"),
        ("@eve@x.example", "@\u200beve@x.example"),
        ("help@shop.example", "help@shop.example"),
    ],
)
def test_nobody_else_is_mentioned(said: str, written: str) -> None:
    assert _unnamed(said) == written


@pytest.mark.parametrize("wrong", [{"instance": "x.example", "token": TOKEN}, {"instance": "https://x", "token": ""}])
def test_settings_that_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(config.ConfigError, match="`"):
        channel(**wrong)
