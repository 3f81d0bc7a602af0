"""The promises of a channel. Each is a test: it takes a house with the channel and fails where the promise is broken."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, get_args

import pytest

from channels.base import (
    BadSignature,
    Button,
    ChannelError,
    Outbound,
    Promise,
    Refused,
    Retry,
    Unauthorized,
    Unknown,
)
from gateway.config import ConfigError
from gateway.parts import parts
from gateway.tools import GatewayTools
from tests.contract.case import NOW
from tests.contract.house import House, fields, full_disk, open_house, without_raw

#: Small enough for the suite, far above every limit a channel may have.
HUGE = 50 * 1024 * 1024
BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"0",
    b'"text"',
    b'{"events":[1]}',
    b'{"message":1}',
    b'{"sender":[],"text":{}}',
    b"\xff\xfe\x00",
    b"\x00" * 64,
    b"[" * 5000,
    b'{"a":' * 5000,
    b"a=1&b=2",
)


async def parses(house: House) -> None:
    """A captured request becomes the messages it holds."""
    messages = house.case.channel().accept(house.case.request(house.case.fixture("text")))
    expected = house.case.expected
    assert fields(messages, list(expected[0])) == expected
    assert all(m.channel == house.case.name and m.account == house.case.account for m in messages)
    assert all(m.at.tzinfo is not None for m in messages), "times are UTC, never naive"
    assert all(m.raw for m in messages), "the event is kept as it came"


async def dedupe(house: House) -> None:
    """Delivered again, in another order or at once: one row for each message."""
    requests = [house.case.request(house.case.fixture("text"), at=NOW + timedelta(seconds=n)) for n in range(6)]
    random.Random(7).shuffle(requests)
    answers = [await house.deliver(requests[0])]
    answers += await asyncio.gather(*(house.deliver(request) for request in requests[1:]))
    assert all(answer.status < 300 for answer in answers)
    assert len(await house.rows()) == len(house.case.expected), "one event, one row, however often it comes"


async def ack_after_durable(house: House) -> None:
    """While nothing can be written nobody is told that it was; afterwards the same delivery is taken."""
    request = house.case.request(house.case.fixture("text"))
    with full_disk(house):
        answer = await house.deliver(request)
        assert answer.status >= 500, "an answer before the commit is a lost message"
        assert not await house.rows()
    assert (await house.deliver(request)).status < 300
    assert len(await house.rows()) == len(house.case.expected)


async def signature(house: House) -> None:
    """Missing, empty, wrong and stale signatures are refused and nothing is stored; no secret, no start."""
    body = house.case.fixture("text")
    good = house.case.module.sign(body, NOW)
    stale = house.case.module.sign(body, NOW - timedelta(days=400))
    wrong = [{}, dict.fromkeys(good, ""), {k: _bent(v) for k, v in good.items()}]
    for signed in wrong + [stale] * (stale != good):  # a credential that carries no time cannot be stale
        answer = await house.deliver(house.case.request(body, signed=signed))
        assert answer.status in (401, 403), f"{answer.status} for a request that nobody vouches for"
    assert not await house.rows()
    assert not await house.quarantined()
    with pytest.raises((ValueError, ConfigError)):
        house.case.unsafe()


def _bent(value: str) -> str:
    return value[:-3] + ("xyz" if not value.endswith("xyz") else "abc")


async def raw_body(house: House) -> None:
    """The signature covers the bytes that came: one byte more or moved is another request."""
    body = house.case.fixture("text")
    signed = house.case.module.sign(body, NOW)
    moved = body.replace(b'":"', b'": "', 1) if b'":"' in body else body.replace(b'": "', b'":"', 1)
    assert moved != body
    for changed in (body + b" ", moved):
        with pytest.raises(BadSignature):
            house.case.channel().accept(house.case.request(changed, signed=signed))


async def handshake(house: House) -> None:
    """The platform's set-up request is answered, and stores nothing."""
    request = house.case.module.HANDSHAKE
    answer = house.case.channel().handshake(request)
    assert answer is not None
    assert answer.status == 200
    assert (await house.deliver(request)).status == 200
    assert not await house.rows()
    assert house.case.channel().handshake(house.case.request(house.case.fixture("text"))) is None


async def whole_batch(house: House) -> None:
    """All messages of a delivery are taken, not the first one; all or none."""
    request = house.case.request(house.case.fixture("batch"))
    messages = house.case.channel().accept(request)
    assert len(messages) >= 2
    assert len({m.external_id for m in messages}) == len(messages)
    with full_disk(house):
        assert (await house.deliver(request)).status >= 500
    assert not await house.rows()
    assert (await house.deliver(request)).status < 300
    assert [m.external_id for m in await house.messages()] == [m.external_id for m in messages]


