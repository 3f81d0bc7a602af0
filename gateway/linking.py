"""The worker that links complaints: the same person again, and many people at once (:mod:`normalizer.likeness`).

It comes after the answer, so no customer waits for it. What it has seen of the last weeks is in memory and read from the
store again at the start; what it finds is a revision of the record with its reasons, told to the desk and the sinks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from gateway import wake
from gateway.context import Gateway
from gateway.events import OVER, event_sends, events_between
from gateway.store.base import Conflict, JournalLine, NotFound, StoreError
from normalizer import likeness
from normalizer.likeness import Incident, Print, Repeat
from normalizer.record import ComplaintRecord
from normalizer.text import Text

log = logging.getLogger(__name__)

#: Complaints looked at in one go, and the pause after it, in seconds: the customers' answers go first.
BATCH = 50
PAUSE = 0.2
#: Looks for work at least this often, in seconds.
POLL = 5.0
#: Complaints kept in memory, at most.
MAX_KEPT = 20_000
#: Lines of a conversation that are read for its words.
MAX_LINES = 200
#: How often a revision is made again when the customer writes at the same moment.
_TRIES = 3
#: The usual number of a category's complaints is that of so long.
_USUAL_OVER = timedelta(days=7)


class Memory:
    """The complaints of the last weeks by number, by person and by category, in the order they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, Print] = {}
        self._people: dict[str, dict[str, Print]] = defaultdict(dict)
        self._categories: dict[str, dict[str, Print]] = defaultdict(dict)

    def keep(self, new: Print) -> None:
        """Remember a complaint; a newer print of the same one takes its place."""
        old = self._numbers.get(new.number)
        if old is not None and (old.people, old.category) != (new.people, new.category):
            self._forget(old)
        self._numbers[new.number] = new
        for place in self._places(new):
            place[new.number] = new
        while len(self._numbers) > MAX_KEPT:
            self._forget(next(iter(self._numbers.values())))

    def _places(self, of: Print) -> list[dict[str, Print]]:
        return [*(self._people[person] for person in of.people), self._categories[of.category]]

    def _forget(self, old: Print) -> None:
        del self._numbers[old.number]
        for place in self._places(old):
            place.pop(old.number, None)
        for person in old.people:
            if not self._people[person]:
                del self._people[person]

    def known(self, number: str) -> Print | None:
        """A complaint by its number."""
        return self._numbers.get(number)

    def of_people(self, people: frozenset[str]) -> list[Print]:
        """What these said before, oldest first."""
        found = {p.number: p for person in people if person in self._people for p in self._people[person].values()}
        return sorted(found.values(), key=lambda p: p.at)

    def newest(self, category: str) -> Iterable[Print]:
        """What came in a category, newest first."""
        return reversed(self._categories[category].values())

    def usual(self, category: str, at: datetime) -> float:
        """How many come in the time of an incident, on the average of the days before."""
        since, until = at - _USUAL_OVER, at - likeness.INCIDENT_WITHIN
        told = sum(since <= p.at < until for p in self._categories[category].values())
        return told * (likeness.INCIDENT_WITHIN / _USUAL_OVER)


class Link(NamedTuple):
    """What one complaint has to do with others, to be written down: its number, and the changes of its standing."""

    number: str
    found: Repeat | Incident
    changes: dict[str, Any]

    @property
    def what(self) -> str:
        return "repeat" if isinstance(self.found, Repeat) else "incident"


