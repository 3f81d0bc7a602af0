"""Copies to listen to: made once, after the transcript, beside an original that stays as it came."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from gateway.listening import Listening
from gateway.store.base import NO_COPY, StoreUnavailable
from tests.gateway.test_hearing import SPEECH, Scene, scene

__all__ = ["scene"]

CARD = (SPEECH / "card.flac").read_bytes()


async def test_a_recording_gets_its_copy_and_the_original_stays(scene: Scene) -> None:
    conversation = await scene.send(CARD)
    await scene.work()
    (recording,) = await scene.recordings(conversation)
    assert recording.copy == ""
    listening = Listening(scene.gateway)
    assert await listening.step() == 1
    assert await listening.step() == 0
    (recording,) = await scene.recordings(conversation)
    copy = await scene.gateway.blobs.read(recording.copy)
    assert hashlib.sha256(copy).hexdigest() == recording.copy
    assert await scene.gateway.blobs.read(recording.digest) == CARD
    assert set(await scene.gateway.store.blobs_of(conversation)) == {recording.digest, recording.copy}
    record = await scene.record(conversation)
    assert "0366" not in str(record.what.order_numbers)
    assert "4532" not in str(record)


async def test_the_same_file_in_two_conversations_is_copied_once_and_erased_with_each(scene: Scene) -> None:
    first, second = await scene.send(CARD, thread="a"), await scene.send(CARD, thread="b")
    await scene.work()
    await Listening(scene.gateway).step()
    (one,), (other,) = await scene.recordings(first), await scene.recordings(second)
    assert one.copy == other.copy != ""
    await scene.gateway.store.erase(first, at=scene.clock(), by="test")
    assert await scene.gateway.store.blob_in_use(one.copy)
    await scene.gateway.store.erase(second, at=scene.clock(), by="test")
    assert not await scene.gateway.store.blob_in_use(one.copy)


async def test_what_is_erased_while_it_is_copied_leaves_no_copy(scene: Scene) -> None:
    conversation = await scene.send(CARD)
    await scene.work()
    (recording,) = await scene.gateway.store.recordings_to_copy(5)
    await scene.gateway.store.erase(conversation, at=scene.clock(), by="test")
    await Listening(scene.gateway)._copy(recording)
    names = {path.parent.name + path.name for path in scene.gateway.blobs.folder.glob("??/*")}
    assert names == {recording.digest}


async def test_a_file_that_is_gone_has_no_copy_and_stops_nothing(scene: Scene) -> None:
    gone = await scene.send(CARD, thread="gone")
    there = await scene.send("en_late", thread="there")
    await scene.work()
    (lost,) = await scene.recordings(gone)
    await scene.gateway.blobs.remove(lost.digest)
    await Listening(scene.gateway).step()
    assert (await scene.recordings(gone))[0].copy == NO_COPY
    assert len((await scene.recordings(there))[0].copy) == 64
    assert await scene.gateway.store.recordings_to_copy(5) == ()


async def test_a_full_disk_leaves_the_copy_for_later(scene: Scene) -> None:
    conversation = await scene.send(CARD)
    await scene.work()
    blobs = scene.gateway.blobs.folder
    away = blobs.with_name("away")
    (recording,) = await scene.recordings(conversation)
    original = blobs / recording.digest[:2] / recording.digest[2:]
    blobs.rename(away)
    (blobs / original.parent.name).mkdir(parents=True)
    (blobs / original.parent.name / original.name).write_bytes(CARD)
    (blobs / "tmp").write_text("a file where a folder should be: every write fails")
    with pytest.raises(StoreUnavailable):
        await Listening(scene.gateway).step()
    assert (await scene.recordings(conversation))[0].copy == ""
    (blobs / "tmp").unlink()
    assert await Listening(scene.gateway).step() == 1
    assert len((await scene.recordings(conversation))[0].copy) == 64
    assert not list(blobs.parent.glob("copy-*"))


async def test_a_process_that_dies_costs_the_copy_and_nothing_else(scene: Scene) -> None:
    """What a hostile file does to the process that copies: here the memory it needs is not given."""
    conversation = await scene.send(CARD)
    await scene.work()
    speech = msgspec.structs.replace(scene.gateway.config.speech, memory_mb=30)
    scene.gateway.config = msgspec.structs.replace(scene.gateway.config, speech=speech)
    assert await Listening(scene.gateway).step() == 1
    (recording,) = await scene.recordings(conversation)
    assert (recording.state, recording.copy) == ("heard", NO_COPY)
