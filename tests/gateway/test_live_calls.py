"""Calls streamed into the running server: words come back at once, the record is there while they are spoken."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp.test_utils import TestServer

from channels.base import Secret
from gateway import config
from gateway.app import application, assemble
from gateway.calls import CALLS, Calls
from gateway.context import GATEWAY, Gateway
from gateway.operations import OPERATIONS
from gateway.store.base import NotFound, conversation_id
from normalizer.record import ComplaintRecord
from tests.gateway import live_lines as lines
from tests.gateway.live_lines import sound
from tests.ports import free_port
from transcription import model_folder

if not os.environ.get("REQUIRE_TEST_SERVERS"):
    pytest.importorskip("vosk", reason="the speech extra is not installed")
    pytest.importorskip("av", reason="the speech extra is not installed")

TOKEN = "a-streaming-token"
TWILIO = Secret("12345")
PATIENCE = 150.0
CONFIG = f"""
secret = "0123456789012345678901234567890123456789"
public_url = "https://intake.example"
[channels.phone.lines]
tokens = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]
language = "en"
[channels.phone.pbx]
audiosocket = "127.0.0.1:{{port}}"
[channels.phone.twilio]
twilio_account = "AC1"
twilio_token = "{TWILIO}"
"""


class Office:
    """The running gateway."""

    def __init__(self, server: TestServer, gateway: Gateway, calls: Calls, port: int) -> None:
        self.server, self.gateway, self.calls, self.port = server, gateway, calls, port

    def url(self, path: str) -> str:
        return str(self.server.make_url(path)).replace("http://", "ws://")

    def vosk(self, tail: str = "") -> str:
        return self.url(f"/calls/vosk/lines?token={TOKEN}{tail}")

    async def record(self, account: str, thread: str, *, done: bool = True) -> ComplaintRecord:
        """The record of a call, once there is one; with ``done`` once its recording was heard."""
        conversation = conversation_id("phone", account, thread)
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(NotFound):
                    number = (await self.gateway.store.conversation(conversation)).number
                    record = await self.gateway.store.record(number)
                    if not done or [file.heard for file in record.arrival.attachments] == ["heard"]:
                        return record
                await asyncio.sleep(0.05)

    async def dial(self) -> asyncio.StreamWriter:
        """A connection to the AudioSocket, once it listens."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    return writer
                await asyncio.sleep(0.05)

    async def ids(self) -> list[str]:
        """The external ids of all messages, without what tells one stream from another."""
        rows = sorted((await self.gateway.store.inbox(limit=500)).items, key=lambda row: row.id)
        return [row.external_id.partition("/")[2] for row in rows]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    port = free_port()
    file = tmp_path / "allears.toml"
    file.write_text(CONFIG.format(port=port))
    loaded = config.load(file, env={})
    model_folder.use(loaded.path(loaded.config.speech.models), model_folder.TINY)
    app = application(assemble(loaded))
    server = TestServer(app)
    async with server:
        yield Office(server, app[GATEWAY], app[CALLS], port)


def check(record: ComplaintRecord, number: str = "17704") -> None:
    """The order number, with the seconds in which it was said, and nothing twice."""
    (order,) = record.what.order_numbers
    assert order.value == number
    (evidence,) = order.evidence
    assert evidence.from_second is not None
    assert evidence.to_second is not None
    assert 0 < evidence.from_second < evidence.to_second < 12
    assert record.standing.handoff_reason == "call"
    assert record.arrival.origin == "phone"


# --- vosk-server -----------------------------------------------------------------------------------------


