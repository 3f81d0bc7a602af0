"""Recordings at the desk: a copy for everybody, the transcript with covered numbers, the original for a few and in the journal."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from channels.base import Attachment
from tests.desk.conftest import House, opened
from tests.transcription import needs

needs.speech()

from tests.transcription.needs import SPEECH  # noqa: E402
from transcription import model_folder  # noqa: E402

CARD = (SPEECH / "card.flac").read_bytes()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    model_folder.use(tmp_path / "models", model_folder.TINY)
    async with opened(tmp_path) as house:
        yield house


async def told(house: Any, data: bytes = CARD) -> tuple[str, int, str]:
    """A voice note that is heard and copied: its conversation, line and digest."""
    conversation = await house.heard("", attachments=(Attachment(name="note.flac", data=data),))

    async def copied() -> bool:
        return all(one.copy for one in await house.gateway.store.recordings(conversation))

    await house.until(copied)
    (recording,) = await house.gateway.store.recordings(conversation)
    return conversation, 1, recording.digest


async def test_everybody_hears_the_copy_and_reads_covered_numbers(house: House) -> None:
    conversation, seq, digest = await told(house)
    mei = await house.enter("mei")
    _, page = await mei.get(f"conversations/{conversation}")
    assert page["recordings"] == [{"digest": digest, "state": "heard", "error": "", "copy": "ready"}]
    status, said = await mei.get(f"conversations/{conversation}/recordings/{digest}")
    assert status == 200
    words = [text for turn in said["turns"] for text, _, _ in turn["words"]]
    assert "****0366" in words
    assert "4532" not in str(said)
    path = f"/desk/api/conversations/{conversation}/recordings/{digest}/sound"
    status, whole, headers = await mei.call("GET", path)
    assert (status, headers["Content-Type"], headers["Accept-Ranges"]) == (200, "audio/mpeg", "bytes")
    assert whole != CARD
    status, part, headers = await mei.call("GET", path, headers={"Range": "bytes=1000-1999"})
    assert (status, part) == (206, whole[1000:2000])
    assert headers["Content-Range"] == f"bytes 1000-1999/{len(whole)}"
    assert (await mei.call("GET", f"/desk/api/conversations/{conversation}/files/{seq}/{digest}"))[0] == 403


async def test_strangers_and_other_conversations_hear_nothing(house: House) -> None:
    conversation, _, digest = await told(house)
    other = await house.heard(thread="t2")
    mei = await house.enter("mei")
    for path in ("", "/sound"):
        stranger = await house.browser().call(
            "GET", f"/desk/api/conversations/{conversation}/recordings/{digest}{path}"
        )
        assert stranger[0] == 401
        assert (await mei.get(f"conversations/{other}/recordings/{digest}{path}"))[0] == 404
        assert (await mei.get(f"conversations/{conversation}/recordings/{'0' * 64}{path}"))[0] == 404


async def test_the_original_is_for_a_lead_and_the_journal_says_who(house: House) -> None:
    conversation, seq, digest = await told(house)
    mei, lin, other = await house.enter("mei"), await house.enter("lin", "lead"), await house.enter("ou", "lead")
    body = {"seq": seq, "digest": digest}
    assert (await mei.post(f"conversations/{conversation}/original_recording", body))[0] == 403
    number = (await house.gateway.store.conversation(conversation)).number
    assert "revealed" not in [line.what for line in await house.gateway.store.journal(number)]
    assert (await lin.call("GET", f"/desk/api/conversations/{conversation}/originals/{seq}/{digest}"))[0] == 403
    status, opened = await lin.post(f"conversations/{conversation}/original_recording", body)
    assert status == 200
    line = (await house.gateway.store.journal(number))[-1]
    assert (line.what, line.body) == ("revealed", {"line": seq, "recording": digest})
    status, data, _ = await lin.call("GET", opened["url"])
    assert (status, hashlib.sha256(data).hexdigest()) == (200, digest)
    assert (await lin.call("GET", opened["url"], headers={"Range": "bytes=0-9"}))[1] == CARD[:10]
    assert (await other.call("GET", opened["url"]))[0] == 403, "the address is one person's"
    assert (await mei.call("GET", opened["url"]))[0] == 403
    house.clock.go(minutes=11)
    assert (await lin.call("GET", opened["url"]))[0] == 403, "and ends"


async def test_a_recording_that_cannot_be_heard_stays_sealed(house: House) -> None:
    garbage = b"OggS" + bytes(2000)
    conversation = await house.heard("", attachments=(Attachment(name="n.ogg", data=garbage),))
    (recording,) = await house.gateway.store.recordings(conversation)
    assert recording.state == "failed"
    mei = await house.enter("mei")
    path = f"conversations/{conversation}"
    assert (await mei.get(f"{path}/recordings/{recording.digest}"))[0] == 404
    assert (await mei.get(f"{path}/recordings/{recording.digest}/sound"))[0] == 404
    assert (await mei.get(f"{path}/files/1/{recording.digest}"))[0] == 403
    admin = await house.enter("boss", "admin")
    _, opened = await admin.post(f"{path}/original_recording", {"seq": 1, "digest": recording.digest})
    assert (await admin.call("GET", opened["url"]))[1] == garbage
