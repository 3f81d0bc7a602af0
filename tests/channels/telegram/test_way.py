"""The whole way over HTTP: a customer writes at the fake Telegram, the gateway answers there, and things go wrong."""

from __future__ import annotations

import pytest

from channels._platforms.base import File
from channels.base import Attachment, Button, Outbound, Refused, Retry
from gateway.tools import GatewayTools
from tests.channels.telegram.conftest import Open, Scene

PHOTO = File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff\xe0" + b"\x00" * 200)
SONG = File(name="n.ogg", type="audio/ogg", data=b"OggS" + b"\x00" * 60)


def out(**changes: object) -> Outbound:
    values = {"key": "k", "channel": "telegram", "account": "main", "thread": "7", "text": "好", **changes}
    return Outbound(**values)  # type: ignore[arg-type]


async def test_a_complaint_is_answered_in_its_chat(scene: Scene) -> None:
    await scene.platform.say("灯笼收到就是破的，订单 20261118-0042，我要退款！", person="王芳")
    (message,) = await scene.stored(1)
    await scene.until(lambda: scene.platform.sent)
    assert scene.platform.sent[0]["thread"] == message.thread == scene.platform.people["王芳"].id
    assert scene.platform.answers == [200]


async def test_twice_swapped_lost_and_forged_deliveries_make_each_message_once(scene: Scene) -> None:
    scene.platform.faults = {"twice": 0.5, "swapped": 0.5, "lost": 0.5, "forged": 0.5, "strange": 0.3}
    for n in range(12):
        await scene.platform.say(f"order {n}", person=f"p{n % 3}")
    await scene.platform.delivered()
    messages = await scene.stored(12)
    said = [m.text for m in messages if m.kind == "message"]
    assert sorted(said, key=lambda text: int(text[6:])) == [f"order {n}" for n in range(12)]
    assert 401 in scene.platform.answers


async def test_a_press_is_heard_once_and_told_so(scene: Scene) -> None:
    await scene.platform.say("转人工还是怎么退款", person="王芳")
    await scene.until(lambda: scene.platform.sent)
    channel = scene.gateway.channels["telegram", "main"]
    thread = scene.platform.people["王芳"].id
    asked = out(thread=thread, text="?", buttons=(Button(label="转人工", value="human"),))
    await channel.send(asked, GatewayTools(scene.gateway.egress, scene.gateway.blobs))
    await scene.platform.say(person="王芳", choice="human")
    messages = await scene.stored(2)
    assert (messages[1].choice, len(scene.platform.pressed)) == ("human", 1)


async def test_an_album_is_three_rows_and_one_answer(scene: Scene) -> None:
    await scene.platform.say("灯笼碎了，三张照片，我要退款", person="王芳", files=(PHOTO, PHOTO, PHOTO))
    messages = await scene.stored(3)
    assert len({m.part_of for m in messages}) == 1
    files = await scene.kept(3)
    assert [file.state for file in files] == ["kept"] * 3
    conversation = (await scene.gateway.store.inbox()).items[0].conversation
    record = await scene.gateway.store.record((await scene.gateway.store.conversation(conversation)).number)
    assert len(record.arrival.messages) == 1


async def test_a_picture_that_comes_late_is_known_to_the_record(scene: Scene) -> None:
    scene.platform.faults = {"no_media": 1.0}
    await scene.platform.say("灯笼碎了，我要退款", person="王芳", files=(PHOTO,))
    (message,) = await scene.stored(1)
    assert message.text
    await scene.until(lambda: scene.platform.sent)  # the text did not wait
    conversation = (await scene.gateway.store.inbox()).items[0].conversation
    number = (await scene.gateway.store.conversation(conversation)).number
    assert not (await scene.gateway.store.record(number)).arrival.attachments
    scene.platform.faults = {}

    async def known() -> bool:
        return bool((await scene.gateway.store.record(number)).arrival.attachments)

    await scene.until(known)
    (file,) = (await scene.gateway.store.record(number)).arrival.attachments
    assert await scene.gateway.blobs.read(file.digest) == PHOTO.data
    assert "file_came" in [line.what for line in await scene.gateway.store.journal(number)]


async def test_a_file_that_is_gone_says_so(scene: Scene) -> None:
    await scene.platform.say("看", person="王芳", files=(PHOTO,))
    scene.platform.files.clear()
    (file,) = await scene.kept()
    assert file.state == "refused"
    assert "file" in file.reason


