"""Twilio: the vendor's vectors hold, forms become messages and reports, files come without giving the token away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from channels._platforms.base import File
from channels._platforms.sms import ACCOUNT, NUMBER, TOKEN, Sms, sign
from channels.base import Attachment, BadPayload, BadSignature, Expired, Inbound, Outbound, Refused, Request, Sender
from channels.sms import Settings
from channels.sms import Sms as Channel
from gateway import config
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
URL = "https://intake.example/in/sms/main"
THEIRS = "+8613800138000"


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def channel(**changes: Any) -> Channel:
    tree = {"account_sid": ACCOUNT, "auth_token": TOKEN, "number": NUMBER, **changes}
    return Channel("main", config.convert(tree, Settings))


def form(**fields: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "AccountSid": ACCOUNT, "From": THEIRS, "To": NUMBER, "Body": "hi", **fields}


def request(fields: dict[str, str], signature: str = "") -> Request:
    headers = {"x-twilio-signature": signature or sign(URL, fields)}
    return Request(url=URL, headers=headers, body=urlencode(fields).encode(), at=NOW)


def read(**fields: str) -> Inbound:
    return channel().accept(request(form(**fields)))[0]


def reply(thread: str = f"{NUMBER}/{THEIRS}", text: str = "Got it.") -> Outbound:
    return Outbound(key="k1", channel="sms", account="main", thread=thread, text=text)


def test_a_parameter_more_is_another_form() -> None:
    good = sign(URL, form())
    with pytest.raises(BadSignature):
        channel().accept(request(form(Extra="1"), good))
    with pytest.raises(BadPayload):
        channel().accept(request(form(AccountSid="AC2")))


def test_a_message() -> None:
    found = read()
    assert (found.thread, found.sender.phone, found.sender.verified) == (f"{NUMBER}/{THEIRS}", THEIRS, True)
    assert (found.text, found.at, found.replies_until) == ("hi", NOW, None)


def test_who_has_no_number_is_not_proven() -> None:
    bank = read(From="MYBANK")
    assert (bank.sender.id, bank.sender.phone, bank.sender.verified) == ("MYBANK", "", False)


def test_whatsapp_through_twilio() -> None:
    found = read(
        From=f"whatsapp:{THEIRS}",
        To=f"whatsapp:{NUMBER}",
        ProfileName="王芳",
        Latitude="31.2",
        Longitude="121.4",
        Label="店",
    )
    assert found.thread == f"whatsapp:{NUMBER}/whatsapp:{THEIRS}"
    assert (found.sender.name, found.sender.phone) == ("王芳", THEIRS)
    assert (found.text, found.placeholder) == ("hi\n📍 店 (31.2, 121.4)", "a location")
    assert found.replies_until == NOW + timedelta(hours=24)
    assert read(ButtonPayload="refund").choice == "refund"


@pytest.mark.parametrize(("state", "wanted"), [("sent", "sent"), ("undelivered", "failed"), ("read", "read")])
def test_what_became_of_ours(state: str, wanted: str) -> None:
    found = read(From=NUMBER, To=THEIRS, MessageStatus=state, ErrorCode="30003")
    assert (found.kind, found.refers_to, found.delivery, found.thread) == (
        "status",
        "SM1",
        wanted,
        f"{NUMBER}/{THEIRS}",
    )
    assert found.external_id == f"SM1:{state}"


def test_a_report_needs_no_more_than_the_id() -> None:
    found = read(From=NUMBER, To="", MessageStatus="failed", ErrorCode="30008")
    assert (found.kind, found.refers_to, found.delivery, found.text) == (
        "status",
        "SM1",
        "failed",
        "Twilio's error 30008",
    )
    assert read(From=NUMBER, MessageStatus="queued").kind == "event"


def test_stop_is_no_complaint() -> None:
    found = read(Body="STOP", OptOutType="STOP")
    assert (found.kind, found.machine) == ("status", "blocked")
    assert read(Body="HELP", OptOutType="HELP").kind == "message"


def test_odd_counts_of_files_are_no_harm() -> None:
    for count in ("", "-1", "x", "99999999999", "٣"):
        assert read(NumMedia=count).attachments == ()
    assert read(NumMedia="2", MediaUrl0="https://x.example/1", MediaUrl1="file:///etc/passwd").attachments[0].url == (
        "https://x.example/1"
    )
    assert len(read(NumMedia="2", MediaUrl0="https://x.example/1", MediaUrl1="file:///etc/passwd").attachments) == 1


async def test_a_file_is_fetched_through_the_redirect(tools: GatewayTools) -> None:
    async with Sms() as platform:
        ours = channel(**platform.settings)
        await platform.say("see", files=(File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff"),))
        (message,) = ours.accept(request(platform.held[0]))
        call = await ours.fetching(message.attachments[0], tools)
        assert "authorization" not in call.headers
        assert (await tools.http(call)).body == b"\xff\xd8\xff"


async def test_credentials_go_to_twilio_alone(tools: GatewayTools) -> None:
    async with Sms() as stranger:
        stranger.keep(File(name="a", type="image/jpeg", data=b"x"))
        call = await channel().fetching(Attachment(url=f"{stranger.url}/cdn/x"), tools)
        assert "authorization" not in call.headers


async def test_who_has_stopped_is_not_written_to(tools: GatewayTools) -> None:
    async with Sms() as platform:
        ours = channel(**platform.settings)
        platform.stopped.add(THEIRS)
        with pytest.raises(Refused, match="21610"):
            await ours.send(reply(), tools)


class Closed(Sms):
    """WhatsApp's 24 hours are over."""

    def refusal(self, status: int, headers: Mapping[str, str]) -> web.Response:
        return web.json_response({"code": 63016, "status": 400}, status=400)


async def test_the_window_of_whatsapp(tools: GatewayTools) -> None:
    async with Closed() as platform:
        platform.script = [(400, {})]
        with pytest.raises(Expired):
            await channel(**platform.settings).send(reply(), tools)


async def test_it_can_write_first() -> None:
    ours = channel()
    assert await ours.begin(Sender(id="x", phone=THEIRS), "k") == f"{NUMBER}/{THEIRS}"
    assert await ours.begin(Sender(id="x"), "k") == ""
    assert await channel(number=f"whatsapp:{NUMBER}").begin(Sender(id="x", phone=THEIRS), "k") == (
        f"whatsapp:{NUMBER}/whatsapp:{THEIRS}"
    )


async def test_the_numbers_address_is_set(tools: GatewayTools) -> None:
    async with Sms() as platform:
        (finding,) = await channel(**platform.settings).set_up(URL, tools)
        assert finding.ok
        assert platform.door == URL
        (finding,) = await channel(**{**platform.settings, "number": "+1999"}).set_up(URL, tools)
        assert not finding.ok
        (finding,) = await channel(**{**platform.settings, "auth_token": "x"}).check(tools)
        assert not finding.ok
