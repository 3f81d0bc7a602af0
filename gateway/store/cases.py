"""The columns of a case beside its body, and the rows of its journal: the same in every store. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import rows
from gateway.store.base import JournalLine
from gateway.store.journal import canonical, seal
from normalizer.record import ComplaintRecord, Found

#: Statuses after which the next turn opens a new record, or reopens this one on purpose.
CLOSED = ("closed", "withdrawn")
_RANK = {"urgent": 0, "normal": 1, "low": 2}

#: The columns of the table ``record`` that :func:`columns` gives, in this order.
COLUMNS = (
    "number, revision, status, kind, category, urgency, language, summary, handoff_reason, contacts, due_at,"
    " opened_at, updated_at, numbers, to_link"
)

_decode_map = msgspec.json.Decoder(dict[str, Any])


def columns(record: ComplaintRecord) -> tuple[Any, ...]:
    """A record's row, as :data:`COLUMNS`. ``to_link`` is set for complaints alone."""
    what, kind = record.what, _value(record.what.kind)
    row: tuple[Any, ...] = (record.number, record.revision, record.standing.status, kind, _value(what.category))
    row += (_value(record.gravity.urgency), _value(record.arrival.language), what.summary)
    row += (record.standing.handoff_reason, contacts(record), due(record), rows.micros(record.opened_at))
    return (*row, rows.micros(record.updated_at), numbers(record), kind == "complaint")


def _value(found: Found[Any] | None) -> str:
    return "" if found is None else str(found.value)


def rank(record: ComplaintRecord) -> int:
    """The place of its urgency in the desk's lists: 0 urgent, 1 normal, 2 low."""
    return _RANK.get(_value(record.gravity.urgency), 1)


def due(record: ComplaintRecord) -> int | None:
    """What has to be kept next: the first answer, or where none is promised the solution."""
    deadlines = record.standing.deadlines
    return rows.micros_or_none(deadlines.first_response_by or deadlines.resolve_by)


def contacts(record: ComplaintRecord) -> str:
    """Addresses and numbers of the complainant between line feeds, for ``find_person``."""
    who = record.who
    found = [i.split("/", 2)[-1] for i in who.identities] + [f.value for f in (*who.emails, *who.phones)]
    return "".join(f"\n{contact(f)}" for f in found) + "\n" if found else ""


def contact(text: str) -> str:
    """One spelling for an address or number: lower case, and a phone number without its punctuation."""
    bare = "".join(c for c in text if c not in " -().")
    return bare if bare.lstrip("+").isdigit() else text.strip().lower()


def numbers(record: ComplaintRecord) -> str:
    """Order and tracking numbers, between spaces."""
    return " ".join(f.value for f in (*record.what.order_numbers, *record.what.tracking_numbers))


# --- the journal -----------------------------------------------------------------------------------------


def sealed(lines: Sequence[JournalLine], last: Mapping[str, tuple[int, str]]) -> list[JournalLine]:
    """The lines chained to their cases' journals. ``last`` is (n, hash) of the last line of each case that has one."""
    ends = dict(last)
    chained = []
    for line in lines:
        n, prev = ends.get(line.number, (0, ""))
        chained.append(seal(line, n + 1, prev))
        ends[line.number] = (n + 1, chained[-1].hash)
    return chained


#: The columns of the table ``journal``.
JOURNAL = "number, n, what, at, by, body, prev, hash"


def journal_row(line: JournalLine) -> tuple[Any, ...]:
    """A sealed line, as :data:`JOURNAL`."""
    at = line.at.isoformat()
    return (line.number, line.n, line.what, at, line.by, canonical(line.body), line.prev, line.hash)


def journal_line(row: Sequence[Any]) -> JournalLine:
    """From the columns of :data:`JOURNAL`."""
    return JournalLine(
        number=row[0],
        n=row[1],
        what=row[2],
        at=datetime.fromisoformat(row[3]),
        by=row[4],
        body=_decode_map.decode(row[5]),
        prev=row[6],
        hash=row[7],
    )
