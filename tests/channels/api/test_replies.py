"""Replies on their way to a receiver: a real server at the other end of the real egress filter."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from channels import _standard_webhooks as webhooks
from channels.api import Api, ApiSettings
from channels.base import Button, ChannelError, Outbound, Refused, Retry, Secret, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.ports import free_port

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HANG_UP = 0


class Receiver:
    """A receiver of webhooks that answers in turn (``HANG_UP``: not at all) and remembers what came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen.append((request.method, {name.lower(): value for name, value in request.headers.items()}, body))
        status, headers = self.answers.pop(0)
        if status == HANG_UP:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    port = free_port()
    made = Receiver(f"http://127.0.0.1:{port}/replies")
    app = web.Application()
    app.router.add_route("*", "/replies", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[GatewayTools]:
    egress = Egress(["127.0.0.0/8"])
    yield GatewayTools(egress, Blobs(tmp_path), clock=lambda: AT)
    await egress.close()


def channel(url: str) -> Api:
    return Api("main", ApiSettings(webhook_secrets=(SECRET,), reply_url=url, reply_secret=SECRET))


def reply(**more: object) -> Outbound:
    return Outbound(
        key="api/main/订单.7/reply0",
        channel="api",
        account="main",
        thread="t1",
        text="已收到。",
        buttons=(Button(label="是", value="yes"),),
        **more,  # type: ignore[arg-type]
    )


async def test_a_reply_is_a_signed_webhook(receiver: Receiver, tools: GatewayTools, tmp_path: Path) -> None:
    receiver.answers = [(204, {}), (200, {})]
    file = await Blobs(tmp_path).put(b"%PDF-1.7 label", name="label.pdf", type="", limit=100)
    out = reply(attachments=(file,))
    first = await channel(receiver.url).send(out, tools)
    again = await channel(receiver.url).send(out, tools)
    assert first == again
    (_, headers, body), (_, _, repeated) = receiver.seen
    assert body == repeated
    assert webhooks.verify((SECRET,), headers, body, AT + timedelta(seconds=1)) == first.external_ids[0]
    said = json.loads(body)["data"]
    assert (said["thread"], said["text"], said["buttons"]) == ("t1", "已收到。", [{"label": "是", "value": "yes"}])
    assert base64.b64decode(said["attachments"][0]["base64"]) == b"%PDF-1.7 label"


async def test_without_a_reply_url_a_reply_is_delivered_by_being_stored(tools: GatewayTools) -> None:
    assert (await channel("").send(reply(), tools)).external_ids


@pytest.mark.parametrize(
    ("status", "headers", "error", "after"),
    [
        (500, {}, Retry, None),
        (503, {"Retry-After": "7"}, Retry, 7.0),
        (429, {"Retry-After": "3"}, Retry, 3.0),
        (401, {}, Unauthorized, None),
        (403, {}, Unauthorized, None),
        (302, {"Location": "/elsewhere"}, Refused, None),
        (410, {}, Refused, None),
        # The webhook-id makes a repeat harmless, so a lost answer is no reason to stop.
        (HANG_UP, {}, Retry, None),
    ],
)
async def test_what_an_answer_means(
    receiver: Receiver,
    tools: GatewayTools,
    status: int,
    headers: dict[str, str],
    error: type[ChannelError],
    after: float | None,
) -> None:
    receiver.answers = [(status, headers)]
    with pytest.raises(error) as caught:
        await channel(receiver.url).send(reply(), tools)
    assert getattr(caught.value, "after", None) == after
    assert len(receiver.seen) == 1, "one attempt is one call, and no redirect is followed"


async def test_nobody_there_is_a_reason_to_come_again(tools: GatewayTools) -> None:
    with pytest.raises(Retry):
        await channel(f"http://127.0.0.1:{free_port()}/").send(reply(), tools)


async def test_a_private_address_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    egress = Egress([])
    with pytest.raises(Refused):
        await channel(receiver.url).send(reply(), GatewayTools(egress, Blobs(tmp_path)))
    await egress.close()
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("status", "good"), [(204, True), (405, True), (400, True), (401, False), (404, False), (302, False), (502, False)]
)
async def test_the_check_sends_no_message(receiver: Receiver, tools: GatewayTools, status: int, good: bool) -> None:
    receiver.answers = [(status, {})]
    (finding,) = await channel(receiver.url).check(tools)
    assert finding.ok is good
    ((method, headers, body),) = receiver.seen
    assert (method, body) == ("OPTIONS", b"")
    assert webhooks.verify((SECRET,), headers, b"", AT) == "check"


async def test_the_check_finds_nobody_there(tools: GatewayTools) -> None:
    (finding,) = await channel(f"http://127.0.0.1:{free_port()}/").check(tools)
    assert not finding.ok


async def test_the_check_without_a_reply_url_calls_nobody(tools: GatewayTools) -> None:
    (finding,) = await channel("").check(tools)
    assert finding.ok
