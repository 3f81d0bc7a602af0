"""The same promises of channels that we ask: a real provider's mailbox instead of requests, the real watcher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from channels.base import Button, ChannelError, Inbound, Outbound, Promise, Refused, Retry, Unauthorized, Unknown
from gateway.parts import parts
from gateway.pull import Pull
from gateway.tools import GatewayTools
from tests.contract.case import FakeProvider
from tests.contract.house import House, fields, full_disk, open_house

#: Whatever somebody may put into a mailbox.
BODIES = (b"{", b"\x00" * 64, b"\xff\xfe\x00", b"[" * 5000, b"Subject: =?x?B?=\r\n\r\n", b"a: b\r\n" * 3000)
#: Longer than a watcher's poll: a push that got lost must not fail a promise that the poll keeps.
SECONDS = 75.0


@asynccontextmanager
async def provider(house: House) -> AsyncIterator[FakeProvider]:
    """The provider, with the house's channel set up for it."""
    async with house.case.module.Provider(house.folder) as running:
        house.case.settings = dict(running.settings)
        house.gateway.channels = {(house.case.name, house.case.account): house.case.channel()}
        async with watching(house):
            await _until(lambda: _looked(house))
        yield running


@asynccontextmanager
async def watching(house: House) -> AsyncIterator[None]:
    """While it lasts, the watcher runs."""
    (channel,) = house.gateway.channels.values()
    watcher = asyncio.create_task(Pull(house.gateway, channel, first=0.05, rest=0.1).run())  # type: ignore[arg-type]
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def pulled(house: House, running: FakeProvider, count: int) -> list[Inbound]:
    """Watch until so many messages are stored and the provider's copies are dealt with."""

    async def done() -> bool:
        return len(await house.rows()) >= count and not running.untaken()

    async with watching(house):
        await _until(done)
    return await house.messages()


def _looked(house: House) -> bool:
    found = house.gateway.metrics.pulls().values()
    return bool(found) and all(one["last_sweep_seconds"] is not None for one in found)


async def _until(test: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            found = test()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.05)


async def parses(house: House) -> None:
    """A captured message becomes the messages it holds."""
    async with provider(house) as running:
        running.put(house.case.fixture("text"))
        messages = await pulled(house, running, 1)
        assert fields(messages, list(house.case.expected[0])) == house.case.expected
        assert all(m.raw or m.raw_file for m in messages), "the event is kept as it came"


async def dedupe(house: House) -> None:
    """Handed over again under new ids: one row for each message."""
    async with provider(house) as running:
        running.put(house.case.fixture("text"))
        await pulled(house, running, 1)
        for _ in range(2):
            running.again()
            await pulled(house, running, 1)
        assert len(await house.rows()) == 1


async def ack_after_durable(house: House) -> None:
    """While nothing can be written the provider keeps its copy; afterwards it is taken."""
    async with provider(house) as running:
        with full_disk(house):
            running.put(house.case.fixture("text"))
            async with watching(house):
                await asyncio.sleep(1.5)
            assert running.untaken() == 1
            assert not await house.rows()
        await pulled(house, running, 1)


async def whole_batch(house: House) -> None:
    """All messages that wait are taken, all or none of a delivery."""
    async with provider(house) as running:
        for n in range(5):
            running.put(house.case.fixture("text") + b"%d\r\n" % n)
        with full_disk(house):
            async with watching(house):
                await asyncio.sleep(1.0)
            assert not await house.rows()
        assert len(await pulled(house, running, 5)) == 5


async def malformed(house: House) -> None:
    """Whatever the bytes: a message that shows it, never a crash, and the next message goes on."""
    async with provider(house) as running:
        for body in BODIES:
            running.put(body)
        running.put(house.case.fixture("text"))
        messages = await pulled(house, running, len(BODIES) + 1)
        assert house.case.expected[0]["text"] in {m.text for m in messages}


async def no_echo(house: House) -> None:
    """What we said ourselves does not come back as the customer's words."""
    async with provider(house) as running:
        first = await _first(house, running)
        await _channel(house).send(reply(house, first), tools(house))
        running.put(running.sent[0]["raw"])
        messages = await pulled(house, running, 2)
        assert messages[-1].machine == "echo"


async def attachments(house: House) -> None:
    """Files are kept by their hash, or refused with a reason; the text stays whatever happens to them."""
    async with provider(house) as running:
        running.put(house.case.fixture("attachment"))
        (message,) = await pulled(house, running, 1)
        assert getattr(house.case.module, "BESIDE_FILES", "") in message.text
        assert message.attachments
        for file in message.attachments:
            assert not file.data, "bytes belong into a file, not into a row"
            assert file.digest or file.url or file.reason
            if file.state == "kept":
                assert len(await house.gateway.blobs.read(file.digest)) == file.size


