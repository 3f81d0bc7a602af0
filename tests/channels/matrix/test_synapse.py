"""The channel against a real Synapse: invitations, gaps, edits, threads, files, repeats, groups, encryption."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from channels.base import Outbound, Refused, Unauthorized
from gateway.blobs import Blobs
from gateway.egress import Egress
from gateway.tools import GatewayTools
from tests.channels.matrix.homeserver import Customer, Homeserver, homeserver
from tests.channels.matrix.watching import Notes, Watch, channel


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    async with homeserver(tmp_path_factory.mktemp("synapse")) as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Stage:
    """A fresh account of ours with a customer of its own."""

    def __init__(self, server: Homeserver, ours: Customer, customer: Customer, tools: GatewayTools) -> None:
        self.server, self.ours, self.customer, self.tools = server, ours, customer, tools
        self.notes = Notes()
        self.settings = {"homeserver": server.url, "token": ours.token}

    def watch(self, cursor: str | None = None, **more: object) -> Watch:
        return Watch(channel(self.notes, **self.settings, **more), self.tools, self.notes, cursor)

    def reply(self, thread: str, text: str = "Got it.", **more: object) -> Outbound:
        values = {"key": "k1", "channel": "matrix", "account": "main", "thread": thread, "text": text, **more}
        return Outbound(**values)  # type: ignore[arg-type]


@pytest_asyncio.fixture(loop_scope="module")
async def stage(server: Homeserver, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    name = f"u{abs(hash(request.node.name))}"
    egress = Egress(["127.0.0.0/8"])
    tools = GatewayTools(egress, Blobs(tmp_path / "blobs"))
    yield Stage(server, await server.account(f"{name}-shop"), await server.account(f"{name}-ann"), tools)
    await egress.close()


async def test_a_chat_is_taken_with_what_was_said_before_we_came(stage: Stage) -> None:
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(stage.ours.id)
    for n in range(60):  # more than one answer of the homeserver holds
        await stage.customer.say(room, f"灯笼坏了 {n}")
    found = await watch.until(60)
    assert [m.text for m in found] == [f"灯笼坏了 {n}" for n in range(60)]
    assert {m.thread for m in found} == {room}
    assert not any(m.machine or m.silent for m in found)
    await watch.stop()


async def test_after_a_crash_and_a_long_pause_all_is_there_once(stage: Stage) -> None:
    first = stage.watch()
    await first.started()
    room = await stage.customer.chat(stage.ours.id)
    await stage.customer.say(room, "one")
    await first.until(1)
    cursor = first.cursor
    await stage.customer.say(room, "two")
    while not (await first.next()).messages:
        pass  # it came, and was not committed
    await first.stop()
    for n in range(130):
        await stage.customer.say(room, f"missed {n}")
    second = stage.watch(cursor)
    found = [m.text for m in await second.until(131)]
    assert found[-131:] == ["two", *(f"missed {n}" for n in range(130))]
    await second.stop()


async def test_edits_redactions_answers_and_threads(stage: Stage) -> None:
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(stage.ours.id)
    first = await stage.customer.say(room, "helo")
    new = {"msgtype": "m.text", "body": "hello"}
    replaced = {"rel_type": "m.replace", "event_id": first}
    await stage.customer.put(room, {**new, "body": "* hello", "m.new_content": new, "m.relates_to": replaced})
    second = await stage.customer.say(room, "> <@x:y> old\n\nmine", **{"m.in_reply_to": {"event_id": first}})
    root = {"rel_type": "m.thread", "event_id": second}
    third = await stage.customer.say(room, "another matter", **root)
    found = {m.external_id: m for m in await watch.until(4)}
    edits = [m for m in found.values() if m.kind == "edit"]
    assert [(m.refers_to, m.text) for m in edits] == [(first, "hello")]
    assert (found[second].reply_to, found[second].text) == (first, "mine")
    assert found[third].thread == f"{room}/{second}"
    await stage.customer.redact(room, third)
    gone = [m for m in await watch.until(5) if m.kind == "delete"]
    assert [(m.refers_to, m.thread) for m in gone] == [(third, f"{room}/{second}")]
    await watch.stop()


async def test_a_reply_arrives_once_in_its_place_and_is_an_echo(stage: Stage) -> None:
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(stage.ours.id)
    said = await stage.customer.say(room, "hello?")
    await watch.until(1)
    ours = channel(stage.notes, **stage.settings)
    out = stage.reply(room, reply_to=said)
    first, again = await ours.send(out, stage.tools), await ours.send(out, stage.tools)
    assert first == again
    texts = await stage.customer.reads(room)
    assert [one["content"]["body"] for one in texts] == ["hello?", "Got it."]
    assert texts[1]["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == said
    await ours.send(stage.reply(f"{room}/{said}", "in there", key="k2"), stage.tools)
    (last,) = (await stage.customer.reads(room))[2:]
    assert last["content"]["m.relates_to"] == {"rel_type": "m.thread", "event_id": said}
    echoes = [m for m in await watch.until(3) if m.machine]
    assert [(m.machine, m.text) for m in echoes] == [("echo", "Got it."), ("echo", "in there")]
    await watch.stop()


async def test_files_go_both_ways(stage: Stage, tmp_path: Path) -> None:
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(stage.ours.id)
    url = await stage.customer.upload("a.jpg", b"\xff\xd8\xff picture", "image/jpeg")
    info = {"mimetype": "image/jpeg", "size": 11}
    await stage.customer.put(room, {"msgtype": "m.image", "body": "a.jpg", "url": url, "info": info})
    (message,) = await watch.until(1)
    ours = channel(stage.notes, **stage.settings)
    call = await ours.fetching(message.attachments[0], stage.tools)
    answer = await stage.tools.http(call)
    assert (message.text, answer.body) == ("", b"\xff\xd8\xff picture")
    kept = await Blobs(tmp_path / "blobs").put(b"%PDF-1.4 x", name="小票.pdf", type="application/pdf", limit=999)
    await ours.send(stage.reply(room, "", attachments=(kept,)), stage.tools)
    sent = (await stage.customer.reads(room))[-1]["content"]
    assert (sent["msgtype"], sent["body"], sent["info"]["size"]) == ("m.file", "小票.pdf", 10)
    await watch.stop()


async def test_an_encrypted_chat_is_told_once_that_nobody_can_read_it(stage: Stage) -> None:
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(stage.ours.id, encrypted=True)
    sealed = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "s", "device_id": "d"}
    for n in range(2):
        await stage.customer.put(room, {**sealed, "n": n}, "m.room.encrypted")
    found = [m for m in await watch.until(3) if not m.machine]
    assert [(bool(m.placeholder), m.silent) for m in found] == [(True, "person")] * 2
    assert len(await stage.customer.reads(room)) == 1
    await stage.customer.put(room, {**sealed, "n": 2}, "m.room.encrypted")
    await watch.until(4)
    assert len(await stage.customer.reads(room)) == 1
    await watch.stop()


async def test_a_group_is_left_unless_it_is_wanted(stage: Stage) -> None:
    third = await stage.server.account(f"third-{stage.ours.id[1:20]}")
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(third.id)
    await third.join(room)
    await stage.customer.ask("POST", f"/_matrix/client/v3/rooms/{room}/invite", {"user_id": stage.ours.id})
    chat = await stage.customer.chat(stage.ours.id)
    await stage.customer.say(room, "in the group")
    await stage.customer.say(chat, "in private")
    (only,) = await watch.until(1)
    assert only.text == "in private"
    where = f"/_matrix/client/v3/rooms/{room}/joined_members"
    while stage.ours.id in (await third.ask("GET", where))["joined"]:
        await watch.commit(await watch.next())
    assert set(watch.found) == {only.external_id}
    await watch.stop()


async def test_a_wanted_group_is_public_and_each_who_begins_has_a_thread(stage: Stage) -> None:
    third = await stage.server.account(f"other-{stage.ours.id[1:20]}")
    watch = stage.watch(rooms=True)
    await watch.started()
    room = await stage.customer.chat(third.id, stage.ours.id)
    await third.join(room)
    one, two = await stage.customer.say(room, "one"), await third.say(room, "two")
    found = {m.external_id: m for m in await watch.until(2)}
    assert found[one].public
    assert found[one].thread == f"public:{room}/{one}"
    assert found[two].thread == f"public:{room}/{two}"
    await watch.stop()


async def test_who_comes_into_a_chat_ends_its_privacy(stage: Stage) -> None:
    third = await stage.server.account(f"late-{stage.ours.id[1:20]}")
    watch = stage.watch()
    await watch.started()
    room = await stage.customer.chat(stage.ours.id)
    await stage.customer.say(room, "alone")
    await watch.until(1)
    await stage.customer.ask("POST", f"/_matrix/client/v3/rooms/{room}/invite", {"user_id": third.id})
    await third.join(room)
    await stage.customer.say(room, "not alone")
    assert [m.public for m in await watch.until(2)] == [False, True]
    with pytest.raises(Refused, match="read along"):
        await channel(stage.notes, **stage.settings).send(stage.reply(room), stage.tools)
    await watch.stop()


async def test_credentials(stage: Stage) -> None:
    (finding,) = await channel(stage.notes, **stage.settings).check(stage.tools)
    assert (finding.ok, finding.detail) == (True, stage.ours.id)
    wrong = channel(stage.notes, **{**stage.settings, "token": "other"})
    assert not (await wrong.check(stage.tools))[0].ok
    with pytest.raises(Unauthorized):
        await anext(wrong.deliveries(None, stage.tools))
    with pytest.raises(Refused):
        await channel(stage.notes, **stage.settings).send(stage.reply("!nowhere:localhost"), stage.tools)
