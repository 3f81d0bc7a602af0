"""Matrix on the fake homeserver: what a real one does too rarely to wait for, and what its events say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from channels._matrix_events import Place, Reader
from channels._platforms.base import File
from channels._platforms.matrix import BOT, Matrix
from channels.base import Attachment, Inbound, Outbound, Refused, Retry, Unauthorized
from channels.matrix import MOST
from gateway import config
from gateway.tools import GatewayTools
from tests.channels.matrix.watching import Notes, Watch, channel

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


async def test_a_place_that_is_forgotten_costs_no_message(tools: GatewayTools) -> None:
    notes = Notes()
    async with Matrix() as platform:
        await platform.say("one")
        watch = Watch(channel(notes, **platform.settings), tools, notes, "forgotten")
        (only,) = await watch.until(1)
        assert (only.text, only.silent, len(watch.troubles)) == ("one", "", 1)
        await watch.stop()


async def test_an_answer_that_is_too_large_is_asked_for_in_smaller_ones(tools: GatewayTools) -> None:
    notes = Notes()
    async with Matrix() as platform:
        first = Watch(channel(notes, **platform.settings), tools, notes)
        await first.started()
        for n in range(MOST):
            await platform.say(f"{n} " + "灯笼" * 9000)
        ours, cursor = channel(notes, **platform.settings), first.cursor
        for _ in range(2):  # 40 and 10 of them are too many
            watch = Watch(ours, tools, notes, cursor)
            with pytest.raises(Retry):
                await watch.until(MOST)
            cursor = watch.cursor
        last = Watch(ours, tools, notes, cursor)
        assert [m.text.split()[0] for m in await last.until(MOST)] == [str(n) for n in range(MOST)]
        await last.stop()


async def test_what_was_said_before_the_first_connect_is_history(tools: GatewayTools) -> None:
    notes = Notes()

    class Old(Matrix):
        def now(self) -> datetime:
            return NOW.replace(year=2020)

    async with Old() as platform:
        await platform.say("old")
        ours = channel(notes, **platform.settings)
        await ours._join(platform.thread_of(platform.person("王芳")), tools)
        watch = Watch(ours, tools, notes)
        (only,) = await watch.until(1)
        assert only.silent == "history"
        assert platform.read == []
        await watch.stop()


async def test_it_is_marked_as_read_after_the_commit(tools: GatewayTools) -> None:
    notes = Notes()
    async with Matrix() as platform:
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.started()
        id = await platform.say("one", files=(File(name="a.pdf", type="application/pdf", data=b"%PDF"),))
        while not (delivery := await watch.next()).messages:
            await watch.commit(delivery)
        assert platform.read == []
        await watch.commit(delivery)
        assert platform.read == [delivery.messages[-1].external_id]
        assert delivery.messages[0].external_id == id
        await watch.stop()


async def test_errors(tools: GatewayTools) -> None:
    async with Matrix() as platform:
        ours = channel(**platform.settings)
        room = platform.thread_of(platform.person("Ann"))
        platform.open(room, platform.person("Ann"))
        out = Outbound(key="k1", channel="matrix", account="main", thread=room, text="x")
        await ours.send(out, tools)
        platform.script = [(429, {"Retry-After": "7"})]
        with pytest.raises(Retry) as caught:
            await ours.send(out, tools)
        assert caught.value.after == 7.0
        for status, error in ((403, Refused), (401, Unauthorized), (502, Retry), (404, Refused)):
            platform.script = [(status, {})]
            with pytest.raises(error):
                await ours.send(out, tools)


@pytest.mark.parametrize("url", ["https://a.example/x", "mxc://a.example/../../x", "mxc://a.example/x?y", "mxc://a/"])
async def test_only_files_of_matrix_are_fetched_with_the_token(tools: GatewayTools, url: str) -> None:
    ours = channel(homeserver="https://matrix.example", token="t")
    with pytest.raises(Refused):
        await ours.fetching(Attachment(url=url), tools)


@pytest.mark.parametrize(
    "wrong", [{"homeserver": "matrix.example", "token": "t"}, {"homeserver": "https://x", "token": ""}]
)
def test_settings_that_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(config.ConfigError, match="`"):
        channel(**wrong)


# --- what is said


def read(kind: str = "m.room.message", place: Place | None = None, **more: Any) -> Inbound | None:
    base = {"type": kind, "event_id": "$1", "sender": "@ann:hs", "origin_server_ts": 1795330800000}
    event = {**base, "content": {"msgtype": "m.text", "body": "hi"}, **more}
    return Reader("matrix", "main").read("!r:hs", event, BOT, place or Place(), {}, NOW)


def said(**content: Any) -> Inbound:
    found = read(content=content)
    assert found is not None
    return found


def test_kinds() -> None:
    assert said(msgtype="m.notice", body="I am a bot").machine == "auto_reply"
    assert said(msgtype="m.emote", body="waves").text == "waves"
    assert said(msgtype="m.location", body="the shop", geo_uri="geo:1,2").placeholder == "a location: geo:1,2"
    assert said().placeholder == "a message that was taken back"
    assert said(msgtype="m.file", body="x", file={"url": "mxc://a/b"}).placeholder.startswith("an encrypted file")
    assert said(msgtype="m.future", body="spoken").text == "spoken"
    assert read(content={"msgtype": "m.key.verification.request", "body": "x"}) is None
    assert read("m.reaction") is None
    assert read("m.room.member", state_key="@ann:hs") is None
    (sticker,) = [read("m.sticker", content={"body": "wave", "url": "mxc://a/b"})]
    assert sticker is not None
    assert sticker.placeholder == "[sticker: wave]"


def test_a_file_with_a_caption() -> None:
    found = said(msgtype="m.image", body="look", filename="a.jpg", url="mxc://a/b", info={"mimetype": "image/jpeg"})
    assert (found.text, found.attachments[0].name, found.attachments[0].type) == ("look", "a.jpg", "image/jpeg")
    assert said(msgtype="m.image", body="a.jpg", url="mxc://a/b").text == ""


@pytest.mark.parametrize(
    "content", [{"body": 5}, {"msgtype": "m.file", "body": "x", "url": 5}, "text", {"m.relates_to": 1}]
)
def test_what_cannot_be_read_is_shown(content: Any) -> None:
    found = read(content=content)
    assert found is not None
    assert "could not be read" in found.placeholder


def test_names() -> None:
    found = read(place=Place(names={"@ann:hs": "Ann 李"}))
    assert found is not None
    assert found.sender.name == "Ann 李"
    assert said(msgtype="m.text", body="x").sender.name == "ann"
