"""``python -m tests.crash.day``: a day on every channel, most of them simulated platforms, then the reckoning.

Customers write texts that carry a mark of their own, send pictures, and say it twice where their platform does; agents
answer at the desk. The platforms lose answers, swap, forge, fall silent. The real server runs as a process of its own
and is killed at moments that it does not choose. Afterwards the faults stop, all that is under way arrives, and three books
are compared: what customers said, what the store holds, what customers saw.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from channels._platforms.base import File, Platform
from gateway.desk.passwords import hash_password
from gateway.outbox import NO_NEWS
from gateway.simulate.platforms import Running, names, whole
from gateway.store.base import Agent
from tests.channels.email.servers import DOVECOT
from tests.crash.day_books import HELLO, Books, posts, reckon
from tests.crash.day_own import Exchange, Mailbox
from tests.crash.houses import House, OneServer
from tests.crash.nodes import ThreeNodes
from tests.crash.traffic import Caller, DeskAgent, Ledger, Visitor, World
from tests.crash.watch import MARK, Watch

ROOT = Path(__file__).parents[2]
#: Customers' names; the language of a fake's customer is that of the name.
PEOPLE = ("王芳", "Tom", "陳大文", "Maria")
PICTURE = File(name="a.jpg", type="image/jpeg", data=b"\xff\xd8\xff\xe0" + b"\x00" * 500)
#: How often each fault happens.
FAULTS = {
    "twice": 0.1,
    "swapped": 0.05,
    "late": 0.05,
    "lost": 0.1,
    "forged": 0.05,
    "strange": 0.03,
    "busy": 0.05,
    "broken": 0.05,
    "cut": 0.03,
    "no_media": 0.2,
}
#: Share of messages with a picture.
PICTURES = 0.1
#: Longest pause between two messages in seconds, all customers together.
PAUSE = 0.1
#: The shortest time in seconds for which a platform repeats what we do not take: a restart takes a while, at any pace.
REPEATS_FOR = 30.0
#: Seconds until all that is under way must have arrived.
PATIENCE = 420.0
TOKEN, PASSWORD = "crash-suite-token", "correct horse battery"
#: A day in minutes: what fails is tried again soon. Callers come by an account of the API's own.
MORE = """
[outbox]
ladder = [0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 10.0, 10.0, 20.0]

[channels.api.day]