async def unknown_event(house: House) -> None:
    """An event we do not know is answered well and kept raw, or is housekeeping that says nothing."""
    body = house.case.fixture("unknown")
    answer = await house.deliver(house.case.request(body))
    assert answer.status < 300, "a platform that is told off for a new event stops sending all of them"
    events = [m.raw for m in await house.messages() if m.kind == "event"]
    kept = events + [row.raw for row in await house.quarantined()]
    assert any(raw in body for raw in kept if raw), "what we do not know is kept as it came"


async def malformed(house: House) -> None:
    """Whatever the bytes: a clear answer or the quarantine, never a crash, and the next message goes on."""
    for body in (*BODIES, b"x" * HUGE):
        answer = await house.deliver(house.case.request(body))
        assert 200 <= answer.status < 500, f"{answer.status} for {body[:20]!r}…"
    assert (await house.deliver(house.case.request(house.case.fixture("text")))).status < 300
    texts = [m.text for m in await house.messages() if m.kind == "message"]
    assert texts == [e["text"] for e in house.case.expected]


async def no_echo(house: House) -> None:
    """What we said ourselves does not come back as the customer's words."""
    await house.deliver(house.case.request(house.case.fixture("echo")))
    assert all(m.machine == "echo" or m.kind != "message" for m in await house.messages())


async def edits(house: House) -> None:
    """An edit and a deletion are new versions of a message that stays as it was said."""
    for kind in ("text", "edit", "delete"):
        assert (await house.deliver(house.case.request(house.case.fixture(kind)))).status < 300
    messages = await house.messages()
    first = messages[0]
    changed = {m.kind: m for m in messages[len(house.case.expected) :]}
    assert set(changed) == {"edit", "delete"}
    assert {m.refers_to for m in changed.values()} == {first.external_id}
    assert first.text == house.case.expected[0]["text"]
    timeline = await house.gateway.store.timeline((await house.rows())[0].conversation)
    assert [line.refers_to == timeline[0].seq for line in timeline[len(house.case.expected) :]] == [True, True]


async def attachments(house: House) -> None:
    """Files are kept by their hash, or refused with a reason; the text stays whatever happens to them."""
    making = getattr(house.case.module, "attachment", None)
    body = await making(house.gateway.blobs, NOW) if making else house.case.fixture("attachment")
    request = house.case.request(body)
    parsed = house.case.channel().accept(request)[0]
    assert (await house.deliver(request)).status < 300
    message = (await house.messages())[0]
    assert message.text == parsed.text
    assert len(message.attachments) == len(parsed.attachments) > 0
    for file in message.attachments:
        assert not file.data, "bytes belong into a file, not into a row"
        assert file.digest or file.url or file.reason
        if file.state == "kept" and file.digest:
            kept = await house.gateway.blobs.read(file.digest)
            assert len(kept) == file.size


async def order(house: House) -> None:
    """Messages of a conversation are worked on in the provider's order, however they came."""
    bodies = [house.case.fixture("text"), house.case.fixture("second")]
    first, second = (house.case.channel().accept(house.case.request(body))[0] for body in bodies)
    assert first.thread == second.thread
    late = NOW + timedelta(minutes=1)
    await house.deliver(house.case.request(bodies[1], at=late))
    await house.deliver(house.case.request(bodies[0]))
    batch = await house.gateway.store.claim_work(10)
    ids = [item.message.external_id for work in batch.work for item in work.items]
    await batch.release()
    if (await house.messages())[0].at == (await house.messages())[1].at:
        pytest.fail("the two messages of the fixtures need different times")
    assert ids == [first.external_id, second.external_id]


async def quiet(house: House) -> None:
    """No secret, token or customer's word in a log line, repr or error."""
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage() + str(record.exc_info or ""))  # type: ignore[method-assign]
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        channel = house.case.channel()
        records.append(repr(channel) + repr(vars(channel)) + str(channel))
        await house.deliver(house.case.request(house.case.fixture("text")))
        for body in (b"{", house.case.fixture("text")[:-2]):
            request = house.case.request(body)
            records.append(repr((await house.deliver(request)).status))
            try:
                channel.accept(request)
            except ChannelError as err:
                records.append(repr(err) + str(err))
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    said = "\n".join(records)
    for secret in house.case.module.SECRETS:
        assert secret not in said, "a secret shows itself"
    for message in house.case.expected:
        assert message["text"][:12] not in said, "a customer's words show themselves"


# --- sending ------------------------------------------------------------------------------------------


def reply(house: House, **changes: Any) -> Outbound:
    """A reply into the thread of ``text.*``."""
    first = house.case.channel().accept(house.case.request(house.case.fixture("text")))[0]
    values: dict[str, Any] = {
        "key": "k1",
        "channel": house.case.name,
        "account": house.case.account,
        "thread": first.thread,
        "text": "您好，已经收到。We have it.",
        "reply_to": first.external_id,
        **changes,
    }
    return Outbound(**values)


