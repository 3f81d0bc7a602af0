"""Discord: sessions that are taken up again, chats that are made up for, and words that stay words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from channels._discord_events import Reader, moment
from channels._platforms.base import File
from channels._platforms.discord import BOT, TOKEN, Discord
from channels.base import Button, Delivery, Inbound, Memo, Outbound, Refused, Retry, Unauthorized, Unknown
from channels.discord import Discord as Channel
from channels.discord import Settings, _plain
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools


class Quick(Discord):
    heartbeat: ClassVar[float] = 0.2


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


def channel(notes: Notes | None = None, **changes: Any) -> Channel:
    made = Channel("main", config.convert({"token": TOKEN, **changes}, Settings))
    made.use_memory(notes or Notes())
    return made


class Watch:
    """A watcher that commits, as the gateway's does, until it is told to stop."""

    def __init__(self, ours: Channel, tools: GatewayTools, notes: Notes, cursor: str | None = None) -> None:
        self._deliveries = ours.deliveries(cursor, tools)
        self._notes, self.cursor = notes, cursor
        self.messages: list[Inbound] = []

    async def until(self, count: int) -> list[Inbound]:
        while len(self.messages) < count:
            await self.commit(await anext(self._deliveries))
        return self.messages

    async def greeted(self) -> None:
        while not self.cursor:
            await self.commit(await anext(self._deliveries))

    async def commit(self, delivery: Delivery) -> None:
        self.messages += delivery.messages
        self.cursor = self.cursor if delivery.cursor is None else delivery.cursor
        await self._notes.remember(delivery.memos)
        if delivery.ack is not None:
            await delivery.ack()

    async def stop(self) -> None:
        await self._deliveries.aclose()


def texts(messages: Sequence[Inbound]) -> list[str]:
    return [message.text for message in messages]


async def test_after_a_crash_the_session_is_taken_up_where_it_was_committed(tools: GatewayTools) -> None:
    notes = Notes()
    async with Quick() as platform:
        first = Watch(channel(notes, **platform.settings), tools, notes)
        await first.greeted()
        await platform.say("one")
        await first.until(1)
        await platform.say("two")
        await first._deliveries.__anext__()  # it came, and was not committed
        await first.stop()
        await platform.say("three")
        second = Watch(channel(notes, **platform.settings), tools, notes, first.cursor)
        assert texts(await second.until(2)) == ["two", "three"]
        assert (platform.identified, platform.resumed) == (1, 1)
        await second.stop()


