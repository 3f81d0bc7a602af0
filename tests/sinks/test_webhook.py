"""The signed webhook against a real receiver that misbehaves by script."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from channels import _standard_webhooks as webhooks
from channels.base import (
    BadPayload,
    BadSignature,
    ChannelError,
    Refused,
    Request,
    Retry,
    Secret,
    Unauthorized,
    Unknown,
)
from gateway.blobs import Blobs
from gateway.config import ConfigError, convert
from gateway.egress import Egress
from gateway.sinks.webhook import WebhookSettings, WebhookSink, retry_after
from gateway.tools import GatewayTools

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
SECRET = Secret("whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
OTHER = Secret("whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode())
BODY = '{"id":"A-1:1:opened","type":"complaint.opened","data":{"text":"退款"}}'.encode()


class Receiver:
    """Does what the script says, one word a request; 200 at its end."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, body))
        word, _, rest = (self.script.pop(0) if self.script else "200").partition(" ")
        if word == "silent":
            await asyncio.sleep(2)
        if word == "cut":
            assert request.transport is not None
            request.transport.close()
        if not word.isdecimal():
            return web.Response()
        headers = {"Retry-After": rest} if word in ("429", "502", "503", "504") and rest else {}
        if word.startswith("3"):
            headers = {"Location": rest}
        return web.Response(status=int(word), headers=headers, text=rest if word.startswith("2") else "")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    it = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", it.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield it
    await runner.cleanup()


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path / "blobs"))
    await egress.close()


def sink(url: str, **settings: Any) -> WebhookSink:
    return WebhookSink(
        "crm", msgspec.convert({"url": url, "secret": SECRET, "timeout": 5.0} | settings, WebhookSettings)
    )


async def test_an_event_arrives_signed(receiver: Receiver, tools: GatewayTools) -> None:
    receiver.script = ['201 {"external_id": "T-77"}']
    assert await sink(receiver.url).deliver(BODY, "A-1:1:opened@crm", AT, tools) == "T-77"
    ((headers, body),) = receiver.seen
    assert body == BODY
    assert headers["content-type"] == "application/json"
    assert webhooks.verify([SECRET], headers, body, AT) == "A-1:1:opened@crm"
    with pytest.raises(BadSignature):
        webhooks.verify([OTHER], headers, body, AT)
    with pytest.raises(BadSignature):
        webhooks.verify([SECRET], headers, body + b" ", AT)


async def test_the_id_stays_and_the_time_moves_over_attempts(receiver: Receiver, tools: GatewayTools) -> None:
    receiver.script = ["500"]
    to = sink(receiver.url)
    with pytest.raises(Retry):
        await to.deliver(BODY, "k", AT, tools)
    await to.deliver(BODY, "k", AT + timedelta(hours=2), tools)
    first, second = (headers for headers, _ in receiver.seen)
    assert first["webhook-id"] == second["webhook-id"] == "k"
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 7200


async def test_both_secrets_sign_while_one_is_changed(receiver: Receiver, tools: GatewayTools) -> None:
    await sink(receiver.url, previous_secret=OTHER).deliver(BODY, "k", AT, tools)
    ((headers, body),) = receiver.seen
    assert webhooks.verify([SECRET], headers, body, AT) == webhooks.verify([OTHER], headers, body, AT) == "k"


async def test_a_key_with_a_dot_makes_an_id_without(receiver: Receiver, tools: GatewayTools) -> None:
    await sink(receiver.url).deliver(BODY, "A.1:2@crm.eu", AT, tools)
    assert receiver.seen[0][0]["webhook-id"] == "A-1:2@crm-eu"


@pytest.mark.parametrize(
    ("answer", "error", "after"),
    [
        ("500", Retry, None),
        ("502", Retry, None),
        ("429", Retry, None),
        ("429 17", Retry, 17.0),
        ("504 3", Retry, 3.0),
        ("503 9999999", Retry, 86_400.0),
        ("429 " + format_datetime(AT + timedelta(minutes=2), usegmt=True), Retry, 120.0),
        ("429 " + format_datetime(AT - timedelta(minutes=2), usegmt=True), Retry, 0.0),
        ("429 soon", Retry, None),
        ("400", Retry, None),
        ("404", Retry, None),
        ("302 http://127.0.0.1/", Retry, None),
        ("304", Retry, None),
        ("401", Unauthorized, None),
        ("403", Unauthorized, None),
        ("410", Unauthorized, None),
        ("cut", Unknown, None),
    ],
)
async def test_each_failure_says_what_to_do(
    answer: str, error: type[ChannelError], after: float | None, receiver: Receiver, tools: GatewayTools
) -> None:
    receiver.script = [answer]
    with pytest.raises(error) as caught:
        await sink(receiver.url).deliver(BODY, "k", AT, tools)
    assert type(caught.value) is error
    assert getattr(caught.value, "after", None) == after
    assert len(receiver.seen) == 1
    assert "127.0.0.1" not in str(caught.value)


async def test_a_slow_receiver_is_unknown(receiver: Receiver, tools: GatewayTools) -> None:
    receiver.script = ["silent"]
    with pytest.raises(Unknown):
        await sink(receiver.url, timeout=0.2).deliver(BODY, "k", AT, tools)
    assert len(receiver.seen) == 1


