"""Pages of listings, the same in every store: what a row holds, and where a page ends. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import ConversationLine, InboxRow, Page, Quarantined, StoreError, Tally

Row = Sequence[Any]

OPEN = "c.status NOT IN ('resolved', 'closed', 'withdrawn')"
CLOSED = "c.status IN ('resolved', 'closed', 'withdrawn')"
#: The columns of :func:`line`, and behind them those that the lists are sorted by: n, rank, active_at.
LINE = (
    f"{rows.CONVERSATION}, coalesce(a.name, ''), coalesce(r.kind, ''), coalesce(r.category, ''),"
    " coalesce(r.urgency, ''), coalesce(r.language, ''), coalesce(r.summary, ''), coalesce(r.handoff_reason, ''),"
    " c.waiting_since, c.due_at, c.last_text, c.unanswered, c.n, c.rank, c.active_at"
)
LINE_FROM = "conversation c LEFT JOIN record r ON r.n = c.record LEFT JOIN agent a ON a.id = c.owner"


def page(found: Sequence[Row], limit: int, make: Callable[[Row], Any], key: Callable[[Row], str]) -> Page:
    """A page of ``limit`` from up to ``limit + 1`` rows."""
    more = len(found) > limit
    return Page(items=tuple(make(r) for r in found[:limit]), cursor=key(found[limit - 1]) if more else "")


def line(row: Row) -> ConversationLine:
    """From the columns of :data:`LINE`."""
    return ConversationLine(
        conversation=rows.conversation(row),
        owner_name=row[15],
        kind=row[16],
        category=row[17],
        urgency=row[18],
        language=row[19],
        summary=row[20],
        handoff_reason=row[21],
        waiting_since=rows.when_or_none(row[22]),
        due_at=rows.when_or_none(row[23]),
        last_text=row[24],
        unanswered=row[25],
    )


def by_activity(row: Row) -> str:
    """The cursor of a :data:`LINE` in a list of the latest."""
    return rows.cursor(row[28], row[26])


def by_urgency(row: Row) -> str:
    """The cursor of a :data:`LINE` in a list of the most urgent."""
    return rows.cursor(row[27], row[23], row[26])


def like(text: str) -> str:
    """A LIKE pattern of what contains the text; the escape is a backslash."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def term(states: dict[str, str], state: str) -> str:
    """The condition of a state's rows. Raises StoreError where there is no such state."""
    if state not in states:
        raise StoreError(f"there is no state {state!r}; one of {', '.join(s for s in states if s)}")
    return states[state]


#: The columns of :func:`inbox_row`.
INBOX = "o.id, c.channel, c.account, o.body, c.id, o.seq, o.state, o.tries, o.provider_at, o.received_at, o.state_at, o.error"


def inbox_row(row: Row) -> InboxRow:
    return InboxRow(
        id=row[0],
        channel=row[1],
        account=row[2],
        external_id=rows.inbound(row[3]).external_id,
        conversation=row[4],
        seq=row[5],
        state=row[6],
        tries=row[7],
        provider_at=rows.when(row[8]),
        received_at=rows.when(row[9]),
        processed_at=rows.when(row[10]) if row[6] == "done" else None,
        error=row[11],
    )


#: The columns of :func:`quarantined`.
QUARANTINED = "o.id, o.channel, o.account, o.at, o.reason, o.raw, o.headers, o.tail, o.state"


def quarantined(row: Row) -> Quarantined:
    return Quarantined(
        id=row[0],
        channel=row[1],
        account=row[2],
        at=rows.when(row[3]),
        reason=row[4],
        raw=row[5],
        headers=msgspec.json.decode(row[6]),
        tail=row[7],
        state=row[8],
    )


#: The counters of :func:`tally`.
COUNTERS = (
    "recorded",
    "duplicates",
    "processed",
    "held",
    "quarantined",
    "replies",
    "delivered",
    "waiting",
    "dead",
    "unknown",
    "superseded",
)


def tally(row: Row) -> Tally:
    """From channel, account, day (since 1970) and :data:`COUNTERS`."""
    counted = dict(zip(COUNTERS, row[3:], strict=True))
    return Tally(
        channel=row[0],
        account=row[1],
        day=(rows.EPOCH + timedelta(days=row[2])).date().isoformat(),
        open=counted["recorded"] - counted["processed"] - counted["held"],
        **counted,
    )