async def test_a_forgotten_session_is_made_up_for_from_the_chats(tools: GatewayTools) -> None:
    notes = Notes()
    async with Quick() as platform:
        first = Watch(channel(notes, **platform.settings), tools, notes)
        await first.greeted()
        for person in ("王芳", "Ann"):
            await platform.say(f"hello from {person}", person=person)
        await first.until(2)
        await first.stop()
        for n in range(250):
            await platform.say(f"missed {n}", person="Ann")
        await platform.say("missed too", person="王芳")
        platform.forget()
        ours = channel(notes, **platform.settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("channels.discord.BREATH", 0.0)
            second = Watch(ours, tools, notes, first.cursor)
            found = texts(await second.until(251))
        assert sorted(found) == sorted([f"missed {n}" for n in range(250)] + ["missed too"])
        await second.stop()


@pytest.mark.parametrize("code", [4004, 4013, 4014])
async def test_codes_that_no_repeat_mends(tools: GatewayTools, code: int) -> None:
    async with Quick() as platform:
        platform.closing = [code]
        with pytest.raises(Unauthorized, match=str(code)):
            await anext(channel(**platform.settings).deliveries(None, tools))


async def test_codes_that_end_the_session_and_those_that_do_not(tools: GatewayTools) -> None:
    cursor = json.dumps({"id": "session-1", "url": "", "seq": 3, "me": BOT})
    async with Quick() as platform:
        platform.closing = [4009]
        delivery = await anext(channel(**platform.settings).deliveries(cursor, tools))
        assert delivery.cursor == "{}"
        platform.closing = [4000]
        with pytest.raises(Retry):
            await anext(channel(**platform.settings).deliveries(cursor, tools))


async def test_who_answers_no_heartbeat_is_gone(tools: GatewayTools) -> None:
    class Dead(Quick):
        async def _heard(self, socket: Any, frame: Mapping[str, Any]) -> Any:
            return None if frame["op"] == 1 else await super()._heard(socket, frame)

    async with Dead() as platform:
        deliveries = channel(**platform.settings).deliveries(None, tools)
        await anext(deliveries)
        with pytest.raises(Retry, match="heartbeat"):
            await anext(deliveries)


async def test_a_wrong_token_is_told(tools: GatewayTools) -> None:
    async with Quick() as platform:
        wrong = channel(**{**platform.settings, "token": "other"})
        with pytest.raises(Unauthorized):
            await anext(wrong.deliveries(None, tools))
        (finding,) = await wrong.check(tools)
        assert not finding.ok


# --- what is said


def read(kind: str = "MESSAGE_CREATE", **more: Any) -> tuple[Inbound, ...]:
    base = {"id": "1573956196761600001", "channel_id": "11", "type": 0, "content": "hi"}
    data = {**base, "author": {"id": "12", "username": "ann"}, **more}
    return Reader("discord", "main", channels=True).read(kind, data, BOT, moment("0"))


def test_kinds() -> None:
    assert read(guild_id="8")[0].public
    assert Reader("d", "m", channels=False).read("MESSAGE_CREATE", {"guild_id": "8"}, BOT, moment("0")) == ()
    assert read(author={"id": BOT, "username": "Lumi"})[0].machine == "echo"
    assert read(type=6) == ()  # a message was pinned
    assert read(content="", sticker_items=[{"name": "wave"}])[0].placeholder == "[sticker: wave]"
    assert read("MESSAGE_UPDATE", embeds=[{}]) == ()  # a link was unfolded
    (edited,) = read("MESSAGE_UPDATE", content="ho", edited_timestamp="2026-11-22T07:05:00+00:00")
    assert (edited.kind, edited.refers_to, edited.text) == ("edit", "1573956196761600001", "ho")
    gone = read("MESSAGE_DELETE_BULK", ids=["5", "6"])
    assert [(m.kind, m.refers_to) for m in gone] == [("delete", "5"), ("delete", "6")]
    assert read("TYPING_START") == ()
    assert read(id=5)[0].placeholder


def test_the_time_is_in_the_id() -> None:
    assert moment("175928847299117063").isoformat() == "2016-04-30T11:18:25.796000+00:00"


# --- what goes out


def reply(thread: str = "11", **more: Any) -> Outbound:
    return Outbound(key="k1", channel="discord", account="main", thread=thread, **{"text": "Got it.", **more})


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("2 * 3 * 4", r"2 \* 3 \* 4"),
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("see https://x.example/a_b_c", "see https://x.example/a_b_c"),
        ("snake_case_name", r"snake\_case\_name"),
        ("普通的话。", "普通的话。"),
    ],
)
def test_words_stay_words(said: str, written: str) -> None:
    assert _plain(said) == written


async def test_a_repeat_soon_after_is_no_second_message(tools: GatewayTools) -> None:
    async with Quick() as platform:
        ours = channel(**platform.settings)
        platform.script = [(0, {})]
        with pytest.raises(Unknown):
            await ours.send(reply(), tools)
        await ours.send(reply(), tools)
        assert len(platform.sent) == 1


async def test_choices_come_back_and_are_answered(tools: GatewayTools) -> None:
    notes = Notes()
    async with Quick() as platform:
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.greeted()
        await platform.say("hi")
        (first,) = await watch.until(1)
        buttons = tuple(Button(label=f"l{n}", value=f"v{n}") for n in range(7))
        await channel(**platform.settings).send(reply(first.thread, buttons=buttons), tools)
        await platform.say(choice="v6")
        pressed = (await watch.until(2))[1]
        assert (pressed.choice, pressed.text) == ("v6", "l6")
        assert len(platform.pressed) == 1
        await watch.stop()


async def test_files_go_both_ways(tools: GatewayTools, tmp_path: Path) -> None:
    kept = await Blobs(tmp_path / "blobs").put(b"%PDF-1.4 x", name="小票.pdf", type="application/pdf", limit=999)
    notes = Notes()
    async with Quick() as platform:
        await channel(**platform.settings).send(reply(attachments=(kept,)), tools)
        assert [(f.name, f.data) for f in platform.lines[-1].files] == [("小票.pdf", b"%PDF-1.4 x")]
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.greeted()
        await platform.say("see", files=(File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff"),))
        (message,) = await watch.until(1)
        assert message.attachments[0].url.startswith(platform.url)
        await watch.stop()


async def test_what_discord_refuses(tools: GatewayTools) -> None:
    async with Quick() as platform:
        ours = channel(**platform.settings)
        platform.script = [(403, {})]
        with pytest.raises(Refused, match="50007"):
            await ours.send(reply(), tools)
        platform.script = [(429, {"Retry-After": "3"})]
        with pytest.raises(Retry) as caught:
            await ours.send(reply(), tools)
        assert caught.value.after == 3.0
