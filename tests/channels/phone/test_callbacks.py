"""Twilio's callbacks: the vendor's own vectors, and what is made of them; credentials go where they belong."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from channels import _phone_twilio as twilio
from channels.base import Attachment, BadPayload, BadSignature, Request, Secret
from channels.phone import Phone, PhoneSettings
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
URL = "https://intake.example/in/phone/twilio"
FORM = {
    "AccountSid": "AC1",
    "CallSid": "CA1",
    "RecordingSid": "RE1",
    "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1",
    "RecordingStatus": "completed",
    "RecordingChannels": "2",
    "From": "+14158675309",
}


def phone(**more: object) -> Phone:
    settings = {"twilio_account": "AC1", "twilio_token": Secret("12345"), **more}
    return Phone("twilio", PhoneSettings(**settings))  # type: ignore[arg-type]


def request(form: dict[str, str], *, url: str = URL, signature: str = "") -> Request:
    signed = signature or twilio.sign(Secret("12345"), URL, list(form.items()))
    return Request(url=url, body=urlencode(form).encode(), headers={twilio.HEADER: signed}, at=NOW)


def test_the_vendors_vectors() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    one = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309"}
    assert twilio.sign(Secret("12345"), url, [*one.items(), ("To", "+18005551212")]) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    two = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert twilio.sign(Secret("12345"), url, two) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_a_finished_recording_is_a_message() -> None:
    (message,) = phone().accept(request(FORM))
    assert (message.external_id, message.thread, message.sender.phone) == ("RE1", "CA1", "+14158675309")
    (file,) = message.attachments
    assert file.url.endswith("/RE1.wav")


@pytest.mark.parametrize("status", ["in-progress", "absent", "failed"])
def test_other_states_are_housekeeping(status: str) -> None:
    assert phone().accept(request({**FORM, "RecordingStatus": status})) == ()


def test_the_default_port_may_be_signed() -> None:
    signature = twilio.sign(Secret("12345"), "https://intake.example:443/in/phone/twilio", list(FORM.items()))
    assert len(phone().accept(request(FORM, signature=signature))) == 1


def test_what_twilio_did_not_sign_is_refused() -> None:
    for bad in (
        request(FORM, url=URL + "?x=1"),
        request(FORM, signature="RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        request(FORM, signature="ünsinn"),
    ):
        with pytest.raises(BadSignature):
            phone().accept(bad)
    with pytest.raises(BadSignature):
        phone().accept(request({**FORM, "AccountSid": "AC2"}))
    with pytest.raises(BadSignature):
        Phone("x", PhoneSettings(folder="/calls")).accept(request(FORM))


def test_a_callback_without_a_recording_is_kept_for_a_person() -> None:
    with pytest.raises(BadPayload):
        phone().accept(request({"CallSid": "CA1"}))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/2010-04-01/RE1.wav",
        "https://api.twilio.com.evil.example/RE1.wav",
        "http://api.twilio.com/RE1.wav",
        "https://api.twilio.com@evil.example/RE1.wav",
    ],
)
async def test_credentials_are_not_sent_to_strangers(url: str, tmp_path: Path) -> None:
    assert "Authorization" not in await _headers(phone(), url, tmp_path)


async def _headers(channel: Phone, url: str, folder: Path) -> Mapping[str, str]:
    tools = GatewayTools(Egress(), Blobs(folder))
    return (await channel.fetching(Attachment(url=url), tools)).headers


async def test_credentials_are_sent_to_their_platform(tmp_path: Path) -> None:
    headers = await _headers(phone(), "https://api.twilio.com/2010-04-01/RE1.wav", tmp_path)
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"AC1:12345").decode()
    own = phone(recordings_url="https://pbx.example/rec/", recordings_authorization=Secret("Bearer x"))
    assert await _headers(own, "https://pbx.example/rec/1.wav", tmp_path) == {"Authorization": "Bearer x"}
    for other in ("https://pbx.example/other/1.wav", "https://pbx.example/rec/../other.wav"):
        assert await _headers(own, other, tmp_path) == {}


def test_an_account_that_nothing_can_reach_does_not_start() -> None:
    for wrong in ({}, {"folder": "relative"}, {"twilio_token": Secret("x")}, {"recordings_url": "https://x/"}):
        with pytest.raises(ValueError, match=r"."):
            PhoneSettings(**wrong)
