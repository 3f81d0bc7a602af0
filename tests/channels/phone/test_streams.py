"""What streams of calls say: µ-law, media frames and their tracks, vosk-server's texts, and the messages of a call."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from channels import _phone_call as calls
from channels import _phone_live as live
from channels import _phone_media as media
from channels import _phone_mulaw as mulaw
from channels import _phone_twilio as twilio
from channels import _phone_vosk as vosk
from channels.base import Attachment, BadPayload, BadSignature, Request, Secret
from channels.phone import Phone, PhoneSettings
from transcription.base import Word

AT = datetime(2026, 11, 22, tzinfo=UTC)


def values(samples: bytes) -> list[int]:
    return [int.from_bytes(samples[n : n + 2], "little", signed=True) for n in range(0, len(samples), 2)]


def test_mulaw_is_what_the_recommendation_says() -> None:
    """The values of ITU-T G.711, table 2: the loudest, the quietest, one of each size; and it rises all the way."""
    assert values(mulaw.samples(bytes([0x00, 0x80, 0x7F, 0xFF, 0x8F, 0x9F, 0xEF, 0xF0]))) == [
        -32124, 32124, 0, 0, 16764, 8316, 132, 120,
    ]  # fmt: skip
    positive = values(mulaw.samples(bytes(range(255, 127, -1))))
    assert positive == sorted(positive)
    assert [-value for value in positive] == values(mulaw.samples(bytes(range(127, -1, -1))))


def piece(track: str, at: int | str, count: int, code: int = 0xFF) -> media.Media:
    return media.Media(payload=base64.b64encode(bytes([code]) * count).decode(), track=track, timestamp=at)


def test_two_tracks_come_out_side_by_side() -> None:
    mixer = media.Mixer(("inbound", "outbound"))
    assert mixer.add(piece("inbound", "0", 160, 0x80)) == b""
    both = values(mixer.add(piece("outbound", "0", 160, 0x00)))
    assert both == [32124, -32124] * 160
    assert mixer.add(piece("inbound", "20", 80, 0x80)) == b""
    assert values(mixer.rest()) == [32124, 0] * 80


def test_a_track_that_says_nothing_does_not_hold_the_other_back() -> None:
    mixer = media.Mixer(("inbound", "outbound"))
    out = b"".join(mixer.add(piece("inbound", str(20 * n), 160)) for n in range(200))
    assert len(out) == 4 * (200 * 160 - media.LAG)
    late = mixer.add(piece("outbound", "4000", 160, 0x80)) + mixer.rest()
    assert 32124 in values(late)[1::2], "what it says then stands at its time"


@pytest.mark.parametrize("at", ["x", "-5", "9" * 13, str(3_600_000), ""])
def test_times_that_cannot_be_are_passed_over(at: str) -> None:
    mixer = media.Mixer(("inbound",))
    assert len(mixer.add(piece("inbound", at, 160))) == 320


def test_a_hole_is_silence_and_unrest_is_none() -> None:
    mixer = media.Mixer(("inbound",))
    assert len(mixer.add(piece("inbound", 0, 160))) == 320
    assert len(mixer.add(piece("inbound", 60, 160))) == 320
    assert len(mixer.add(piece("inbound", 1040, 160))) == 2 * (1040 * 8 - 320 + 160)


@pytest.mark.parametrize("payload", ["*", "abc", "é"])
def test_a_payload_that_is_none(payload: str) -> None:
    with pytest.raises(BadPayload):
        media.Mixer(("inbound",)).add(media.Media(payload=payload))


@pytest.mark.parametrize(
    "start", [{}, {"callSid": 1}, {"callSid": "x" * 300}, {"callSid": "CA", "mediaFormat": {"encoding": "audio/l16"}}]
)
def test_a_start_that_is_none(start: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        media.read(json.dumps({"event": "start", "start": start}))


PHONE = Phone("main", PhoneSettings(twilio_account="AC1", twilio_token=Secret("12345"), first_channel="agent"))


def test_tracks_stand_as_a_recording_has_its_channels() -> None:
    started = media.Started(
        callSid="CA1", accountSid="AC1", tracks=("inbound", "outbound"), customParameters={"from": "+4930123456"}
    )
    call, tracks = PHONE.streamed(started)
    assert (call.call_id, call.caller, tracks) == ("CA1", "+4930123456", ("outbound", "inbound"))
    for tracks in ((), ("mixed",)):
        with pytest.raises(BadPayload):
            PHONE.streamed(media.Started(callSid="CA1", tracks=tracks))
    with pytest.raises(BadSignature):
        PHONE.streamed(media.Started(callSid="CA1", accountSid="AC2"))


def test_an_upgrade_is_signed_with_wss_whatever_reached_us() -> None:
    for signed in ("wss://x.example/calls/twilio/main", "wss://x.example:443/calls/twilio/main"):
        headers = {twilio.HEADER: twilio.sign(Secret("12345"), signed, ())}
        PHONE.opens_stream(Request(url="https://x.example/calls/twilio/main", headers=headers, at=AT))
    for headers in ({}, {twilio.HEADER: ""}, {twilio.HEADER: twilio.sign(Secret("12345"), "wss://x.example/", ())}):
        with pytest.raises(BadSignature):
            PHONE.opens_stream(Request(url="https://x.example/calls/twilio/main", headers=headers, at=AT))
    nobody = Phone("a", PhoneSettings(folder="/tmp"))
    with pytest.raises(BadSignature):
        nobody.opens_stream(Request(url="https://x.example/", headers=headers, at=AT))


# --- vosk-server -----------------------------------------------------------------------------------------

DEFAULT = vosk.Config()
WORDS = (
    Word(text="my", start=0.1, end=0.3, confidence=1.0),
    Word(text="…", start=0.3, end=0.9, confidence=0.0),
    Word(text="订单", start=0.9, end=1.2, confidence=0.87),
)


def test_settings_come_one_after_the_other() -> None:
    first = vosk.read('{"config" : { "sample_rate" : 16000, "model": "/etc" }}', DEFAULT)
    assert first.config == vosk.Config(sample_rate=16000)
    second = vosk.read('{"config": {"words": 0, "max_alternatives": null}}', first.config)
    assert second.config == vosk.Config(sample_rate=16000, words=False)


def test_wishes_with_and_without_spaces() -> None:
    for text in ('{"eof" : 1}', '{"eof":1}'):
        assert vosk.read(text, DEFAULT).eof
    assert vosk.read('{"reset" : 1}', DEFAULT).reset
    assert vosk.read('{"uuid": "x", "deep": {"a": 1}}', DEFAULT).known == {"uuid": "x"}


@pytest.mark.parametrize(
    "text",
    ["", "1", "null", "[" * 100_000, '{"config": []}', '{"config": {"sample_rate": "fast"}}', '{"config": {"phrase_list": ["a", 1]}}',
     json.dumps({"config": {"phrase_list": ["a"] * 3000}})],
)  # fmt: skip
def test_texts_that_are_none(text: str) -> None:
    with pytest.raises(BadPayload):
        vosk.read(text, DEFAULT)


def test_results_have_the_shapes_of_the_engine() -> None:
    assert json.loads(vosk.partial("my order")) == {"partial": "my order"}
    assert json.loads(vosk.result((), DEFAULT)) == {"text": ""}
    whole = json.loads(vosk.result(WORDS, DEFAULT))
    assert whole["text"] == "my [unk] 订单"
    assert whole["result"][2] == {"conf": 0.87, "start": 0.9, "end": 1.2, "word": "订单"}
    assert json.loads(vosk.result(WORDS, vosk.Config(words=False))) == {"text": "my [unk] 订单"}
    (one,) = json.loads(vosk.result(WORDS, vosk.Config(max_alternatives=5)))["alternatives"]
    assert one["text"] == "my [unk] 订单"
    assert math.isclose(one["confidence"], 1.87)
    assert one["result"][0] == {"start": 0.1, "end": 0.3, "word": "my"}


# --- the messages of a call ------------------------------------------------------------------------------


def test_a_call_is_one_message_with_versions() -> None:
    first = PHONE.begun(calls.Call(call_id="c1", caller="+4930123456", note="angry"), "live-1", AT)
    assert (first.thread, first.text, first.kind, first.sender.phone) == ("c1", "angry", "message", "+4930123456")
    said = live.said(first, 1, "my order is late", AT)
    assert (said.kind, said.refers_to, said.text) == ("edit", "live-1", "angry\nmy order is late")
    file = Attachment(digest="0" * 64, state="kept")
    over = live.over(first, file, AT, opened=True)
    assert (over.kind, over.refers_to, over.text, over.attachments) == ("edit", "live-1", "angry", (file,))
    alone = live.over(first, file, AT, opened=False)
    assert (alone.kind, alone.refers_to, alone.external_id) == ("message", "", over.external_id)
    assert PHONE.begun(calls.Call(), "live-2", AT).thread == "live-2"
