"""XMPP on the fake server: what a real one does too rarely to wait for, and what stanzas say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from channels._platforms.base import File
from channels._platforms.xmpp import Xmpp
from channels._xmpp_stanzas import Archived, Known, Reader
from channels.base import Inbound
from gateway import config
from gateway.tools import GatewayTools
from tests.channels.xmpp.watching import Notes, Watch, channel

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ME, ANN = "shop@hs", "ann@hs"


async def test_an_archive_that_does_not_reach_back_is_told_and_read_on(tools: GatewayTools) -> None:
    notes = Notes()
    async with Xmpp() as platform:
        await platform.say("one")
        forgotten = str(Known("forgotten", platform.now() - timedelta(hours=1)))
        watch = Watch(channel(notes, **platform.settings), tools, notes, forgotten)
        assert (await watch.next()).trouble
        assert [m.text for m in await watch.until(1)] == ["one"]
        await watch.stop()


async def test_what_comes_back_later_has_failed(tools: GatewayTools) -> None:
    notes = Notes()
    async with Xmpp() as platform:
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.looked()
        (stream,) = platform._streams
        back = Element("{jabber:client}message", {"type": "error", "id": "k1", "from": f"{ANN}/phone", "to": ME})
        error = Element("{jabber:client}error", {"type": "cancel"})
        error.append(Element("{urn:ietf:params:xml:ns:xmpp-stanzas}gone"))
        back.append(error)
        stream.send(back)
        (status,) = await watch.until(1)
        assert (status.kind, status.delivery, status.refers_to, status.thread) == ("status", "failed", "k1", ANN)
        assert "gone" in status.text
        await watch.stop()


async def test_words_and_files_of_a_customer(tools: GatewayTools) -> None:
    notes = Notes()
    async with Xmpp() as platform:
        watch = Watch(channel(notes, **platform.settings), tools, notes)
        await watch.looked()
        await platform.say("see", files=(File(name="破.jpg", type="image/jpeg", data=b"\xff\xd8\xff"),))
        words, file = await watch.until(2)
        assert (words.text, file.text) == ("see", "")
        assert file.attachments[0].url.startswith(platform.url)
        await watch.stop()


def read(
    inner: str, at: datetime = NOW, known: dict[tuple[str, str], Known] | None = None, **more: str
) -> Inbound | None:
    attributes = {"from": f"{ANN}/phone", "to": ME, "type": "chat", "id": "x1", **more}
    stanza = fromstring(f"<message xmlns='jabber:client'>{inner}</message>")
    stanza.attrib.update(attributes)
    return Reader("xmpp", "main", ME).read(Archived(id="u1", at=at, stanza=stanza), known or {}, NOW)


def test_the_same_id_much_later_is_another_message() -> None:
    known = {(ANN, "x1"): Known("u0", NOW)}
    for minutes, id in ((9, "u0"), (11, "u1")):
        found = read("<body>hi</body>", NOW + timedelta(minutes=minutes), known)
        assert found is not None
        assert found.external_id == id


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<body> </body>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<received xmlns='urn:xmpp:receipts'/>",
        "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
    ],
)
def test_what_says_nothing_is_passed_over(inner: str) -> None:
    assert read(inner) is None


@pytest.mark.parametrize("type", ["groupchat", "error", "headline"])
def test_what_is_not_for_us_is_passed_over(type: str) -> None:
    assert read("<body>hi</body>", type=type) is None


def test_what_cannot_be_read_is_shown() -> None:
    found = read("<body>hi</body><replace xmlns='urn:xmpp:message-correct:0'/>")
    assert found is not None
    assert "could not be read" in found.placeholder


def test_a_link_beside_words_stays_in_them() -> None:
    shared = "<x xmlns='jabber:x:oob'><url>{}</url></x>"
    found = read("<body>see https://a.example/b.jpg</body>" + shared.format("https://a.example/b.jpg?x=1"))
    assert found is not None
    assert (found.text, found.attachments[0].name) == ("see https://a.example/b.jpg", "b.jpg")
    other = read("<body>x</body>" + shared.format("file:///etc/passwd"))
    assert other is not None
    assert other.attachments == ()


@pytest.mark.parametrize("wrong", [{"jid": "example.org", "password": "x"}, {"jid": ME, "password": ""}])
def test_settings_that_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(config.ConfigError, match="`"):
        channel(**wrong)
