"""What became of everything that was said: read from the store, the receivers and the windows."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.store import journal
from gateway.store.base import InboxRow, Send, Store
from tests.crash.receiver import Receiver
from tests.crash.traffic import Ledger, Visitor

MARK = re.compile(r"\(([\w-]+)\)$")


@dataclass
class Verdict:
    """The counts, and every fault in words."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, what: str, found: Sequence[object]) -> None:
        """Count things that should not be; name the first few."""
        self.counts[what] = len(found)
        if found:
            self.faults.append(f"{what}: {len(found)}, such as {list(found[:3])}")


async def judge(store: Store, ledger: Ledger, receiver: Receiver, visitors: Sequence[Visitor]) -> Verdict:
    """Compare what was said with what is there."""
    verdict = Verdict()
    rows, marks = await _inbox(store)
    accepted = [mark for said in ledger.accepted.values() for mark in said]
    verdict.counts |= {"sent": len(ledger.sent), "accepted": len(accepted), "recorded": len(rows)}
    verdict.expect("lost", sorted(set(accepted) - set(marks)))
    verdict.expect("doubled", [mark for mark, times in Counter(marks).items() if times > 1])
    verdict.expect("not processed", [row.id for row in rows if row.state != "done"])
    _order(verdict, ledger, marks)
    await _records(verdict, store, rows)
    sends = await _outbox(verdict, store)
    await _windows(verdict, store, visitors)
    _receivers(verdict, receiver, sends)
    await _agents(verdict, ledger, sends)
    kept = await everything(store.quarantined)
    verdict.counts |= {"garbage sent": ledger.garbage, "quarantined": len(kept)}
    if len(kept) < ledger.garbage:
        verdict.faults.append(f"quarantine: {ledger.garbage} accepted, {len(kept)} kept")
    verdict.faults += ledger.faults
    return verdict


async def everything(listing: Any, **options: Any) -> list[Any]:
    items: list[Any] = []
    cursor = ""
    while True:
        page = await listing(cursor=cursor, limit=500, **options)
        items += page.items
        cursor = page.cursor
        if not cursor:
            return items


async def _inbox(store: Store) -> tuple[list[InboxRow], list[str]]:
    rows = sorted(await everything(store.inbox), key=lambda row: row.id)
    marks = []
    for row in rows:
        found = MARK.search((await store.inbox_message(row.id)).text)
        assert found is not None, row
        marks.append(found[1])
    return rows, marks


def _order(verdict: Verdict, ledger: Ledger, marks: Sequence[str]) -> None:
    """Messages of one customer stand in the order in which they were accepted."""
    stored: dict[str, list[int]] = {}
    for mark in marks:
        customer, _, number = mark.rpartition("-")
        stored.setdefault(customer, []).append(int(number))
    verdict.expect("out of order", [customer for customer, numbers in stored.items() if numbers != sorted(numbers)])
    assert set(ledger.accepted) >= set(stored)


async def _records(verdict: Verdict, store: Store, rows: Sequence[InboxRow]) -> None:
    records = await everything(store.records)
    holding = Counter(key for record in records for key in record.arrival.messages)
    wanted = {f"{row.channel}/{row.account}/{row.external_id}" for row in rows}
    verdict.counts["records"] = len(records)
    verdict.expect("in no record", sorted(wanted - set(holding)))
    verdict.expect("in two records", [key for key, times in holding.items() if times > 1])
    broken = [r.number for r in records if journal.verify(await store.journal(r.number))]
    verdict.expect("broken journals", broken)
    gaps = []
    for record in records:
        revisions = [r.revision for r in await store.revisions(record.number)]
        if revisions != list(range(1, len(revisions) + 1)):
            gaps.append(record.number)
    verdict.expect("revisions missing", gaps)


async def _outbox(verdict: Verdict, store: Store) -> list[Send]:
    sends = await everything(store.outbox)
    states = Counter(send.state for send in sends)
    verdict.counts |= {f"sends {state}": count for state, count in sorted(states.items())}
    verdict.expect("sends left", [s.key for s in sends if s.state in ("waiting", "sending", "unknown", "dead")])
    return sends


async def _windows(verdict: Verdict, store: Store, visitors: Sequence[Visitor]) -> None:
    """Each window shows what the store holds: every line once, in order."""
    wrong, lines = [], 0
    for visitor in visitors:
        shown = [line["seq"] for line in visitor.lines]
        own = [line["text"] for line in visitor.lines if line.get("author") == "me"]
        texts = Counter(own)
        lines += len(shown)
        if shown != sorted(set(shown)) or max(texts.values(), default=1) > 1:
            wrong.append(visitor.name)
    verdict.counts["lines in windows"] = lines
    verdict.expect("windows that differ", wrong)
    await asyncio.sleep(0)


def _receivers(verdict: Verdict, receiver: Receiver, sends: Sequence[Send]) -> None:
    """What the outside got: everything marked as sent, repeats only under the same key, in order."""
    replied = {s.key for s in sends if s.state == "sent" and s.destination.startswith("channel:api")}
    events = {s.key for s in sends if s.state == "sent" and s.destination == "sink:hook"}
    doubted = [s for s in sends if s.state == "superseded" and s.tries and s.destination.startswith("channel:api")]
    arrived = len(receiver.replies)
    verdict.counts |= {"replies sent": len(replied), "replies in doubt": len(doubted), "replies that arrived": arrived}
    # A reply's id outside is not its key, but there is exactly one for each.
    if not len(replied) <= arrived <= len(replied) + len(doubted):
        verdict.faults.append(f"{len(replied)} replies were sent, {arrived} arrived")
    verdict.expect("events that never arrived", sorted(events - set(receiver.events)))
    verdict.counts["calls repeated under the same key"] = sum(times - 1 for times in receiver.calls.values())
    heard: dict[str, int] = {}
    late = []
    for number, revision in receiver.event_order:
        if revision < heard.get(number, 0):
            late.append(number)
        heard[number] = revision
    verdict.expect("events out of order", late)


async def _agents(verdict: Verdict, ledger: Ledger, sends: Sequence[Send]) -> None:
    """An agent's accepted reply goes out once, whoever owns the conversation by then."""
    said = Counter(
        text for s in sends if s.kind == "human" and (text := msgspec.json.decode(s.body)["text"]) in _texts(ledger)
    )
    verdict.counts["agents' replies"] = len(ledger.replies)
    verdict.expect("agents' replies lost", sorted(_texts(ledger) - set(said)))
    verdict.expect("agents' replies doubled", [text for text, times in said.items() if times > 1])


def _texts(ledger: Ledger) -> set[str]:
    return set(ledger.replies.values())