async def test_asking_loses_nothing_over_a_restart(open_scene: Open) -> None:
    async with open_scene(polling=True) as scene:
        for n in range(5):
            await scene.platform.say(f"order {n}")
        await scene.stored(5)
    for n in range(5, 8):
        await scene.platform.say(f"order {n}")  # nobody asks
    async with open_scene(polling=True) as again:
        again.platform.script[:] = [(502, {})]
        await again.platform.say("order 8")
        messages = await again.stored(9)
        assert [m.text for m in messages] == [f"order {n}" for n in range(9)]


async def test_what_was_taken_is_confirmed_after_the_commit_and_an_update_id_may_be_lower(open_scene: Open) -> None:
    async with open_scene(polling=True) as scene:
        await scene.platform.say("first")
        await scene.stored(1)
        await scene.until(lambda: not scene.platform.held)
        scene.platform._updates = 10  # after a silent week ids start anew
        await scene.platform.say("second")
        messages = await scene.stored(2)
        assert [m.text for m in messages] == ["first", "second"]


async def test_files_and_captions_go_out_as_what_they_are(scene: Scene) -> None:
    channel = scene.gateway.channels["telegram", "main"]
    tools = GatewayTools(scene.gateway.egress, scene.gateway.blobs)
    for n, file in enumerate((PHOTO, SONG, File(name='a"\r\nb.pdf', type="application/pdf", data=b"%PDF-1.4 x"))):
        kept = await scene.gateway.blobs.put(file.data, name=file.name, type=file.type, limit=9999)
        attachment = Attachment(name=file.name, type=file.type, size=kept.size, digest=kept.digest, state="kept")
        await channel.send(out(key=f"k{n}", text="给您", attachments=(attachment,)), tools)
    assert [said["text"] for said in scene.platform.sent] == ["给您"] * 3
    assert [said["files"] for said in scene.platform.sent][2] == ["ab.pdf"]
    assert [line.files[0].data for line in scene.platform.lines] == [PHOTO.data, SONG.data, b"%PDF-1.4 x"]


async def test_a_blocked_chat_is_refused_and_flood_control_holds_everyone(scene: Scene) -> None:
    channel = scene.gateway.channels["telegram", "main"]
    tools = GatewayTools(scene.gateway.egress, scene.gateway.blobs)
    scene.platform.blocked.add("7")
    with pytest.raises(Refused, match="blocked"):
        await channel.send(out(), tools)
    scene.platform.script[:] = [(429, {"Retry-After": "17"})]
    with pytest.raises(Retry) as caught:
        await channel.send(out(thread="8"), tools)
    assert (caught.value.after, caught.value.everyone) == (17.0, True)


async def test_a_group_that_moved_is_found_now_and_later(scene: Scene) -> None:
    channel = scene.gateway.channels["telegram", "main"]
    tools = GatewayTools(scene.gateway.egress, scene.gateway.blobs)
    scene.platform.moved["-5"] = "-100500"
    await channel.send(out(thread="public:-5"), tools)
    del scene.platform.moved["-5"]
    await channel.send(out(thread="public:-5", key="k2"), tools)
    assert [said["thread"] for said in scene.platform.sent] == ["-100500", "-100500"]


async def test_set_up_registers_what_check_then_finds(open_scene: Open) -> None:
    async with open_scene() as scene:
        channel = scene.gateway.channels["telegram", "main"]
        tools = GatewayTools(scene.gateway.egress, scene.gateway.blobs)
        scene.platform.door = ""
        assert [finding.ok for finding in await channel.check(tools)] == [True, False]
        await channel.set_up("https://intake.example/in/telegram/main", tools)
        assert scene.platform.door == "https://intake.example/in/telegram/main"
        assert all(finding.ok for finding in await channel.check(tools))


async def test_the_button_that_opens_a_chat_is_greeted_and_the_end_takes_a_case_back(scene: Scene) -> None:
    await scene.platform.say("/start", person="Tom")
    await scene.until(lambda: scene.platform.sent)
    assert scene.platform.sent[0]["buttons"], "a greeting offers something"
    await scene.platform.say("My order 20261118-0042 came broken, I want a refund", person="Tom")
    await scene.until(lambda: len(scene.platform.sent) > 1)
    said = len(scene.platform.sent)
    await scene.platform.say("/end", person="Tom")
    await scene.until(lambda: len(scene.platform.sent) > said)
    line = next(line for line in reversed(scene.platform.lines) if line.buttons)
    await scene.platform.say(person="Tom", choice=line.buttons[0][1])
    assert line.buttons[0][1] == "withdraw:yes"

    async def withdrawn() -> bool:
        (one,) = (await scene.gateway.store.records()).items
        return bool(one.standing.status == "withdrawn")

    await scene.until(withdrawn)