async def test_gone_switches_the_sink_off(receiver: Receiver, tools: GatewayTools) -> None:
    receiver.script = ["410"]
    to = sink(receiver.url)
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await to.deliver(BODY, "k", AT, tools)
    assert len(receiver.seen) == 1
    await sink(receiver.url).deliver(BODY, "k", AT, tools)  # started again


async def test_our_own_network_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    egress = Egress()
    with pytest.raises(Refused):
        await sink(receiver.url).deliver(BODY, "k", AT, GatewayTools(egress, Blobs(tmp_path)))
    await egress.close()
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("200", ""),
        ("204", ""),
        ("200 ok", ""),
        ('200 {"external_id": 12}', "12"),
        ('200 {"external_id": null}', ""),
        ("200 []", ""),
        ('200 {"external_id": "' + "x" * 999 + '"}', "x" * 200),
    ],
)
async def test_an_answer_may_hold_a_reference(
    answer: str, reference: str, receiver: Receiver, tools: GatewayTools
) -> None:
    receiver.script = [answer]
    assert await sink(receiver.url).deliver(BODY, "k", AT, tools) == reference


@pytest.mark.parametrize(
    ("answer", "ok"), [("200", True), ("405", True), ("404", True), ("500", False), ("410", False)]
)
async def test_check_sends_nothing(answer: str, ok: bool, receiver: Receiver, tools: GatewayTools) -> None:
    receiver.script = [answer]
    (finding,) = await sink(receiver.url).check(tools)
    assert finding.ok is ok
    assert [body for _, body in receiver.seen] == [b""]


async def test_check_of_nobody(tools: GatewayTools) -> None:
    (finding,) = await sink("http://127.0.0.1:1/").check(tools)
    assert not finding.ok


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "url"),
        ({"url": "http://a.example/"}, "secret"),
        ({"url": "ftp://a.example/", "secret": SECRET}, "http"),
        ({"url": "http:///", "secret": SECRET}, "http"),
        ({"url": "http://a.example/", "secret": "hunter2"}, "whsec_"),
        ({"url": "http://a.example/", "secret": SECRET, "previous_secret": "hunter2"}, "whsec_"),
        ({"url": "http://a.example/", "secret": SECRET, "statuses": {"a": "done"}}, "done"),
        ({"url": "http://a.example/", "secret": SECRET, "colour": "red"}, "colour"),
    ],
)
def test_settings_that_cannot_work_do_not_start(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        convert(settings, WebhookSettings, prefix="sinks.crm")
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_show_the_secret() -> None:
    assert SECRET.removeprefix("whsec_") not in repr(WebhookSettings(url="http://a.example/", secret=SECRET))


def callback(payload: Any, *, secret: Secret = SECRET, at: datetime = AT) -> Request:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Request(headers=webhooks.sign(secret, "msg_1", at, body), body=body, at=AT)


DATA = {"complaint_id": "A-1", "external_id": "T-77", "status": "Solved", "version": 3, "comment": "done"}


def test_a_callback_is_read() -> None:
    update = sink("http://a.example/").update(callback({"type": "ticket.updated", "data": DATA}))
    assert update is not None
    assert (update.delivery, update.number, update.external_id) == ("msg_1", "A-1", "T-77")
    assert (update.status, update.remote_status, update.version, update.comment) == ("resolved", "Solved", 3, "done")


@pytest.mark.parametrize(
    ("word", "ours"), [("open", "waiting_agent"), ("Warten", "waiting_customer"), ("closed", "resolved"), ("odd", None)]
)
def test_the_mapping_table(word: str, ours: str | None) -> None:
    to = sink("http://a.example/", statuses={"warten": "waiting_customer", "Closed": "resolved"})
    update = to.update(callback({"type": "ticket.updated", "data": DATA | {"status": word}}))
    assert update is not None
    assert (update.status, update.remote_status) == (ours, word)


def test_other_events_are_none_of_our_business() -> None:
    assert sink("http://a.example/").update(callback({"type": "ticket.viewed", "data": {}})) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b"[" * 5000,
        {},
        {"type": 1},
        {"type": "ticket.updated"},
        {"type": "ticket.updated", "data": []},
        {"type": "ticket.updated", "data": {**DATA, "version": "three"}},
        {"type": "ticket.updated", "data": {**DATA, "status": None}},
    ],
)
def test_signed_rubbish_is_bad_payload(payload: Any) -> None:
    with pytest.raises(BadPayload):
        sink("http://a.example/").update(callback(payload))


def test_who_did_not_sign_is_nobody() -> None:
    to, payload = sink("http://a.example/"), {"type": "ticket.updated", "data": DATA}
    for request in (
        callback(payload, secret=OTHER),
        callback(payload, at=AT - timedelta(minutes=6)),
        callback(payload, at=AT + timedelta(minutes=6)),
        Request(body=json.dumps(payload).encode(), at=AT),
        Request(body=json.dumps(payload).encode() + b" ", headers=callback(payload).headers, at=AT),
    ):
        with pytest.raises(BadSignature):
            to.update(request)
    assert sink("http://a.example/", previous_secret=OTHER).update(callback(payload, secret=OTHER)) is not None


def test_retry_after_of_other_scripts_is_none() -> None:
    assert retry_after("٣٠", AT) is None
    assert retry_after("-5", AT) is None
