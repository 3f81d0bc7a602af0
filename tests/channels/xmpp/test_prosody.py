"""The channel against a real Prosody: the archive as the truth, repeats, corrections, receipts, files, encryption."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pytest
import pytest_asyncio

from channels.base import Outbound, Refused, Retry, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.channels.xmpp.server import Customer, Prosody, customer, prosody
from tests.channels.xmpp.watching import Notes, Watch, channel


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    with prosody(tmp_path_factory.mktemp("prosody")) as running:
        yield running


class Stage:
    """An account of ours and a customer, new for each test."""

    def __init__(self, server: Prosody, ours: str, ann: Customer, tools: GatewayTools) -> None:
        self.server, self.ours, self.ann, self.tools = server, ours, ann, tools
        self.notes = Notes()

    def channel(self, **more: Any) -> Any:
        return channel(self.notes, **self.server.settings(self.ours, **more))

    def watch(self, cursor: str | None = None, ours: Any = None) -> Watch:
        return Watch(ours or self.channel(), self.tools, self.notes, cursor)

    def reply(self, text: str = "Got it.", **more: Any) -> Outbound:
        values: dict[str, Any] = {"key": "k1", "channel": "xmpp", "account": "main", "thread": self.ann.id}
        return Outbound(**{**values, "text": text, **more})


@pytest_asyncio.fixture
async def stage(server: Prosody, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    name = f"u{abs(hash(request.node.name))}"
    ours, hers = server.account(f"{name}-shop"), server.account(f"{name}-ann")
    egress = Egress(["127.0.0.0/8"])
    async with customer(server, hers) as ann:
        yield Stage(server, ours, ann, GatewayTools(egress, Blobs(tmp_path / "blobs")))
    await egress.close()


async def test_what_is_said_comes_whether_we_are_there_or_not(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    stage.ann.say(stage.ours, "灯笼坏了")
    (first,) = await watch.until(1)
    assert (first.text, first.thread, first.sender.id, first.machine) == ("灯笼坏了", stage.ann.id, stage.ann.id, "")
    stage.ann.say(stage.ours, "not committed")
    while not (await watch.next()).messages:
        pass
    await watch.stop()
    for n in range(120):
        stage.ann.say(stage.ours, f"missed {n}")
    await stage.ann.settled()
    again = stage.watch(watch.cursor)
    assert [m.text for m in await again.until(121)] == ["not committed", *(f"missed {n}" for n in range(120))]
    await again.looked()
    assert again.deliveries == 121
    await again.stop()


async def test_sent_again_is_one_message_and_the_same_id_with_other_words_is_two(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    for text in ("hello", "hello", "other words"):
        stage.ann.say(stage.ours, text, id="same")
    await stage.ann.settled()
    while watch.deliveries < 3:
        await watch.commit(await watch.next())
    assert [m.text for m in watch.found.values()] == ["hello", "other words"]
    assert len({m.external_id for m in watch.found.values()}) == 1
    await watch.stop()


async def test_corrections_retractions_and_answers(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    stage.ann.say(stage.ours, "helo", id="a1")
    stage.ann.say(stage.ours, "hello", Element("{urn:xmpp:message-correct:0}replace", {"id": "a1"}), id="a2")
    fallback = Element("{urn:xmpp:fallback:0}fallback", {"for": "urn:xmpp:reply:0"})
    SubElement(fallback, "{urn:xmpp:fallback:0}body", {"start": "0", "end": "7"})
    stage.ann.say(stage.ours, "> helo\nmine", Element("{urn:xmpp:reply:0}reply", {"id": "a1"}), fallback, id="a3")
    store = Element("{urn:xmpp:hints}store")
    stage.ann.say(stage.ours, "", Element("{urn:xmpp:message-retract:1}retract", {"id": "a3"}), store, id="a4")
    applied = Element("{urn:xmpp:fasten:0}apply-to", {"id": "a1"})
    SubElement(applied, "{urn:xmpp:message-retract:0}retract")
    stage.ann.say(stage.ours, "", applied, Element("{urn:xmpp:hints}store"), id="a5")
    first, edited, answer, gone, older = await watch.until(5)
    assert (edited.kind, edited.refers_to, edited.text) == ("edit", first.external_id, "hello")
    assert (answer.reply_to, answer.text) == (first.external_id, "mine")
    assert (gone.kind, gone.refers_to) == ("delete", answer.external_id)
    assert (older.kind, older.refers_to) == ("delete", first.external_id)
    await watch.stop()


async def test_nobody_changes_what_another_has_said(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    stage.ann.say(stage.ours, "mine", id="a1")
    await watch.until(1)
    other = stage.server.account(stage.ours.partition("@")[0] + "-eve")
    async with customer(stage.server, other) as eve:
        eve.say(stage.ours, "yours", Element("{urn:xmpp:message-correct:0}replace", {"id": "a1"}))
        mine, theirs = await watch.until(2)
    assert theirs.refers_to != mine.external_id
    assert theirs.thread != mine.thread
    await watch.stop()


async def test_a_receipt_follows_the_commit(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    stage.ann.say(stage.ours, "hello", Element("{urn:xmpp:receipts}request"), id="a1")
    while not (delivery := await watch.next()).messages:
        await watch.commit(delivery)
    await stage.ann.settled()
    assert stage.ann.came == []
    await watch.commit(delivery)
    (receipt,) = await stage.ann.until(1)
    found = receipt.find("{urn:xmpp:receipts}received")
    assert found is not None
    assert found.get("id") == "a1"
    await watch.stop()


async def test_a_reply_arrives_and_is_known_as_ours(stage: Stage) -> None:
    ours = stage.channel()
    watch = stage.watch(ours=ours)
    await watch.looked()
    stage.ann.say(stage.ours, "hello?", id="a1")
    (said,) = await watch.until(1)
    receipt = await ours.send(stage.reply("Got it. \x00 好", reply_to=said.external_id), stage.tools)
    (came,) = await stage.ann.until(1)
    assert came.findtext("{jabber:client}body") == "Got it.  好"
    assert came.get("id") == receipt.external_ids[0]
    reply = came.find("{urn:xmpp:reply:0}reply")
    assert reply is not None
    assert reply.get("id") == "a1"
    echo = (await watch.until(2))[1]
    assert (echo.machine, echo.refers_to, echo.thread) == ("echo", receipt.external_ids[0], stage.ann.id)
    assert (echo.delivery, echo.delivered_key) == ("sent", "k1")
    arrived = Element("{urn:xmpp:receipts}received", {"id": receipt.external_ids[0]})
    stage.ann.say(stage.ours, "", arrived, Element("{urn:xmpp:hints}store"))
    status = (await watch.until(3))[2]
    assert (status.kind, status.delivery, status.refers_to) == ("status", "delivered", receipt.external_ids[0])
    await watch.stop()


async def test_without_a_watcher_a_reply_has_a_session_of_its_own(stage: Stage) -> None:
    await stage.channel().send(stage.reply(), stage.tools)
    assert len(await stage.ann.until(1)) == 1
    with pytest.raises(Refused, match="service-unavailable"):
        await stage.channel().send(stage.reply(thread="nobody@localhost"), stage.tools)


async def test_files_go_both_ways(stage: Stage, tmp_path: Path) -> None:
    kept = await Blobs(tmp_path / "blobs").put(b"%PDF-1.4 x", name="receipt.pdf", type="application/pdf", limit=999)
    ours = stage.channel()
    watch = stage.watch(ours=ours)
    await watch.looked()
    await ours.send(stage.reply("", attachments=(kept,)), stage.tools)
    (came,) = await stage.ann.until(1)
    link = came.findtext("{jabber:x:oob}x/{jabber:x:oob}url")
    assert link == came.findtext("{jabber:client}body")
    shared = Element("{jabber:x:oob}x")
    SubElement(shared, "{jabber:x:oob}url").text = link
    stage.ann.say(stage.ours, str(link), shared)
    found = next(m for m in await watch.until(2) if not m.machine)
    assert (found.text, found.attachments[0].name) == ("", "receipt.pdf")
    fetched = [piece async for piece in Egress(["127.0.0.0/8"]).download(found.attachments[0].url, 999)]
    assert b"".join(fetched) == b"%PDF-1.4 x"
    await watch.stop()


async def test_encrypted_words_are_told_once_to_be_unreadable(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    for n in range(2):
        sealed = Element("{eu.siacs.conversations.axolotl}encrypted")
        stage.ann.say(stage.ours, "I sent you an OMEMO encrypted message.", sealed, id=f"a{n}")
        found = [m for m in await watch.until(2 * n + 1) if not m.machine]
        assert [(m.silent, m.text) for m in found] == [("person", "")] * (n + 1)
        assert all("encrypted" in m.placeholder for m in found)
    await watch.looked()
    await stage.ann.settled()
    assert len(stage.ann.came) == 1
    await watch.stop()


async def test_what_its_sender_wants_stored_nowhere_comes_all_the_same(stage: Stage) -> None:
    watch = stage.watch()
    await watch.looked()
    stage.ann.say(stage.ours, "secret", Element("{urn:xmpp:hints}no-store"), id="a1")
    (only,) = await watch.until(1)
    assert only.text == "secret"
    await watch.stop()


async def test_credentials_and_encryption(stage: Stage, tmp_path: Path) -> None:
    (finding,) = await stage.channel().check(stage.tools)
    assert finding.ok, finding.detail
    with pytest.raises(Unauthorized, match="password"):
        await anext(stage.channel(password="wrong").deliveries(None, stage.tools))
    with pytest.raises(Unauthorized, match="certificate"):
        await anext(stage.channel(ca="").deliveries(None, stage.tools))
    direct = stage.watch(ours=stage.channel(tls="direct", port=stage.server.direct))
    await direct.looked()
    await direct.stop()
    with pytest.raises(Retry):
        await anext(stage.channel(port=1).deliveries(None, stage.tools))


async def test_a_server_without_archive_or_encryption_is_not_used(tmp_path: Path, tools: GatewayTools) -> None:
    with prosody(tmp_path, archive=False, encrypted=False) as server:
        jid = server.account("shop")
        with pytest.raises(Unauthorized, match="archive"):
            await anext(channel(**server.settings(jid)).deliveries(None, tools))
        plain = channel(**server.settings(jid, tls="none"))
        with pytest.raises(Unauthorized, match="archive"):
            await anext(plain.deliveries(None, tools))
        config = server.folder / "prosody.cfg.lua"
        config.write_text(config.read_text().replace('"tls",', ""))
    with server.running(), pytest.raises(Unauthorized, match="no encryption"):
        await anext(channel(**server.settings(jid)).deliveries(None, tools))


async def test_a_server_that_ends_is_noticed_and_found_again(tmp_path: Path, tools: GatewayTools) -> None:
    notes = Notes()
    with prosody(tmp_path) as server:
        jid, ann = server.account("shop"), server.account("ann")
        watch = Watch(channel(notes, **server.settings(jid)), tools, notes)
        await watch.looked()
    with pytest.raises(Retry):
        await watch.next()
    with server.running():
        async with customer(server, ann) as customer_:
            customer_.say(jid, "back again")
            await customer_.settled()
        again = Watch(channel(notes, **server.settings(jid)), tools, notes, watch.cursor)
        assert [m.text for m in await again.until(1)] == ["back again"]
        await again.stop()