class Linking:
    """The worker of the links."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._memory = Memory()
        self._begun = False
        self._looked: list[tuple[str, int]] = []

    async def run(self) -> None:
        """Work for ever; cancel to stop."""
        with self._gateway.wake.listen(wake.DESK) as signals:
            while True:
                self._gateway.metrics.beat("linking")
                try:
                    if await self.step():
                        await asyncio.sleep(PAUSE)
                        continue
                except StoreError as err:
                    log.warning("linking: the store is not available: %s", err)
                    await asyncio.sleep(POLL)
                    continue
                await signals.next(POLL)

    async def step(self) -> int:
        """Look at some complaints; returns how many."""
        if not self._begun:
            await self._begin()
        records = await self._gateway.store.records_to_link(BATCH)
        self._looked = [(record.number, record.revision) for record in records]
        links: list[Link] = []
        for record in records:
            links += await self._look(record)
            await asyncio.sleep(0)  # an answer to a customer goes first
        await self._write(links)
        if records:
            await self._gateway.store.looked_at(self._looked)
        return len(records)

    async def _write(self, links: list[Link]) -> None:
        """All complaints at once, so that they share a commit; each one's links in order.

        Raises:
            StoreError: one could not be written; what is known is read from the store again.
        """
        numbered = groupby(sorted(links, key=attrgetter("number")), attrgetter("number"))
        written = await asyncio.gather(*(self._amend(list(own)) for _, own in numbered), return_exceptions=True)
        if failed := next((error for error in written if error is not None), None):
            self._memory, self._begun = Memory(), False
            raise failed

    async def _begin(self) -> None:
        """Read the last weeks."""
        since, cursor = self._gateway.clock() - likeness.REPEATS_WITHIN, ""
        told: list[Print] = []
        while len(told) < MAX_KEPT:
            page = await self._gateway.store.records(cursor=cursor, limit=200, since=since)
            told += [p for p in [await self._print(record) for record in page.items] if p]
            cursor = page.cursor
            if not cursor:
                break
        for known in sorted(told, key=lambda p: p.at):
            self._memory.keep(known)
        self._begun = True

    async def _print(self, record: ComplaintRecord) -> Print | None:
        if record.what.kind is None or record.what.kind.value != "complaint":
            return None
        keys = frozenset(record.arrival.messages)
        try:
            lines = await self._gateway.store.timeline(record.arrival.conversation, limit=MAX_LINES)
        except NotFound:
            lines = ()
        text = "\n".join(line.text for line in lines if line.key in keys)[: likeness.MAX_TEXT]
        return likeness.print_of(record, Text(text, self._gateway.rules.fold).plain)

    async def _look(self, record: ComplaintRecord) -> list[Link]:
        """The links of a complaint, and those of others that it makes an incident of."""
        links: list[Link] = []
        new = await self._print(record)
        if new is None:
            return links
        memory, undone = self._memory, record.standing.unlinked
        repeat = None if "repeat" in undone else likeness.repeat(new, memory.of_people(new.people))
        if repeat and not record.standing.repeat_of:
            links.append(Link(record.number, repeat, _repeated(repeat)))
            new = new._replace(root=repeat.of, times=repeat.times)
        incident = None
        if "incident" not in undone:
            incident = likeness.incident(
                new, memory.newest(new.category), usual=partial(memory.usual, new.category, new.at)
            )
        if incident:
            told = {"incident": incident.id, "incident_because": incident.because}
            links += [
                Link(number, incident, told)
                for number in (*incident.cases, new.number)
                if self._joins(number, incident)
            ]
            new = new._replace(incident=incident.id)
        memory.keep(new)
        return links

    def _joins(self, number: str, incident: Incident) -> bool:
        """Whether a complaint is new in an incident; it is remembered as part of it."""
        if known := self._memory.known(number):
            if known.incident:
                return False
            self._memory.keep(known._replace(incident=incident.id))
        return True

    async def _amend(self, links: list[Link]) -> None:
        for link in links:
            await self._amend_one(link)

    async def _amend_one(self, link: Link) -> None:
        """A revision with the link, its reasons in the journal, and the events; made again when the case moved on."""
        number, found, what = link.number, link.found, link.what
        for _ in range(_TRIES):
            before = await self._gateway.store.record(number)
            standing = before.standing
            if what in standing.unlinked or (what == "incident" and (standing.incident or standing.status in OVER)):
                return
            after = linked(before, at=self._gateway.clock(), **link.changes)
            body = {"to": found.of if isinstance(found, Repeat) else found.id, "because": list(found.because)}
            line = JournalLine(number=number, what=f"linked_{what}", at=after.updated_at, by="system", body=body)
            events = events_between(before, after, source=self._gateway.config.public_url)
            try:
                await self._gateway.store.amend(
                    before.arrival.conversation,
                    None,
                    after,
                    status="",
                    sends=event_sends(events, self._gateway.sinks),
                    journal=(line,),
                )
            except Conflict:
                continue
            self._looked.append((number, after.revision))
            self._gateway.wake.signal(wake.OUTBOX)
            self._gateway.wake.signal(wake.conversation(before.arrival.conversation))
            return


def _repeated(repeat: Repeat) -> dict[str, Any]:
    return {"repeat_of": repeat.of, "repeats": repeat.times, "repeat_because": repeat.because}


def linked(record: ComplaintRecord, *, at: datetime, **changes: Any) -> ComplaintRecord:
    """The record's next revision with something of its standing changed."""
    standing = msgspec.structs.replace(record.standing, **changes)
    return msgspec.structs.replace(record, standing=standing, revision=record.revision + 1, updated_at=at)
