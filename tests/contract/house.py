"""A real gateway for one channel, small enough to be made for every promise: real store, real files, no workers."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from channels.base import Accepted, Answer, Inbound, Memo, Request
from gateway import app, config
from gateway.context import GATEWAY, Gateway
from gateway.memory import StoreMemory
from gateway.store.base import InboxRow, Quarantined, Store, StoreUnavailable
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.web import doors, problems
from tests.contract.case import Case
from tests.servers import postgres

SECRET = "contract-suite-secret-0123456789abcdef"


class FullStore(SqliteStore):
    """A store that says what a full disk says, once told to."""

    full = False

    async def append(
        self,
        messages: Sequence[Inbound],
        *,
        received_at: datetime,
        cursor: tuple[str, str, str] | None = None,
        memos: tuple[str, Sequence[Memo]] | None = None,
        lease: tuple[str, int] | None = None,
    ) -> tuple[Accepted, ...]:
        if self.full:
            raise StoreUnavailable("the disk is full")
        return await super().append(messages, received_at=received_at, cursor=cursor, memos=memos, lease=lease)


class Ground(Protocol):
    """What a house stands on: every ``store()`` there finds what earlier ones wrote."""

    folder: Path

    def store(self) -> Store: ...

    def fill(self, *, full: bool) -> None:
        """While it is full, no message can be written."""
        ...


class SqliteGround:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self) -> FullStore:
        self._store = FullStore(self.folder / "data" / "allears.db")
        return self._store

    def fill(self, *, full: bool) -> None:
        self._store.full = full


class PostgresGround:
    """A database of its own on the tests' server, which says itself that its disk is full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._url = postgres.new_database(f"contract_{secrets.token_hex(8)}")

    def store(self) -> PostgresStore:
        return PostgresStore(self._url, connections=4)

    def fill(self, *, full: bool) -> None:
        postgres.execute(self._url, _FULL if full else "DROP TRIGGER disk_is_full ON inbox")


#: The error that PostgreSQL gives when a table's file cannot grow: 53100, disk_full.
_FULL = """
CREATE OR REPLACE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER disk_is_full BEFORE INSERT ON inbox EXECUTE FUNCTION disk_is_full()
"""
GROUNDS: Mapping[str, Callable[[Path], Ground]] = {"sqlite": SqliteGround, "postgres": PostgresGround}


class House:
    """A gateway with one channel account, and what the promises ask of it."""

    def __init__(
        self,
        case: Case,
        gateway: Gateway,
        client: TestClient[web.Request, web.Application],
        ground: Ground,
    ) -> None:
        self.case, self.gateway, self._client = case, gateway, client
        self.ground, self.folder = ground, ground.folder

    async def deliver(self, request: Request) -> Answer:
        """One delivery over HTTP, at the time that the request says."""
        self.gateway.clock = lambda: request.at
        url = URL(request.url)
        async with self._client.request(
            request.method, url.path, params=dict(request.query), headers=dict(request.headers), data=request.body
        ) as answer:
            return Answer(status=answer.status, body=await answer.read())

    async def rows(self) -> tuple[InboxRow, ...]:
        """The inbox, oldest first."""
        page = await self.gateway.store.inbox(limit=500)
        return tuple(sorted(page.items, key=lambda row: row.id))

    async def messages(self) -> list[Inbound]:
        """What is stored, oldest first."""
        return [await self.gateway.store.inbox_message(row.id) for row in await self.rows()]

    async def quarantined(self) -> tuple[Quarantined, ...]:
        """What could not be read."""
        return (await self.gateway.store.quarantined(limit=500)).items


@asynccontextmanager
async def open_house(case: Case, ground: Ground) -> AsyncIterator[House]:
    """The house on its ground; a second one there finds what the first has stored."""
    loaded = config.Loaded(
        config=config.Config(
            secret=SECRET,
            public_url="https://intake.example",
            egress=config.EgressSettings(allow=("127.0.0.0/8", "::1/128")),
        ),
        file="",
        text="",
        folder=ground.folder,
    )
    store = ground.store()
    gateway = app.assemble(loaded, store=store)
    case.memory = StoreMemory(store, case.name)
    gateway.channels = {(case.name, case.account): case.channel()}
    await store.open()
    server = web.Application()
    server[GATEWAY] = gateway
    problems.install(server)
    if not case.pulls:
        server.add_routes(doors.routes(gateway))
    try:
        async with TestClient(TestServer(server)) as client:
            yield House(case, gateway, client, ground)
    finally:
        await gateway.egress.close()
        await store.close()


@contextmanager
def full_disk(house: House) -> Iterator[None]:
    """While it lasts, nothing can be written."""
    house.ground.fill(full=True)
    try:
        yield
    finally:
        house.ground.fill(full=False)


def fields(messages: Sequence[Inbound], names: Sequence[str]) -> list[dict[str, object]]:
    """Chosen attributes of messages; ``sender`` is the sender's id."""
    return [
        {name: message.sender.id if name == "sender" else getattr(message, name) for name in names}
        for message in messages
    ]


def without_raw(message: Inbound) -> Inbound:
    """A message as it compares with another delivery of the same event."""
    return msgspec.structs.replace(message, raw=b"")
