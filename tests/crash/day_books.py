"""The reckoning of a simulated day: what customers said, what the store holds, what they saw; a line for each channel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

import msgspec

from channels import base
from channels.base import Inbound, Outbound
from gateway.retry import REPEAT_IN_DOUBT
from gateway.store.base import InboxRow, Send, Store
from tests.crash.traffic import Ledger, Visitor
from tests.crash.verdict import everything
from tests.crash.watch import MARK, REFUSED, Watch

#: What the customer says who tries whether anybody is there.
HELLO = "您好"
#: How the mail channel says that it answers itself in circles.
LOOP = "looks like a loop"
Row = tuple[InboxRow, Inbound]


@dataclass
class Line:
    """One channel's day. Rows are in the order of the table."""

    customers: int = 0
    said: int = 0
    recorded: int = 0
    missing: int = 0
    doubled: int = 0
    disordered: int = 0
    held_off: int = 0
    """Repeats that the gateway knew again."""
    given_up: int = 0
    """Lost by the platform itself, which repeats for a short while only; the gateway has never had it."""
    forged: int = 0
    let_in: int = 0
    strange: int = 0
    uninvited: int = 0
    """Messages that no customer has said."""
    files: int = 0
    replies: int = 0
    """What customers saw of ours."""
    unseen: int = 0
    """Replies that count as sent and nobody saw."""
    twice: int = 0
    """Replies that were seen twice without need."""
    in_doubt: int = 0
    """Replies of which nobody knows, on a platform that knows no repeats; a person has been told."""
    again: int = 0
    """Seen twice on purpose: in doubt a receipt or a person's words are said again."""
    swapped: int = 0
    """Chats in which replies came in another order than they were said in."""
    late: int = 0
    """Words of the bot that came after a person's who had taken over from it."""

    @property
    def faults(self) -> list[str]:
        wrong = ("missing", "doubled", "disordered", "let_in", "uninvited", "unseen", "twice", "swapped", "late")
        return [f"{name}: {getattr(self, name)}" for name in wrong if getattr(self, name)]


@dataclass
class Books:
    """The whole day."""

    lines: dict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    disturbed: list[str] = field(default_factory=list)
    """What happened to the house, in order."""
    left_out: dict[str, str] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def total(self) -> Line:
        return Line(**{f.name: sum(getattr(line, f.name) for line in self.lines.values()) for f in fields(Line)})

    def table(self) -> Iterator[str]:
        """The lines of the table, and the sum."""
        titles = [f.name.replace("_", " ") for f in fields(Line)]
        yield "".join([f"{'':12}", *(f"{title:>{len(title) + 2}}" for title in titles)])
        for name, line in [*sorted(self.lines.items()), ("together", self.total())]:
            numbers = [getattr(line, f.name) for f in fields(Line)]
            yield "".join([f"{name:12}", *(f"{n:>{len(t) + 2}}" for n, t in zip(numbers, titles, strict=True))])


async def reckon(
    books: Books, store: Store, ledger: Ledger, watches: Mapping[str, Watch], visitors: Sequence[Visitor]
) -> None:
    """Compare what was said with what is there, channel by channel."""
    found: list[Row] = [(row, await store.inbox_message(row.id)) for row in await everything(store.inbox)]
    found.sort(key=lambda one: one[0].id)
    _intake(books, found, ledger, watches)
    sends = [send for send in await everything(store.outbox) if send.destination.startswith("channel:")]
    for name, watch in watches.items():
        own = [send for send in sends if send.destination.partition("/")[0] == f"channel:{name}"]
        _replies(books.lines[name], own, watch)
    for visitor in visitors:
        _window(books.lines["webchat"], visitor)
    _dead(books, sends)
    _agents(books, sends, ledger)
    for name, line in books.lines.items():
        books.faults += [f"{name}: {fault}" for fault in line.faults]


def _intake(books: Books, found: Sequence[Row], ledger: Ledger, watches: Mapping[str, Watch]) -> None:
    first = [(row, m) for row, m in found if m.kind == "message" and m.machine != "copy"]
    kept = [(row, m, mark) for row, m in first for mark in MARK.findall(m.text)]
    times = Counter(mark for _, _, mark in kept)
    given_up = {mark for w in watches.values() for event in w.platform.given_up for mark in MARK.findall(repr(event))}
    for customer, marks in ledger.accepted.items():
        line = books.lines[customer.rstrip("0123456789").replace("visitor", "webchat").replace("caller", "api")]
        line.customers += 1
        line.said += len(marks)
        line.recorded += sum(times[mark] > 0 for mark in marks)
        line.given_up += sum(times[mark] == 0 and mark in given_up for mark in marks)
        line.missing += sum(times[mark] == 0 and mark not in given_up for mark in marks)
        line.doubled += sum(times[mark] > 1 for mark in marks)
        stored = [mark for _, _, mark in kept if mark.rpartition("-")[0] == customer]
        told = [mark for w in watches.values() for mark in w.order if mark.rpartition("-")[0] == customer] or marks
        line.disordered += stored != [mark for mark in told if mark in times]
    for row, message in found:
        line = books.lines[row.channel]
        line.held_off += message.machine == "copy"
        line.files += sum(file.state == "kept" for file in message.attachments)
        books.faults += [f"a file is {f.state}: {f.reason}" for f in message.attachments if f.state != "kept"]
        line.uninvited += _is_uninvited(message)
    said = {mark for marks in ledger.accepted.values() for mark in marks} | ledger.sent
    books.faults += [f"nobody said {mark}" for mark in times if mark not in said]
    for name, watch in watches.items():
        books.lines[name].forged = watch.forged.total()
        books.lines[name].let_in = sum(count for status, count in watch.forged.items() if status not in REFUSED)
        books.lines[name].strange = len(watch.strange)