async def test_a_client_of_vosk_server(office: Office) -> None:
    async with lines.vosk(office.vosk("&call_id=c1&caller=%2B8613800138000"), rate=16000) as client:
        answers = await client.say(sound("en_number", 16000))
        assert {tuple(answer) for answer in answers} <= {("partial",), ("result", "text"), ("text",)}
        partials = [answer["partial"] for answer in answers if answer.get("partial")]
        assert partials[0] in ("my", "my order")
        last = await client.eof()
    results = [answer for answer in (*answers, last) if answer.get("text")]
    assert " ".join(answer["text"] for answer in results) == "my order number is one double seven oh four"
    words = [word for answer in results for word in answer["result"]]
    assert all(set(word) == {"conf", "end", "start", "word"} for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    record = await office.record("lines", "c1")
    check(record)
    assert [phone.value for phone in record.who.phones] == ["+8613800138000"]


async def test_the_record_is_there_while_the_caller_speaks(office: Office) -> None:
    async with lines.vosk(office.vosk("&call_id=c2")) as client:
        await client.say(sound("en_broken") + bytes(16000 * 2))
        early = await office.record("lines", "c2", done=False)
        async with asyncio.timeout(PATIENCE):
            while not early.what.demands:
                await asyncio.sleep(0.05)
                early = await office.record("lines", "c2", done=False)
        assert [demand.value for demand in early.what.demands] == ["refund"]
        assert early.what.kind is not None
        assert early.what.kind.value == "complaint"
        shown = office.calls.shown(conversation_id("phone", "lines", "c2"))
        assert shown is not None
        assert [line["text"] for line in shown["lines"]] == ["the package is broken i want a refund"]
        await client.say(sound("en_number"))
        await client.eof()
    record = await office.record("lines", "c2")
    check(record)
    assert record.number == early.number
    (refund,) = record.what.demands
    assert [evidence.from_second is not None for evidence in refund.evidence] == [True], "said once, told once"
    assert await office.ids() == ["", "1", "end"]
    assert office.calls.shown(conversation_id("phone", "lines", "c2")) is None


async def test_words_without_times_alternatives_and_a_reset(office: Office) -> None:
    async with lines.vosk(office.vosk(), words=False) as client:
        await client.say(sound("en_late"))
        assert await client.ask('{"reset" : 1}') == {"text": "my order is late"}
        await client.ws.send_str('{"config": {"max_alternatives": 3}}')
        await client.say(sound("en_twice"))
        last = await client.eof()
        assert list(last) == ["alternatives"]
        assert last["alternatives"][0]["text"] == "i was charged twice"
        assert set(last["alternatives"][0]) == {"confidence", "text"}


async def test_a_grammar_and_an_end_without_sound(office: Office) -> None:
    async with lines.vosk(office.vosk(), phrase_list=["refund", "[unk]"]) as client:
        answers = await client.say(sound("en_broken"))
        texts = [answer.get("text", "") for answer in (*answers, await client.eof())]
        assert "refund" in " ".join(texts).split()
        assert set(" ".join(texts).split()) <= {"refund", "[unk]"}
    async with lines.vosk(office.vosk()) as client:
        assert await client.ask('{"eof":1}') == {"text": ""}


async def test_small_pieces_without_waiting_get_one_answer_each(office: Office) -> None:
    data = list(lines.pieces(sound("en_late"), 320))
    async with lines.vosk(office.vosk()) as client:
        for piece in data:
            await client.ws.send_bytes(piece)
        answers = [await client.ws.receive_json(timeout=100) for _ in data]
        last = await client.eof()
    assert " ".join(answer["text"] for answer in (*answers, last) if answer.get("text")) == "my order is late"


async def test_what_is_known_comes_as_text_and_two_channels_are_two_speakers(office: Office) -> None:
    """As FreeSWITCH's audio fork does: its metadata first, then sound of both sides."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(office.vosk("&channels=2"), protocols=["audio.drachtio.org"]) as ws,
    ):
        assert ws.protocol == "audio.drachtio.org"
        await ws.send_str('{"uuid": "fs-1", "caller_id_number": "+8613800138000"}')
        for piece in lines.pieces(sound("call"), 6400):
            await ws.send_bytes(piece)
            await ws.receive_json(timeout=100)
        await ws.send_str('{"eof" : 1}')
        await ws.receive_json(timeout=100)
    record = await office.record("lines", "fs-1")
    check(record, "7042")
    (recording,) = await office.gateway.store.recordings(conversation_id("phone", "lines", "fs-1"))
    assert recording.transcript is not None
    assert {one.speaker for one in recording.transcript.segments} == {"customer", "agent"}


@pytest.mark.parametrize(
    "path",
    ["/calls/vosk/lines", "/calls/vosk/lines?token=wrong", f"/calls/vosk/pbx?token={TOKEN}", "/calls/vosk/nobody"],
)
async def test_nobody_streams_without_a_token(office: Office, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(office.url(path))
        assert refused.value.status == 401
        assert TOKEN not in str(refused.value.headers)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.ws_connect(office.url("/calls/vosk/lines"), headers=headers) as ws:
            assert not ws.closed
        async with session.get(office.server.make_url(f"/calls/vosk/lines?token={TOKEN}")) as plain:
            assert plain.status == 426


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"config": {"sample_rate": 1e400}}',
        '{"config": {"sample_rate": NaN}}',
        '{"config": 1}',
        '{"config": {"sample_rate": -1}}',
        '{"config": {"phrase_list": [1]}}',
        "[",
    ],
)
async def test_a_client_that_talks_nonsense_is_told_why(office: Office, text: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(office.vosk()) as ws:
        await ws.send_str(text)
        await ws.send_bytes(bytes(320))
        message = await ws.receive(timeout=100)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1003
        assert message.extra
    assert await office.ids() == []


async def test_a_stream_that_is_cut_keeps_what_was_heard(office: Office) -> None:
    async with lines.vosk(office.vosk("&call_id=cut")) as client:
        await client.say(sound("en_number"))
        assert client.ws._response.connection is not None
        assert client.ws._response.connection.transport is not None
        client.ws._response.connection.transport.abort()
        check(await office.record("lines", "cut"))


async def test_a_stream_that_comes_back_goes_on_in_its_conversation(office: Office) -> None:
    async with lines.vosk(office.vosk("&call_id=back")) as client:
        await client.say(sound("en_number"))
    async with lines.vosk(office.vosk("&call_id=back")) as client:
        await client.say(sound("en_broken"))
        await client.eof()
    conversation = conversation_id("phone", "lines", "back")
    async with asyncio.timeout(PATIENCE):
        while True:
            record = await office.record("lines", "back", done=False)
            if [file.heard for file in record.arrival.attachments] == ["heard", "heard"]:
                break
            await asyncio.sleep(0.05)
    check(record)
    assert [demand.value for demand in record.what.demands] == ["refund"]
    assert len(await office.gateway.store.recordings(conversation)) == 2


async def test_a_person_who_is_erased_while_they_speak(office: Office) -> None:
    async with lines.vosk(office.vosk("&call_id=gone&caller=%2B8613800138000")) as client:
        await client.say(sound("en_broken") + bytes(16000 * 2))
        await office.record("lines", "gone", done=False)
        erased = await OPERATIONS["erase"](office.gateway, {"person": "+8613800138000", "yes": True})
        assert [one["erased"] for one in erased] == [True]
        await client.say(sound("en_number"))
        await client.eof()
    async with lines.vosk(office.vosk("&call_id=other")) as client:
        await client.say(sound("en_number"))
        await client.eof()
    check(await office.record("lines", "other"))
    entries = await office.gateway.store.timeline(conversation_id("phone", "lines", "gone"))
    assert [entry.text for entry in entries if entry.text or entry.attachments] == []
    assert list((office.gateway.blobs.folder.parent / "live" / "lines").iterdir()) == []


async def test_a_killed_process_in_the_middle_of_a_call(office: Office) -> None:
    data = sound("en_number")
    async with lines.vosk(office.vosk("&call_id=kill")) as client:
        answers = await client.say(data[: len(data) // 2])
        live = office.calls._live
        assert live is not None
        for pid in live.pids():
            os.kill(pid, signal.SIGKILL)
        answers += await client.say(data[len(data) // 2 :])
        answers.append(await client.eof())
    assert " ".join(one["text"] for one in answers if one.get("text")) == "my order number is one double seven oh four"
    check(await office.record("lines", "kill"))


async def test_without_a_model_calls_are_kept_and_heard_later(office: Office) -> None:
    shelf = office.gateway.shelf
    os.rename(shelf, shelf.with_name("away"))
    async with lines.vosk(office.vosk("&call_id=deaf")) as client:
        answers = await client.say(sound("en_number"))
        assert {answer["partial"] for answer in answers} == {""}
        assert await client.eof() == {"text": ""}
    early = await office.record("lines", "deaf", done=False)
    assert [file.heard for file in early.arrival.attachments] == ["waiting"]
    assert early.what.order_numbers == ()


async def test_a_disk_that_is_full_in_the_middle_of_a_call(office: Office) -> None:
    """What was kept before becomes the record, the client is told that it may come again."""
    async with lines.vosk(office.vosk("&call_id=full")) as client:
        await client.say(sound("en_number"))
        (call,) = office.calls._running.values()
        call.file._file.close()
        call.file._file = await asyncio.to_thread(open, "/dev/full", "wb", buffering=0)
        await client.ws.send_bytes(bytes(16000))
        assert (await client.ws.receive(timeout=100)).type is aiohttp.WSMsgType.CLOSE
        assert client.ws.close_code == 1013
    check(await office.record("lines", "full"))


async def test_a_call_that_cannot_be_kept_is_not_taken(office: Office) -> None:
    folder = office.gateway.blobs.folder.parent / "live"
    folder.write_text("a file where a folder should be: every write fails")
    async with aiohttp.ClientSession() as session, session.ws_connect(office.vosk()) as ws:
        await ws.send_bytes(bytes(320))
        assert (await ws.receive(timeout=100)).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1013
    folder.unlink()
    async with lines.vosk(office.vosk("&call_id=again")) as client:
        await client.say(sound("en_number"))
        await client.eof()
    check(await office.record("lines", "again"))


async def test_a_call_that_is_too_long_ends_as_a_record(office: Office) -> None:
    settings = office.gateway.config
    speech = msgspec.structs.replace(settings.speech, max_hours=4 / 3600)
    office.gateway.config = msgspec.structs.replace(settings, speech=speech)
    async with aiohttp.ClientSession() as session, session.ws_connect(office.vosk("&call_id=long")) as ws:
        for piece in lines.pieces(sound("en_number") + bytes(16000 * 3), 3200):
            await ws.send_bytes(piece)
        async with asyncio.timeout(PATIENCE):
            while not ws.closed:
                await ws.receive()
    check(await office.record("lines", "long"))


async def test_more_calls_than_ears_and_more_than_can_be_taken(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = office.gateway.config
    speech = msgspec.structs.replace(settings.speech, live_calls=1)
    office.gateway.config = msgspec.structs.replace(settings, speech=speech)
    monkeypatch.setattr("gateway.calls.MAX_CALLS", 2)
    async with lines.vosk(office.vosk("&call_id=e1")) as first, lines.vosk(office.vosk("&call_id=e2")) as second:
        heard = await first.say(sound("en_number"))
        unheard = await second.say(sound("en_number"))
        assert any(answer.get("partial") for answer in heard)
        assert {answer["partial"] for answer in unheard} == {""}
        async with lines.vosk(office.vosk()) as third:
            await third.ws.send_bytes(bytes(320))
            assert (await third.ws.receive(timeout=100)).type is aiohttp.WSMsgType.CLOSE
            assert third.ws.close_code == 1013
        await first.eof()
        await second.eof()
    check(await office.record("lines", "e1"))
    check(await office.record("lines", "e2"))


# --- Twilio ----------------------------------------------------------------------------------------------

PUBLIC = "wss://intake.example/calls/twilio/twilio"


async def test_both_tracks_of_a_media_stream(office: Office) -> None:
    whole = sound("call")
    both = {"inbound": whole[0::4], "outbound": whole[2::4]}
    for n, track in enumerate(both):
        left = bytearray(len(whole) // 2)
        left[0::2], left[1::2] = whole[2 * n :: 4], whole[2 * n + 1 :: 4]
        both[track] = bytes(left)
    async with lines.media(office.url("/calls/twilio/twilio"), PUBLIC, TWILIO) as stream:
        await stream.start("CA1", tracks=("inbound", "outbound"), caller="+14155550100")
        await stream.say(both)
        await stream.mark()
        early = await office.record("twilio", "CA1", done=False)
        await stream.stop("CA1")
        record = await office.record("twilio", "CA1")
    check(record, "7042")
    assert early.number == record.number
    assert [demand.value for demand in record.what.demands] == ["refund"]
    assert [phone.value for phone in record.who.phones] == ["+14155550100"]
    (recording,) = await office.gateway.store.recordings(conversation_id("phone", "twilio", "CA1"))
    assert recording.transcript is not None
    said = [(one.speaker, one.text) for one in recording.transcript.segments]
    assert said[0] == ("agent", "hello please help")
    assert ("customer", "my package was damaged i want a refund") in said


async def test_one_track_with_a_hole_in_it(office: Office) -> None:
    async with lines.media(office.url("/calls/twilio/twilio"), PUBLIC, TWILIO) as stream:
        await stream.start("CA2", tracks=("inbound",))
        await stream.say({"inbound": sound("en_late")})
        await stream.skip("inbound", 3000)
        await stream.say({"inbound": sound("en_number")})
        await stream.stop("CA2")
        record = await office.record("twilio", "CA2")
    (order,) = record.what.order_numbers
    assert order.value == "17704"
    assert order.evidence[0].from_second is not None
    assert order.evidence[0].from_second > 4.5, "lost sound has its time in the recording"


async def test_a_media_stream_wants_its_signature(office: Office) -> None:
    url = office.url("/calls/twilio/twilio")
    for public, token in ((PUBLIC, Secret("wrong")), ("wss://evil.example/calls/twilio/twilio", TWILIO), ("", TWILIO)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with lines.media(url, public, token):
                pass
        assert refused.value.status == 401
    for account in ("lines", "nobody"):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with lines.media(
                office.url(f"/calls/twilio/{account}"), PUBLIC.replace("twilio/twilio", f"twilio/{account}"), TWILIO
            ):
                pass
    async with lines.media(url, PUBLIC, TWILIO) as stream:
        await stream.start("CA3", tracks=("inbound",), account="AC2")
        assert (await stream.ws.receive(timeout=100)).type is aiohttp.WSMsgType.CLOSE
    assert await office.ids() == []


@pytest.mark.parametrize("text", ["{", '{"event":"media"}', '{"event":"start","start":{}}', '{"event":"connected"} x'])
async def test_a_media_stream_of_nonsense_is_closed(office: Office, text: str) -> None:
    async with lines.media(office.url("/calls/twilio/twilio"), PUBLIC, TWILIO) as stream:
        await stream.ws.send_str(text)
        assert (await stream.ws.receive(timeout=100)).type is aiohttp.WSMsgType.CLOSE
    assert await office.ids() == []


# --- Asterisk --------------------------------------------------------------------------------------------


async def test_an_audiosocket_call_has_its_record_while_it_runs(office: Office) -> None:
    call = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
    writer = await office.dial()
    for one in lines.asterisk(call, sound("en_broken") + bytes(16000 * 2) + sound("en_number")):
        writer.write(one)
    await writer.drain()
    early = await office.record("pbx", str(call), done=False)
    assert early.arrival.attachments == ()
    writer.write(lines.frame(0x00))
    await writer.drain()
    record = await office.record("pbx", str(call))
    writer.close()
    assert record.number == early.number
    check(record)


# --- the server ends -------------------------------------------------------------------------------------


async def _serving(file: Path, port: int) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(file))
    null = asyncio.subprocess.DEVNULL
    env = {name: value for name, value in os.environ.items() if not name.startswith(config.ENV_PREFIX)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=Path(__file__).parents[2], env=env, stdout=null, stderr=null
    )
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    assert answer.status == 200
                    return process
            assert process.returncode is None
            await asyncio.sleep(0.1)


async def _until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if true():
                return
            await asyncio.sleep(0.05)


def _rows(database: Path) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as file:
        open_rows, rows = file.execute("SELECT sum(state <> 'done'), count(*) FROM inbox").fetchone()
        (records,) = file.execute("SELECT count(DISTINCT number) FROM record").fetchone()
        heard = [body for (body,) in file.execute("SELECT body FROM recording WHERE state = 'heard'")]
    return {"open": open_rows or 0, "rows": rows, "records": records, "heard": heard}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_ends_in_the_middle_of_a_call(tmp_path: Path, end: signal.Signals) -> None:
    """What was on the disk ends in one record after the restart, heard once."""
    port = free_port()
    file, database = tmp_path / "allears.toml", tmp_path / "data" / "allears.db"
    file.write_text(f'listen = "127.0.0.1:{port}"\n' + CONFIG.format(port=0).replace("https://intake.example", ""))
    model_folder.use(tmp_path / "models", model_folder.TINY)
    process = await _serving(file, port)
    async with lines.vosk(f"ws://127.0.0.1:{port}/calls/vosk/lines?token={TOKEN}&call_id=c") as client:
        await client.say(sound("en_number"))
        await _until(lambda: _rows(database)["rows"] > 0)
        process.send_signal(end)
        await process.wait()
    process = await _serving(file, port)
    try:
        await _until(lambda: (now := _rows(database))["heard"] and not now["open"])
    finally:
        process.kill()
        await process.wait()
    now = _rows(database)
    assert now["records"] == 1
    assert len(now["heard"]) == 1
    assert b'"seven"' in now["heard"][0]
    assert list((tmp_path / "data" / "live" / "lines").iterdir()) == []