@asynccontextmanager
async def platform(house: House) -> Any:
    """The channel's fake platform, and a channel that talks to it; a channel without one calls nobody."""
    fake = getattr(house.case.module, "Platform", None)
    if fake is None:
        yield None, house.case.channel()
        return
    async with fake() as running:
        yield running, house.case.channel(**running.settings)


def tools(house: House) -> GatewayTools:
    return GatewayTools(house.gateway.egress, house.gateway.blobs)


async def send(house: House) -> None:
    """A reply arrives as it was written, and the platform's proof of it comes back."""
    async with platform(house) as (running, channel):
        out = reply(house)
        receipt = await channel.send(out, tools(house))
        assert receipt.external_ids
        if running is not None:
            assert [said["text"] for said in running.sent] == [out.text]


async def retry(house: House) -> None:
    """Every failure says what to do next."""
    table: list[tuple[int, Mapping[str, str], type[ChannelError]]] = [
        (500, {}, Retry),
        (503, {"Retry-After": "7"}, Retry),
        (429, {"Retry-After": "3"}, Retry),
        (429, {}, Retry),
        (401, {}, Unauthorized),
        (400, {}, Refused),
        (404, {}, Refused),
    ]
    async with platform(house) as (running, channel):
        for status, headers, wanted in table:
            running.script[:] = [(status, dict(headers))]
            with pytest.raises(wanted) as caught:
                await channel.send(reply(house), tools(house))
            if "Retry-After" in headers:
                assert isinstance(caught.value, Retry)
                assert caught.value.after == float(headers["Retry-After"])
        assert not running.sent
        running.script[:] = [(0, {})]  # taken, and then the connection is cut
        with pytest.raises((Unknown, Retry)) as doubt:
            await channel.send(reply(house), tools(house))
        assert isinstance(doubt.value, Unknown) or channel.idempotent, (
            "in doubt only what is idempotent may be repeated"
        )


async def thread(house: House) -> None:
    """A reply goes into the thread that the message came from."""
    async with platform(house) as (running, channel):
        out = reply(house)
        await channel.send(out, tools(house))
        if running is not None:
            assert (running.sent[0]["thread"], running.sent[0]["reply_to"]) == (out.thread, out.reply_to)


async def limits(house: House) -> None:
    """A long text arrives whole and in order; buttons arrive as buttons or as numbered text."""
    async with platform(house) as (running, channel):
        words = [f"w{n}" for n in range(channel.limits.text // 3)]
        for piece in parts(reply(house, text=" ".join(words)), channel.limits):
            await channel.send(piece, tools(house))
        assert " ".join(said["text"] for said in running.sent).split() == words
        running.sent.clear()
        buttons = tuple(Button(label=f"label{n}", value=f"v{n}") for n in range(5))
        for piece in parts(reply(house, key="k2", buttons=buttons), channel.limits):
            await channel.send(piece, tools(house))
        shown = "".join(str(said["text"]) + str(said["buttons"]) for said in running.sent)
        assert all(button.label in shown for button in buttons)


async def check(house: House) -> None:
    """The connection test says what it found, and changes nothing."""
    async with platform(house) as (running, channel):
        findings = await channel.check(tools(house))
        assert findings
        if running is not None:
            assert all(finding.ok for finding in findings)
            assert not running.sent
            running.script[:] = [(401, {})] * 10
            findings = await channel.check(tools(house))
            assert any(not finding.ok and finding.detail for finding in findings)


async def restart(house: House) -> None:
    """After a stop the same deliveries are still known, and new ones are taken."""
    request = house.case.request(house.case.fixture("text"))
    await house.deliver(request)
    before = [without_raw(m) for m in await house.messages()]
    await house.gateway.store.close()
    async with open_house(house.case, house.ground) as again:
        assert (await again.deliver(request)).status < 300
        assert [without_raw(m) for m in await again.messages()] == before


PROMISES: dict[Promise, Callable[[House], Awaitable[None]]] = {
    "parses": parses,
    "dedupe": dedupe,
    "ack_after_durable": ack_after_durable,
    "signature": signature,
    "raw_body": raw_body,
    "handshake": handshake,
    "whole_batch": whole_batch,
    "unknown_event": unknown_event,
    "malformed": malformed,
    "no_echo": no_echo,
    "edits": edits,
    "attachments": attachments,
    "send": send,
    "retry": retry,
    "thread": thread,
    "limits": limits,
    "order": order,
    "restart": restart,
    "check": check,
    "quiet": quiet,
}
assert set(PROMISES) == set(get_args(Promise))