def _is_uninvited(message: Inbound) -> bool:
    """Pictures may come without their words, which then are a message of their own."""
    if message.kind != "message" or message.machine or (message.attachments and not message.text):
        return False
    return message.text.strip() != HELLO and not MARK.search(message.text)


def _replies(line: Line, sends: Sequence[Send], watch: Watch) -> None:
    """What counts as sent was seen, once; what is in doubt may have been seen; whoever repeats in doubt is known."""
    safe = base.load(watch.platform.name).idempotent
    least, most, allowed = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for send in sends:
        out = msgspec.json.decode(send.body, type=Outbound)
        key, tried = (out.thread, out.text), int(send.tries > 0)
        least[key] += send.state == "sent"
        most[key] += tried
        allowed[key] += send.tries if REPEAT_IN_DOUBT[out.kind] and not safe else tried
        line.in_doubt += send.state in ("unknown", "waiting")
    seen = Counter((one["thread"], one["text"]) for one in watch.platform.sent)
    line.replies = seen.total()
    line.unseen = (least - seen).total()
    line.twice = (seen - allowed).total()
    line.again = (seen - most).total() - line.twice
    line.swapped = sum(_is_swapped(thread, sends, watch) for thread in {thread for thread, _ in seen})
    line.late = sum(_late(thread, sends, watch) for thread in {thread for thread, _ in seen})


def _late(thread: str, sends: Sequence[Send], watch: Watch) -> int:
    """Replies that were decided before a person took over (an older fence), and seen after what the person said."""
    outs = [(send, msgspec.json.decode(send.body, type=Outbound)) for send in sends]
    own = {out.text: send for send, out in outs if out.thread == thread}
    once = Counter(out.text for _, out in outs if out.thread == thread)
    taken_over, late = -1, 0
    for text in (one["text"] for one in watch.platform.sent if one["thread"] == thread):
        send = own.get(text)
        if send is None or send.fence is None or once[text] > 1:
            continue
        if send.kind == "human":
            taken_over = max(taken_over, send.fence)
        late += send.fence < taken_over
    return late


def _is_swapped(thread: str, sends: Sequence[Send], watch: Watch) -> bool:
    """Texts that were said once in the chat, in the order of the rows and in that of the eyes."""
    outs = [msgspec.json.decode(send.body, type=Outbound) for send in sorted(sends, key=lambda one: one.id)]
    said = Counter(out.text for out in outs if out.thread == thread)
    seen = list(dict.fromkeys(one["text"] for one in watch.platform.sent if one["thread"] == thread))
    seen = [text for text in seen if said[text] == 1]
    return seen != [out.text for out in outs if out.thread == thread and out.text in seen]


async def posts(books: Books, store: Store, posted: Counter[str]) -> None:
    """Mails of ours. One that arrived twice has the same Message-ID, so its reader sees it once."""
    sends = [send for send in await everything(store.outbox) if send.destination.startswith("channel:email/")]
    states = Counter(send.state for send in sends)
    line = books.lines["email"]
    line.replies, line.again, line.in_doubt = len(posted), posted.total() - len(posted), states["unknown"]
    line.unseen = max(0, states["sent"] - len(posted))
    line.twice = max(0, len(posted) - sum(send.tries > 0 for send in sends))
    books.faults += [f"email: {fault}" for fault in line.faults if fault.startswith(("unseen", "twice"))]


def _window(line: Line, visitor: Visitor) -> None:
    """Each line once, in the order of the store."""
    shown = [one["seq"] for one in visitor.lines]
    line.replies += sum(one.get("author") not in ("me", None) for one in visitor.lines)
    line.twice += len(shown) - len(set(shown))
    line.swapped += shown != sorted(shown)


def _dead(books: Books, sends: Sequence[Send]) -> None:
    """Nothing ends as a dead letter but automatic mails that the guard against loops held back."""
    dead = [send for send in sends if send.state == "dead"]
    guarded = sum(LOOP in send.error for send in dead)
    books.notes["automatic mails held back as a loop"] = guarded
    books.faults += [f"a dead letter to {s.destination}: {s.error}" for s in dead if LOOP not in s.error]


def _agents(books: Books, sends: Sequence[Send], ledger: Ledger) -> None:
    """What an agent has said and was told is taken, goes out once, whoever owns the conversation by then."""
    texts = Counter(msgspec.json.decode(send.body, type=Outbound).text for send in sends if send.kind == "human")
    wrong = [text for text in ledger.replies.values() if texts[text] != 1]
    books.notes["agents' replies"] = len(ledger.replies)
    books.faults += [f"an agent's reply is there {texts[text]} times: {text}" for text in wrong]
