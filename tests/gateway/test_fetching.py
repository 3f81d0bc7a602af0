"""Files behind links, fetched from a real server: once, later, never, and known to whoever has to know."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Attachment
from gateway.fetching import LADDER, Fetching
from tests.gateway.conftest import Clock, Town

PICTURE = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


class Shelf:
    """A server with one file; ``answers`` are the statuses of the next requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.body = PICTURE
        self.asked = 0
        app = web.Application()
        app.add_routes([web.get("/file", self._give)])
        self.server = TestServer(app)

    async def _give(self, request: web.Request) -> web.Response:
        self.asked += 1
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        return web.Response(status=status, headers=headers, body=self.body if status == 200 else b"")

    def link(self, name: str = "broken.png", kind: str = "image/png") -> Attachment:
        return Attachment(name=name, type=kind, url=str(self.server.make_url("/file")))


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    made = Shelf()
    async with made.server:
        yield made


@pytest.fixture
def fetching(town: Town) -> Fetching:
    return Fetching(town.gateway)


async def fetch(fetching: Fetching) -> None:
    """All that is due, and what follows from it."""
    await fetching.step()
    await fetching.idle()
    await fetching.step()


async def file_of(town: Town, conversation: str) -> Attachment:
    (line,) = await town.lines(conversation, "inbound")
    return line.attachments[0]


async def test_a_file_that_is_there_in_time_is_in_the_first_revision(
    town: Town, shelf: Shelf, fetching: Fetching
) -> None:
    conversation = await town.write("The lantern is broken", attachments=(shelf.link(),), work=False)
    await fetch(fetching)
    await town.work()
    await fetch(fetching)
    record = await town.gateway.store.record((await town.gateway.store.conversation(conversation)).number)
    assert (record.revision, [file.name for file in record.arrival.attachments]) == (1, ["broken.png"])
    assert not await town.gateway.store.files_to_file(9)


async def test_a_late_file_is_a_revision_and_the_sinks_hear_of_it(town: Town, shelf: Shelf, fetching: Fetching) -> None:
    conversation = await town.write("The lantern is broken", attachments=(shelf.link(),))
    await fetch(fetching)
    await town.work()
    number = (await town.gateway.store.conversation(conversation)).number
    record = await town.gateway.store.record(number)
    (file,) = record.arrival.attachments
    assert (record.revision, file.size, file.type) == (2, len(PICTURE), "image/png")
    assert file.message == record.arrival.messages[0]
    assert [event["type"] for event in town.events()][-1] == "complaint.updated"
    await fetch(fetching)
    assert (await town.gateway.store.record(number)).revision == 2


async def test_it_is_tried_on_a_ladder_and_then_given_up(
    town: Town, shelf: Shelf, fetching: Fetching, clock: Clock
) -> None:
    shelf.answers = [(503, {})] * 99
    conversation = await town.write("broken", attachments=(shelf.link(),))
    for pause in LADDER:
        await fetch(fetching)
        assert (await file_of(town, conversation)).state == "pending"
        tries = shelf.asked
        clock.go(seconds=pause - 0.5)
        await fetch(fetching)
        assert shelf.asked == tries, "not before its time"
        clock.go(seconds=1)
    await fetch(fetching)
    file = await file_of(town, conversation)
    assert (file.state, shelf.asked) == ("failed", len(LADDER) + 1)
    assert "503" in file.reason
    assert sum(LADDER) >= 24 * 3600 * 0.9


async def test_the_platform_says_when(town: Town, shelf: Shelf, fetching: Fetching, clock: Clock) -> None:
    shelf.answers = [(429, {"Retry-After": "90"})]
    conversation = await town.write("broken", attachments=(shelf.link(),))
    await fetch(fetching)
    clock.go(seconds=80)
    await fetch(fetching)
    assert shelf.asked == 1
    clock.go(seconds=11)
    await fetch(fetching)
    assert (await file_of(town, conversation)).state == "kept"


@pytest.mark.parametrize(("status", "size"), [(404, 1), (410, 1), (200, 26 * 1024 * 1024)])
async def test_what_will_never_come_says_why(
    town: Town, shelf: Shelf, fetching: Fetching, status: int, size: int
) -> None:
    shelf.answers, shelf.body = [(status, {})], b"\x00" * size
    conversation = await town.write("broken", attachments=(shelf.link(),))
    await fetch(fetching)
    file = await file_of(town, conversation)
    assert file.state == "refused"
    assert file.reason
    assert await town.lines(conversation, "outbound"), "the text was answered"


async def test_what_it_is_is_looked_at_and_not_believed(town: Town, shelf: Shelf, fetching: Fetching) -> None:
    shelf.body = b"MZ" + b"\x00" * 200
    conversation = await town.write("see", attachments=(shelf.link(kind="image/png"),))
    await fetch(fetching)
    assert (await file_of(town, conversation)).type != "image/png"


async def test_a_channel_that_is_taken_out_of_the_configuration_may_come_back(
    town: Town, shelf: Shelf, fetching: Fetching, clock: Clock
) -> None:
    conversation = await town.write("broken", attachments=(shelf.link(),))
    channels, town.gateway.channels = town.gateway.channels, {}
    await fetch(fetching)
    assert (await file_of(town, conversation)).state == "pending"
    town.gateway.channels = channels
    clock.go(seconds=LADDER[0] + 1)
    await fetch(fetching)
    assert (await file_of(town, conversation)).state == "kept"
