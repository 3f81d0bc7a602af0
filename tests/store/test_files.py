"""Files behind links: noted with their message, fetched once, and known to it from then on."""

from __future__ import annotations

from channels.base import Attachment
from gateway.store.base import Store, ToFetch
from tests.store.scene import START, Clock, Home, message

LINK = Attachment(name="photo.jpg", type="image/jpeg", size=9, url="telegram:abc")
KEPT = Attachment(name="photo.jpg", type="image/jpeg", size=9, digest="ab" * 32, state="kept")


async def _due(store: Store, clock: Clock) -> tuple[ToFetch, ...]:
    return await store.files_to_fetch(10, clock())


async def test_a_file_is_noted_with_its_message_and_is_its_file_once_it_is_here(
    store: Store, home: Home, clock: Clock
) -> None:
    refused = Attachment(name="film.mp4", url="telegram:big", state="refused", reason="too large")
    (done,) = await store.append([message(1, attachments=(KEPT, LINK, refused))], received_at=clock())
    (one,) = await _due(store, clock)
    assert (one.place, one.tries, one.conversation, one.file) == (1, 0, done.conversation, LINK)
    assert await store.files_to_fetch(10, clock(), besides=[(one.inbox_id, 1)]) == ()
    await store.file_fetched(one.inbox_id, 1, KEPT)
    (line,) = await store.timeline(done.conversation)
    assert line.attachments == (KEPT, KEPT, refused)
    assert await store.blob_in_use(KEPT.digest)
    assert not await _due(store, clock)
    assert await store.next_fetch_at() is None


async def test_a_duplicate_is_not_fetched_again(store: Store, clock: Clock) -> None:
    for _ in range(2):
        await store.append([message(1, attachments=(LINK,))], received_at=clock())
    (one,) = await _due(store, clock)
    await store.file_fetched(one.inbox_id, 0, KEPT)
    await store.append([message(1, attachments=(LINK,))], received_at=clock())
    assert not await _due(store, clock)


async def test_what_cannot_be_fetched_now_waits(store: Store, clock: Clock) -> None:
    await store.append([message(1, attachments=(LINK,))], received_at=clock())
    (one,) = await _due(store, clock)
    later = clock.turn(seconds=30)
    await store.file_tried(one.inbox_id, 0, "HTTP 503", later)
    assert await store.next_fetch_at() == later
    assert not await store.files_to_fetch(10, START)
    (again,) = await store.files_to_fetch(10, later)
    assert again.tries == 1


async def test_a_file_that_does_not_come_says_why(store: Store, clock: Clock) -> None:
    (done,) = await store.append([message(1, attachments=(LINK,))], received_at=clock())
    (one,) = await _due(store, clock)
    await store.file_given_up(one.inbox_id, 0, "failed", "HTTP 410")
    (line,) = await store.timeline(done.conversation)
    assert (line.attachments[0].state, line.attachments[0].reason) == ("failed", "HTTP 410")
    assert not await _due(store, clock)
    assert not await store.files_to_file(10)


async def test_a_voice_note_that_does_not_come_is_not_waited_for(store: Store, clock: Clock) -> None:
    voice = Attachment(name="voice.ogg", type="audio/ogg", url="telegram:v")
    (done,) = await store.append([message(1, attachments=(voice,))], received_at=clock())
    batch = await store.claim_work(10)
    await batch.wait(done.conversation, batch.work[0].items[0].inbox_id, [(0, "")])
    await batch.release()
    assert not await store.recordings_to_hear(10), "nothing is here to be heard"
    (one,) = await _due(store, clock)
    await store.file_given_up(one.inbox_id, 0, "failed", "HTTP 410")
    (recording,) = await store.recordings(done.conversation)
    assert (recording.state, recording.error) == ("failed", "HTTP 410")
    assert [row.state for row in (await store.inbox()).items] == ["open"]


async def test_a_voice_note_is_heard_once_it_is_here(store: Store, clock: Clock) -> None:
    voice = Attachment(name="voice.ogg", type="audio/ogg", url="telegram:v")
    (done,) = await store.append([message(1, attachments=(voice,))], received_at=clock())
    batch = await store.claim_work(10)
    await batch.wait(done.conversation, batch.work[0].items[0].inbox_id, [(0, "")])
    await batch.release()
    (one,) = await _due(store, clock)
    await store.file_fetched(one.inbox_id, 0, KEPT)
    (heard,) = await store.recordings_to_hear(10)
    assert heard.recording.digest == KEPT.digest


async def test_nothing_is_fetched_for_a_person_who_was_erased(store: Store, clock: Clock) -> None:
    (done,) = await store.append([message(1, attachments=(LINK,))], received_at=clock())
    (one,) = await _due(store, clock)
    await store.erase(done.conversation, at=clock(), by="a1")
    await store.file_fetched(one.inbox_id, 0, KEPT)
    await store.file_given_up(one.inbox_id, 0, "failed", "a name")
    assert not await _due(store, clock)
    assert not await store.blob_in_use(KEPT.digest)


async def test_what_waited_is_found_after_a_restart(home: Home, clock: Clock) -> None:
    first = home.store()
    await first.open()
    await first.append([message(1, attachments=(LINK,))], received_at=clock())
    await first.close()
    second = home.store()
    await second.open()
    assert len(await _due(second, clock)) == 1
    await second.close()
