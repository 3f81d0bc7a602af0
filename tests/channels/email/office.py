"""A gateway with a mailbox: real store, real files, the watcher as it runs in the product."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec

from channels.base import Inbound, Outbound, PullChannel
from channels.email import Email
from gateway import config
from gateway.app import assemble
from gateway.context import Gateway, utc_now
from gateway.flow import Flow
from gateway.outbox import Outbox
from gateway.pull import Pull
from gateway.tools import GatewayTools
from tests.channels.email.servers import PASSWORD, Dovecot, Post, Postfix

SECRET = "0123456789012345678901234567890123456789"


class Office:
    """The gateway and what the tests ask of it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.flow, self.outbox = Flow(gateway), Outbox(gateway)
        self.tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def channel(self) -> Email:
        channel = self.gateway.channels["email", "main"]
        assert isinstance(channel, Email)
        return channel

    def watch(self, *, first: float = 0.05, rest: float = 0.2) -> asyncio.Task[None]:
        """Start the watchers of all accounts."""
        for channel in self.gateway.channels.values():
            assert isinstance(channel, PullChannel)
            watcher = Pull(self.gateway, channel, first=first, rest=rest)
            self._tasks.append(asyncio.create_task(watcher.run()))
        return self._tasks[-1]

    async def looking(self) -> None:
        """Watch, and wait until everything has been looked at once: what comes from now on is new."""
        self.watch()
        pulls = self.gateway.metrics.pulls
        await until(lambda: pulls() and all(p["last_sweep_seconds"] is not None for p in pulls().values()))

    async def rest(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def messages(self) -> list[Inbound]:
        """What is stored, oldest first."""
        found: list[Any] = []
        cursor = ""
        while True:
            page = await self.gateway.store.inbox(limit=500, cursor=cursor)
            found += page.items
            cursor = page.cursor
            if not cursor:
                break
        rows = sorted(found, key=lambda row: row.id)
        return [await self.gateway.store.inbox_message(row.id) for row in rows]

    async def until(self, count: int, seconds: float = 60.0) -> list[Inbound]:
        """Wait for so many messages; then a moment more, in which no other may come."""
        await until(lambda: self._count(count), seconds)
        return await self.messages()

    async def _count(self, count: int) -> bool:
        return len(await self.messages()) >= count

    async def work(self) -> None:
        """Decide and send all that is due."""
        while await self.flow.step():
            pass
        await self.outbox.drain()

    async def reply(self, message: Inbound, text: str, kind: Any = "human", key: str = "k", **more: Any) -> Any:
        """Send a reply straight through the channel."""
        out = Outbound(
            key=key,
            channel="email",
            account=message.account,
            thread=message.thread,
            text=text,
            kind=kind,
            reply_to=message.external_id,
            subject=message.subject,
            **more,
        )
        return await self.channel.send(out, self.tools)


async def until(test: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while True:
            found = test()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.05)


def settings(imap: Dovecot | None, post: Post | Postfix | None, folder: Path, **changes: Any) -> dict[str, Any]:
    """An account's settings for servers of the tests."""
    tree: dict[str, Any] = {
        "address": "desk@localhost",
        "user": "desk",
        "password": PASSWORD,
        "imap_host": "localhost",
        "imap_port": imap.imaps if imap else 1,
        "smtp_host": "localhost",
        "smtp_port": post.port if post else 1,
    }
    trusted = [Path(server.ca).read_text() for server in (imap, post) if server is not None]
    if trusted:
        bundle = folder / "trusted.pem"
        bundle.write_text("\n".join(trusted))
        tree["ca_file"] = str(bundle)
    return tree | changes


@contextlib.asynccontextmanager
async def open_office(folder: Path, accounts: dict[str, dict[str, Any]]) -> AsyncIterator[Office]:
    """An office in ``folder``; a second one there finds what the first has stored."""
    tree = {
        "secret": SECRET,
        "egress": {"allow": ["127.0.0.0/8"]},
        "company": {"name": "Seaside", "country": "CN"},
        "channels": {"email": accounts},
    }
    made = config.convert(tree, config.Config)
    loaded = config.Loaded(config=made, file="", text="", folder=folder)
    office = Office(assemble(loaded))
    await office.gateway.store.open()
    try:
        yield office
    finally:
        await office.rest()
        await office.gateway.egress.close()
        await office.gateway.store.close()


def mail(text: str, **headers: str) -> bytes:
    """A mail by a customer. Header names with ``_`` for ``-``; ``raw`` headers as they are."""
    message = EmailMessage()
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    defaults = {
        "from": "Ann Lee <ann@example.com>",
        "to": "desk@localhost",
        "subject": "Broken kettle",
        "date": format_datetime(utc_now()),
        "message-id": f"<{abs(hash((text, tuple(sorted(given.items())))))}@example.com>",
    }
    for name, value in (defaults | given).items():
        if value:
            message[name] = value
    message.set_content(text)
    return message.as_bytes()


def decoded(posted: dict[str, Any]) -> EmailMessage:
    """A posted mail, read with the standard library (our own writing, so it is safe to)."""
    import email
    from email import policy

    parsed = email.message_from_bytes(posted["data"], policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)