async def order(house: House) -> None:
    """Messages of a conversation are worked on in the provider's order, however they came."""
    async with provider(house) as running:
        running.put(house.case.fixture("second"))
        await pulled(house, running, 1)
        running.put(house.case.fixture("text"))
        messages = await pulled(house, running, 2)
        assert len({m.thread for m in messages}) == 1
        batch = await house.gateway.store.claim_work(10)
        ids = [item.message.external_id for work in batch.work for item in work.items]
        await batch.release()
        assert ids == [messages[1].external_id, messages[0].external_id]


async def restart(house: House) -> None:
    """After a stop the same messages are still known, and new ones are taken."""
    async with provider(house) as running:
        running.put(house.case.fixture("text"))
        before = await pulled(house, running, 1)
        await house.gateway.store.close()
        running.again()
        async with open_house(house.case, house.ground) as again:
            running.put(house.case.fixture("second"))
            assert (await pulled(again, running, 2))[:1] == before


async def quiet(house: House) -> None:
    """No secret, token or customer's word in a log line, repr or error."""
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage() + str(record.exc_info or ""))  # type: ignore[method-assign]
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        async with provider(house) as running:
            message = await _first(house, running)
            for how in ("login", "never", ""):
                running.fail(how)
                try:
                    await _channel(house).send(reply(house, message, key=how), tools(house))
                except ChannelError as err:
                    records.append(repr(err) + str(err))
            records.append(repr(_channel(house)) + repr(vars(_channel(house))))
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    said = "\n".join(records)
    assert not [secret for secret in house.case.module.SECRETS if secret in said], "a secret shows itself"
    assert house.case.expected[0]["text"][:12] not in said, "a customer's words show themselves"


# --- sending ------------------------------------------------------------------------------------------


def tools(house: House) -> GatewayTools:
    return GatewayTools(house.gateway.egress, house.gateway.blobs)


def _channel(house: House) -> Any:
    return house.gateway.channels[house.case.name, house.case.account]


async def _first(house: House, running: FakeProvider) -> Inbound:
    running.put(house.case.fixture("text"))
    return (await pulled(house, running, 1))[0]


def reply(house: House, to: Inbound, **changes: Any) -> Outbound:
    """A person's reply to a message."""
    values: dict[str, Any] = {
        "key": "k1",
        "channel": house.case.name,
        "account": house.case.account,
        "thread": to.thread,
        "text": "您好，已经收到。We have it.",
        "reply_to": to.external_id,
        "subject": to.subject,
        "kind": "human",
        **changes,
    }
    return Outbound(**values)


async def send(house: House) -> None:
    """A reply arrives as it was written, and the platform's proof of it comes back."""
    async with provider(house) as running:
        out = reply(house, await _first(house, running))
        receipt = await _channel(house).send(out, tools(house))
        assert receipt.external_ids
        assert out.text in running.sent[0]["text"]


async def retry(house: House) -> None:
    """Every failure says what to do next."""
    wanted: dict[str, type[ChannelError]] = {
        "later": Retry,
        "never": Refused,
        "login": Unauthorized,
        "in doubt": Unknown,
    }
    async with provider(house) as running:
        first = await _first(house, running)
        for how, error in wanted.items():
            running.fail(how)
            with pytest.raises(error):
                await _channel(house).send(reply(house, first, key=how), tools(house))


async def thread(house: House) -> None:
    """A reply goes into the thread that the message came from, and the customer's answer comes back into it."""
    async with provider(house) as running:
        first = await _first(house, running)
        await _channel(house).send(reply(house, first), tools(house))
        assert (running.sent[0]["thread"], running.sent[0]["reply_to"]) == (first.thread, first.external_id)


async def limits(house: House) -> None:
    """A long text arrives whole and in order; buttons arrive as buttons or as numbered text."""
    async with provider(house) as running:
        first = await _first(house, running)
        words = [f"w{n}" for n in range(_channel(house).limits.text // 6)]
        buttons = tuple(Button(label=f"label{n}", value=f"v{n}") for n in range(5))
        for piece in parts(reply(house, first, text=" ".join(words), buttons=buttons), _channel(house).limits):
            await _channel(house).send(piece, tools(house))
        said = "\n".join(one["text"] for one in running.sent)
        assert [word for word in said.split() if word.startswith("w") and word[1:].isdigit()] == words
        shown = said + str([one.get("buttons") for one in running.sent])
        assert all(button.label in shown for button in buttons)


async def check(house: House) -> None:
    """The connection test says what it found, and changes nothing."""
    async with provider(house) as running:
        running.put(house.case.fixture("text"))
        findings = await _channel(house).check(tools(house))
        assert findings
        assert all(finding.ok for finding in findings)
        assert (running.untaken(), running.sent) == (1, [])
        running.fail("login")
        findings = await _channel(house).check(tools(house))
        assert any(not finding.ok and finding.detail for finding in findings)


PULLING: dict[Promise, Callable[[House], Awaitable[None]]] = {
    "parses": parses,
    "dedupe": dedupe,
    "ack_after_durable": ack_after_durable,
    "whole_batch": whole_batch,
    "malformed": malformed,
    "no_echo": no_echo,
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