[[channels.api.day.tokens]]
name = "callers"
sha256 = "{token}"
scopes = ["messages:write"]
"""


class Day:
    """One run: ``customers`` on each platform who say ``messages`` each, ``kills`` of the house's troubles spread over them."""

    def __init__(
        self,
        folder: Path,
        *,
        customers: int,
        messages: int,
        kills: int = 2,
        seed: int = 1,
        pace: float = 0.2,
        short: bool = False,
        house: House | None = None,
    ) -> None:
        self._folder, self._customers, self._messages, self._kills = folder, customers, messages, kills
        self._pace, self._short, self._chance = pace, short, random.Random(seed)
        self._house = house or OneServer(folder)
        self.watches: dict[str, Watch] = {}
        self.ledger = Ledger()
        self.visitors: list[Visitor] = []
        self.mailbox: Mailbox | None = None
        self.books = Books()

    async def carry_out(self) -> Books:
        url = f"http://{self._house.address}"
        self._world = World(url, self.ledger, self._chance)
        async with AsyncExitStack() as open_servers:
            running = await open_servers.enter_async_context(Running(names(), gateway=url, pace=self._pace))
            self.books.left_out = dict(running.left_out)
            self.exchange = await open_servers.enter_async_context(Exchange(self._world))
            if shutil.which(DOVECOT):
                self.mailbox = await open_servers.enter_async_context(Mailbox(self._folder, self._chance))
            else:
                self.books.left_out["email"] = "Dovecot is not installed"
            await self._furnish(running)
            await self._house.start()
            try:
                await self._first_words(running.platforms)
                await self._traffic(running.platforms)
                await self._audited()
            finally:
                await self._house.stop()
                await self._world.http.close()
            await self.reckon()
        return self.books

    async def _furnish(self, running: Running) -> None:
        for name, platform in running.platforms.items():
            platform.pace = min(1.0, max(self._pace, REPEATS_FOR / sum(platform.again_after)))
            self.watches[name] = Watch(platform)
        more = MORE.format(token=hashlib.sha256(TOKEN.encode()).hexdigest())
        more += self.exchange.table() + (self.mailbox.table() if self.mailbox else "")
        await self._house.furnish(whole(running.tables(), self._house.address) + more)
        store = self._house.store()
        await store.open()
        for login in ("agent0", "agent1"):
            agent = Agent(id=login, login=login, name=login, role="agent", password=hash_password(PASSWORD))
            await store.put_agent(agent)
        await store.close()

    # customers and agents

    async def _first_words(self, platforms: dict[str, Platform]) -> None:
        """Somebody is answered everywhere: a platform with a connection delivers nothing from before the first one."""
        await self._world.until_accepted(lambda: self._world.call("GET", "/healthz"))
        await self._until("an answer at each platform", lambda: self._answered(platforms))

    async def _answered(self, platforms: dict[str, Platform]) -> bool:
        silent = [platform for platform in platforms.values() if not platform.sent]
        for platform in silent:
            await platform.say(HELLO, person="first")
        unread = self.mailbox is not None and not self.mailbox.posted()
        if self.mailbox is not None and unread:
            await self.mailbox.write("first", HELLO)
        await asyncio.sleep(1.0)
        return not silent and not unread

    async def _traffic(self, platforms: dict[str, Platform]) -> None:
        self.visitors = [Visitor(self._world, f"visitor{n}", "lantern") for n in range(self._customers)]
        actors: list[Visitor | Caller | DeskAgent] = [*self.visitors]
        actors += [Caller(self._world, f"caller{n}", TOKEN) for n in range(self._customers)]
        actors += [DeskAgent(self._world, login, PASSWORD) for login in ("agent0", "agent1")]
        at_work = [asyncio.create_task(actor.run()) for actor in actors]
        for platform in platforms.values():
            platform.faults = dict(FAULTS)
        await self._said()
        self._world.stopping.set()
        await self._settled(platforms)
        for task in at_work:
            task.cancel()
        failed = [one for one in await asyncio.gather(*at_work, return_exceptions=True) if isinstance(one, Exception)]
        self.books.faults += [f"an actor failed: {err!r}" for err in failed] + self.ledger.faults

    async def _said(self) -> None:
        """All customers of the platforms, one message after the other, each customer's in order."""
        doors = [*self.watches, "phone", *(["email"] if self.mailbox else [])]
        turns = [(name, n) for name in doors for n in range(self._customers) for _ in range(self._messages)]
        self._chance.shuffle(turns)
        disturb_at = {round(len(turns) * n / (self._kills + 1)) for n in range(1, self._kills + 1)}
        disturbing: asyncio.Task[None] | None = None
        for turn, (name, n) in enumerate(turns):
            if turn in disturb_at:
                if disturbing is not None:
                    await disturbing  # one thing at a time, and customers go on meanwhile
                disturbing = asyncio.create_task(self._disturbed())
            await self._say(name, n)
            await asyncio.sleep(self._chance.uniform(0, PAUSE))
        if disturbing is not None:
            await disturbing

    async def _disturbed(self) -> None:
        self.books.disturbed.append(await self._house.disturb())

    async def _say(self, name: str, n: int) -> None:
        customer = f"{name}{n}"
        accepted = self.ledger.accepted.setdefault(customer, [])
        mark = f"{customer}-{len(accepted) + 1}"
        accepted.append(mark)
        text = self._world.text(mark)
        if name == "phone":
            await self.exchange.ring(customer, mark, text)
        elif name == "email" and self.mailbox is not None:
            await self.mailbox.write(customer, text)
        else:
            files = (PICTURE,) if self._chance.random() < PICTURES else ()
            self.watches[name].said(mark)
            await self.watches[name].platform.say(text, person=f"{PEOPLE[n % len(PEOPLE)]} {n}", files=files)

    # afterwards

    async def _settled(self, platforms: dict[str, Platform]) -> None:
        for platform in platforms.values():
            platform.faults = {}
        for platform in platforms.values():
            await platform.delivered()
        if self.mailbox is not None:
            self.mailbox.calm()
        await self._until("every message to be taken", self._all_quiet)
        await self._until("every message to be worked on", lambda: self._none("inbox-list", ("open", "wait")))
        await self._until("every reply to be said", self._all_said)
        await self._until("every file to be fetched", self._all_fetched)

    async def _all_quiet(self) -> bool:
        """All that was said is there but what a platform gave up, and for some seconds nothing more comes."""
        given_up = {mark for w in self.watches.values() for e in w.platform.given_up for mark in MARK.findall(repr(e))}
        if {mark for said in self.ledger.accepted.values() for mark in said} - given_up - await self._stored():
            return False
        before = await self._house.ask("audit", {})
        await asyncio.sleep(3.0)
        return [row["seen"] for row in before] == [row["seen"] for row in await self._house.ask("audit", {})]

    async def _all_fetched(self) -> bool:
        """A file that its platform did not give out is asked for again on a ladder."""
        return not await self._house.rows("SELECT 1 FROM \"fetch\" WHERE state = 'due'")

    async def _stored(self) -> set[str]:
        """Marks in the database."""
        return {
            mark for (body,) in await self._house.rows("SELECT body FROM inbox") for mark in MARK.findall(_text(body))
        }

    async def _none(self, operation: str, states: tuple[str, ...]) -> bool:
        for state in states:
            if await self._house.ask(operation, {"state": state, "limit": 1}):
                return False
        return True

    async def _all_said(self) -> bool:
        """What was cut off by a kill may wait five minutes for its platform's news; a short day does not."""
        rows = [
            row for state in ("waiting", "sending") for row in await self._house.ask("outbox-list", {"state": state})
        ]
        held_up = {row["lane"] for row in rows if str(row["error"]).startswith(NO_NEWS) and self._short}
        return all(row["lane"] in held_up for row in rows)

    async def _until(self, what: str, test: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await test():  # noqa: ASYNC110 - another process, which signals nothing
                    await asyncio.sleep(0.3)
        except TimeoutError:
            self.books.faults.append(f"waited in vain for {what}")

    async def _audited(self) -> None:
        """The server's own books: nothing missing, no journal broken."""
        for row in await self._house.ask("audit", {}):
            self.books.lines[str(row["channel"])].held_off += int(str(row["duplicates"]))
            for count in (
                "recorded",
                "processed",
                "open",
                "held",
                "answered",
                "delivered",
                "dead",
                "quarantined",
                "missing",
            ):
                self.books.notes[f"audit: {count}"] = self.books.notes.get(f"audit: {count}", 0) + int(str(row[count]))
        for count in ("open", "held", "quarantined", "missing"):
            if self.books.notes[f"audit: {count}"]:
                self.books.faults.append(f"the audit has {self.books.notes[f'audit: {count}']} {count}")
        *faults, journals = await self._house.ask("audit-journals", {})
        self.books.notes["audit: journals that hold"] = int(str(journals["checked"])) - len(faults)
        self.books.faults += [f"a journal or file is wrong: {fault}" for fault in faults]

    async def reckon(self) -> None:
        """Compare the books, into :attr:`books`."""
        store = self._house.store()
        await store.open()
        try:
            await reckon(self.books, store, self.ledger, self.watches, self.visitors)
            if self.mailbox is not None:
                await posts(self.books, store, self.mailbox.posted())
        finally:
            await store.close()


def _text(body: bytes) -> str:
    return str(msgspec.json.decode(body).get("text", ""))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.day", description=__doc__)
    parser.add_argument("--customers", type=int, default=20, help="on each channel (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=4, help="of each (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=2, help="of the server, or troubles of the nodes")
    parser.add_argument("--nodes", action="store_true", help="three nodes on PostgreSQL and Redis")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        house = ThreeNodes(Path(folder), seed=args.seed) if args.nodes else OneServer(Path(folder))
        day = Day(
            Path(folder),
            customers=args.customers,
            messages=args.messages,
            kills=args.kills,
            seed=args.seed,
            house=house,
        )
        books = asyncio.run(day.carry_out())
    print(*books.table(), sep="\n")
    print(
        f"disturbed: {', '.join(books.disturbed)}",
        *(f"{name}: {count}" for name, count in books.notes.items()),
        sep="\n",
    )
    print(*(f"left out {name}: {why}" for name, why in books.left_out.items()), sep="\n")
    print(*(f"FAULT {fault}" for fault in books.faults), sep="\n")
    return 1 if books.faults else 0


if __name__ == "__main__":
    sys.exit(main())
