"""Albums come picture by picture and are worked on as one message; nothing waits in memory."""

from __future__ import annotations

from channels.base import Attachment
from gateway.albums import QUIET
from tests.gateway.conftest import Clock, Town


def picture(n: int) -> Attachment:
    return Attachment(name=f"{n}.png", digest=f"{n:064x}", type="image/png", size=9, state="kept")


async def album(town: Town, *texts: str) -> str:
    """Pictures of one album, each with its text; the conversation."""
    for n, text in enumerate(texts):
        conversation = await town.write(text, id=f"p{n}", part_of="t:77", attachments=(picture(n),), work=False)
    return conversation


async def test_an_album_is_one_message(town: Town, clock: Clock) -> None:
    conversation = await album(town, "The lantern came broken, I want a refund", "", "")
    clock.go(seconds=QUIET.total_seconds())
    await town.work()
    record = await town.gateway.store.record((await town.gateway.store.conversation(conversation)).number)
    assert len(record.arrival.messages) == 1
    assert [file.name for file in record.arrival.attachments] == ["0.png", "1.png", "2.png"]
    assert {row.state for row in (await town.gateway.store.inbox()).items} == {"done"}
    once = len(await town.lines(conversation, "outbound"))
    alone = await town.write("The lantern came broken, I want a refund", thread="other", id="alone")
    assert once == len(await town.lines(alone, "outbound")), "three pictures get one answer"


async def test_it_waits_until_no_more_pictures_come(town: Town, clock: Clock) -> None:
    conversation = await album(town, "看照片", "")
    await town.work()
    assert {row.state for row in (await town.gateway.store.inbox()).items} == {"open"}, "it may still grow"
    clock.go(seconds=1)
    await town.write("", id="p2", part_of="t:77", attachments=(picture(2),))
    assert not await town.lines(conversation, "outbound")
    clock.go(seconds=QUIET.total_seconds())
    await town.work()
    record = await town.gateway.store.record((await town.gateway.store.conversation(conversation)).number)
    assert len(record.arrival.attachments) == 3


async def test_others_do_not_wait_for_it_and_its_own_conversation_keeps_its_order(town: Town, clock: Clock) -> None:
    mine = await album(town, "", "")
    await town.write("hello?", id="after", work=False)
    other = await town.write("hello", thread="other", id="other")
    assert await town.lines(other, "outbound")
    assert not await town.lines(mine, "outbound"), "what follows an album waits for it"
    clock.go(seconds=QUIET.total_seconds())
    await town.work()
    assert await town.lines(mine, "outbound")


async def test_a_picture_with_words_of_its_own_is_heard(town: Town, clock: Clock) -> None:
    conversation = await album(town, "Order 20261118-0042 is broken", "", "and order 20261118-0043 too")
    clock.go(seconds=QUIET.total_seconds())
    await town.work()
    record = await town.gateway.store.record((await town.gateway.store.conversation(conversation)).number)
    assert {found.value for found in record.what.order_numbers} == {"20261118-0042", "20261118-0043"}
    assert len(record.arrival.attachments) == 3
